//! Small float functions in a form that compilers turn into vector code.

/// `e^x` to about one unit in the last place, without a branch or a table: 0 below -87, and
/// finite above 88.
///
/// The standard library's `exp` is a call for each element; in WebAssembly it was a tenth of a
/// decode step.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    /// Added to a small float, it leaves the rounded integer in the low bits.
    const MAGIC: f32 = 12_582_912.0;
    // ln 2 in two parts, the first with few enough bits that its product is exact.
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let tiny = x < -87.0;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + MAGIC;
    let n = shifted - MAGIC;
    let r = x - n * LN_2_HIGH - n * LN_2_LOW;
    // Taylor, |r| <= ln 2 / 2: the first term left out is below 6e-9.
    let mut p = 1.0 / 5040.0;
    for c in [
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
        1.0,
    ] {
        p = p * r + c;
    }
    let power = (shifted.to_bits() as i32)
        .wrapping_sub(MAGIC.to_bits() as i32)
        .wrapping_add(127)
        .wrapping_shl(23);
    let value = p * f32::from_bits(power as u32);
    if tiny { 0.0 } else { value }
}

/// `Σ a b` over the shorter of the two, summed in sixteen lanes: what attention makes of a query and
/// a key, several at a time.
#[cfg(test)]
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a_lanes, a_rest) = a.as_chunks::<16>();
    let (b_lanes, b_rest) = b.as_chunks::<16>();
    let mut sums = [0.0f32; 16];
    for (a, b) in a_lanes.iter().zip(b_lanes) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    lanes(sums) + rest
}

/// The sum of sixteen lanes, as a tree.
#[inline(always)]
pub(crate) fn lanes(sums: [f32; 16]) -> f32 {
    let mut eight = [0.0f32; 8];
    for (i, sum) in eight.iter_mut().enumerate() {
        *sum = sums[i] + sums[i + 8];
    }
    let four = [0, 1, 2, 3].map(|i: usize| eight[i] + eight[i + 4]);
    (four[0] + four[2]) + (four[1] + four[3])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_right_to_a_few_units_in_the_last_place() {
        let mut worst = 0.0f64;
        for i in -870_000..=880_000 {
            let x = i as f32 / 10_000.0;
            let want = f64::from(x).exp();
            worst = worst.max((f64::from(exp(x)) - want).abs() / want);
        }
        assert!(worst < 2.5e-7, "{worst}");
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(-1e30), 0.0);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert!(exp(1e30).is_finite());
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn dot_takes_any_length() {
        for len in 0..70 {
            let a: Vec<f32> = (0..len).map(|i| i as f32 - 20.0).collect();
            let want: f32 = a.iter().map(|a| a * a).sum();
            assert_eq!(dot(&a, &a), want);
        }
    }
}
