//! F32, F16 and BF16.

/// One little-endian single.
#[inline(always)]
pub(super) fn f32_block(bytes: &[u8; 4], out: &mut [f32; 1]) {
    *out = [f32::from_le_bytes(*bytes)];
}

/// One little-endian half.
#[inline(always)]
pub(super) fn f16_block(bytes: &[u8; 2], out: &mut [f32; 1]) {
    *out = [f16_to_f32(*bytes)];
}

/// One little-endian brain float: the upper half of a single.
#[inline(always)]
pub(super) fn bf16_block(bytes: &[u8; 2], out: &mut [f32; 1]) {
    *out = [f32::from_bits(u32::from(u16::from_le_bytes(*bytes)) << 16)];
}

/// A half as a single, exactly, without a branch so that loops over it become
/// SIMD where the machine has no instruction for it.
///
/// The half's exponent and mantissa are put where a single has them, which
/// makes a number 2^112 too small; the multiplication mends that and turns
/// subnormal halves into normal singles. Infinities and NaNs, which would
/// become finite, get their exponent back.
#[inline(always)]
pub(super) fn f16_to_f32(bytes: [u8; 2]) -> f32 {
    const TWO_POW_112: f32 = f32::from_bits((127 + 112) << 23);
    const F16_EXPONENT: u32 = 0x7c00;
    const F32_EXPONENT: u32 = 0x7f80_0000;
    let half = u32::from(u16::from_le_bytes(bytes));
    let sign = (half & 0x8000) << 16;
    let magnitude = f32::from_bits((half & 0x7fff) << 13) * TWO_POW_112;
    let special = if half & F16_EXPONENT == F16_EXPONENT {
        F32_EXPONENT
    } else {
        0
    };
    f32::from_bits(magnitude.to_bits() | special | sign)
}

#[cfg(test)]
mod tests {
    use super::f16_to_f32;

    #[test]
    fn every_half_is_exact() {
        for bits in 0..=u16::MAX {
            let expected = half::f16::from_bits(bits).to_f32();
            let got = f16_to_f32(bits.to_le_bytes());
            if expected.is_nan() {
                assert!(got.is_nan(), "{bits:#06x} gave {got}");
            } else {
                assert_eq!(got.to_bits(), expected.to_bits(), "{bits:#06x}");
            }
        }
    }
}
