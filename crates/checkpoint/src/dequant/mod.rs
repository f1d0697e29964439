//! Blocks as stored to `f32`, one file a type family.
//!
//! Each formula is ggml's, evaluated in single precision in ggml's order, so
//! results are bit for bit those of its reference (without fused
//! multiply-add). Inner loops run over arrays of fixed size without branches,
//! which compilers turn into SIMD, on wasm too.

mod float;
mod legacy;
mod superblock;

use crate::{CheckpointError, DType};

/// Dequantises whole blocks: `blocks` holds `n * dtype.block_bytes()` bytes
/// and `out` takes `n * dtype.block_len()` elements.
///
/// # Errors
/// `invalid-argument` when the lengths do not agree, `unsupported-type` for
/// [`DType::Other`].
pub fn dequantize(dtype: DType, blocks: &[u8], out: &mut [f32]) -> Result<(), CheckpointError> {
    if !dtype.is_supported() {
        return Err(CheckpointError::UnsupportedType {
            tensor: "given as blocks".to_owned(),
            dtype: dtype.to_string(),
        });
    }
    if dtype.bytes_for(out.len() as u64) != Some(blocks.len() as u64) {
        return Err(CheckpointError::InvalidArgument(format!(
            "{} bytes of {dtype} do not make {} elements: give whole blocks of {} bytes and {} \
             elements",
            blocks.len(),
            out.len(),
            dtype.block_bytes(),
            dtype.block_len()
        )));
    }
    match dtype {
        DType::F32 => map(blocks, out, float::f32_block),
        DType::F16 => map(blocks, out, float::f16_block),
        DType::BF16 => map(blocks, out, float::bf16_block),
        DType::Q8_0 => map(blocks, out, legacy::q8_0),
        DType::Q4_0 => map(blocks, out, legacy::q4_0),
        DType::Q4_1 => map(blocks, out, legacy::q4_1),
        DType::Q5_0 => map(blocks, out, legacy::q5_0),
        DType::Q5_1 => map(blocks, out, legacy::q5_1),
        DType::Q4K => map(blocks, out, superblock::q4_k),
        DType::Q5K => map(blocks, out, superblock::q5_k),
        DType::Q6K => map(blocks, out, superblock::q6_k),
        DType::Other(_) => {}
    }
    Ok(())
}

/// Applies one block's function to all of them. The sizes are in its type,
/// so that nothing inside it checks a bound.
#[inline(always)]
fn map<const BYTES: usize, const LEN: usize>(
    blocks: &[u8],
    out: &mut [f32],
    block: impl Fn(&[u8; BYTES], &mut [f32; LEN]),
) {
    let (blocks, _) = blocks.as_chunks::<BYTES>();
    let (out, _) = out.as_chunks_mut::<LEN>();
    for (bytes, values) in blocks.iter().zip(out) {
        block(bytes, values);
    }
}
