//! `f32` to blocks as stored, for the types that a new row is written in.

use half::{bf16, f16};

use crate::{CheckpointError, DType};

/// Whether [`quantize`] writes a type.
pub const fn is_written(dtype: DType) -> bool {
    matches!(dtype, DType::F32 | DType::F16 | DType::BF16 | DType::Q8_0)
}

/// Appends the blocks of `values` to `out`.
///
/// F16, BF16 and the scale of Q8_0 round to nearest, ties to even; the quants of Q8_0 round to
/// nearest, ties away from zero, and the largest of a block is ±127, as ggml's reference has it. So
/// blocks that were dequantised come back bit for bit.
///
/// # Errors
/// `unsupported-type` for other types, `invalid-argument` for values that are not whole blocks, are
/// not finite, or are too large for the type.
pub fn quantize(dtype: DType, values: &[f32], out: &mut Vec<u8>) -> Result<(), CheckpointError> {
    if !is_written(dtype) {
        return Err(CheckpointError::UnsupportedType {
            tensor: "to be written".to_owned(),
            dtype: dtype.to_string(),
        });
    }
    let Some(bytes) = dtype.bytes_for(values.len() as u64) else {
        return Err(CheckpointError::InvalidArgument(format!(
            "{} values are not whole blocks of {dtype}: give a multiple of {}",
            values.len(),
            dtype.block_len()
        )));
    };
    out.reserve(usize::try_from(bytes).unwrap_or(0));
    let limit = match dtype {
        DType::F16 => f16::MAX.to_f32(),
        DType::Q8_0 => f16::MAX.to_f32() * 127.0,
        _ => f32::MAX,
    };
    // A NaN is not below the limit either.
    if let Some(value) = values
        .iter()
        .find(|value| value.is_nan() || value.abs() > limit)
    {
        return Err(CheckpointError::InvalidArgument(format!(
            "{value} cannot be written as {dtype}"
        )));
    }
    match dtype {
        DType::F16 => out.extend(values.iter().flat_map(|x| f16::from_f32(*x).to_le_bytes())),
        DType::BF16 => out.extend(values.iter().flat_map(|x| bf16::from_f32(*x).to_le_bytes())),
        DType::Q8_0 => {
            let (blocks, _) = values.as_chunks::<32>();
            blocks.iter().for_each(|block| q8_0(block, out));
        }
        _ => out.extend(values.iter().flat_map(|x| x.to_le_bytes())),
    }
    Ok(())
}

fn q8_0(block: &[f32; 32], out: &mut Vec<u8>) {
    let largest = block.iter().fold(0f32, |max, x| max.max(x.abs()));
    let scale = largest / 127.0;
    let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
    out.extend(f16::from_f32(scale).to_le_bytes());
    // The largest quotient can be a rounding above 127.
    let quant = |x: &f32| (x * inverse).round().clamp(-127.0, 127.0) as i8 as u8;
    out.extend(block.iter().map(quant));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dequant::dequantize;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_dequantised_comes_back(
            scale in 1u16..0x7c00,
            mut quants in proptest::collection::vec(-126i8..=126, 32),
            at in 0usize..32,
        ) {
            quants[at] = 127;
            let mut block = scale.to_le_bytes().to_vec();
            block.extend(quants.iter().map(|q| *q as u8));
            let mut values = [0f32; 32];
            dequantize(DType::Q8_0, &block, &mut values).unwrap();
            let mut again = Vec::new();
            quantize(DType::Q8_0, &values, &mut again).unwrap();
            prop_assert_eq!(again, block);
        }

        #[test]
        fn q8_0_is_off_by_half_a_step_at_most(values in proptest::collection::vec(-2f32..2.0, 64)) {
            let mut blocks = Vec::new();
            quantize(DType::Q8_0, &values, &mut blocks).unwrap();
            let mut back = [0f32; 64];
            dequantize(DType::Q8_0, &blocks, &mut back).unwrap();
            for (values, back) in values.chunks(32).zip(back.chunks(32)) {
                let step = values.iter().fold(0f32, |max, x| max.max(x.abs())) / 127.0;
                for (x, y) in values.iter().zip(back) {
                    // Half a step, and the rounding of the scale to 11 bits in what is that near.
                    let half = step * 0.5;
                    let allowed = half + (x.abs() + half) / 2048.0 + 1e-7;
                    prop_assert!((x - y).abs() <= allowed, "{x} {y}");
                }
            }
        }
    }

    #[test]
    fn halves_round_to_nearest() {
        let mut out = Vec::new();
        quantize(DType::F16, &[1.0, 65504.0, -0.1], &mut out).unwrap();
        assert_eq!(out, [0x00, 0x3c, 0xff, 0x7b, 0x66, 0xae]);
        assert!(quantize(DType::F16, &[1e6], &mut out).is_err());
        assert!(quantize(DType::F32, &[f32::NAN], &mut out).is_err());
        assert!(quantize(DType::Q8_0, &[1.0; 33], &mut out).is_err());
        assert!(quantize(DType::Q4K, &[1.0; 256], &mut out).is_err());
    }
}
