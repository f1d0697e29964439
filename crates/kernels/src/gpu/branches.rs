//! Attention of branches that take one another's place in the cache.

use burn::backend::wgpu::CubeTensor;
use burn::tensor::Tensor;

use super::attention::{At, HEAD_DIM_UNIT, attention_at, attention_step_at, rope_append_at};
use super::launch::parameters;
use super::rearrange::copy_rows;
use super::tensor::{empty, into_tensor, need};
use crate::KernelError;
use crate::cpu::Heads;

/// Where every device lets a binding begin: multiples of this many bytes.
const BINDING_GRAIN: u64 = 256;

/// [`rope_append`](super::rope_append) and [`attention`](super::attention()) of several branches,
/// one after the other: `branches` are the first position and the number of rows of each, and
/// a branch sees the positions before its first one and its own.
///
/// `qkv` is `[rows, (heads + 2 kv_heads) * head_dim]`, branch after branch. Returns the mixed values
/// `[rows, heads * head_dim]`; the cache holds the branches as they were written, later ones over
/// earlier ones.
///
/// # Errors
/// As [`rope_append`](super::rope_append), also when the branches' rows are not those of `qkv`.
pub fn branch_attention(
    qkv: Tensor<2>,
    shape: Heads,
    angles: [&Tensor<2>; 2],
    branches: &[(usize, usize)],
    keys: &Tensor<3>,
    values: &Tensor<3>,
) -> Result<Tensor<2>, KernelError> {
    let [rows, _] = qkv.dims();
    let width = shape.heads * shape.head_dim;
    if branches.iter().map(|(_, tokens)| tokens).sum::<usize>() != rows || rows == 0 {
        return Err(KernelError::InvalidArgument(format!(
            "branches {branches:?} of {rows} rows"
        )));
    }
    let all = need(&qkv, "the projection")?;
    let out = empty([rows, width], &qkv.device())?;
    let mut first = 0;
    for (start, tokens) in branches.iter().copied() {
        let part = rows_from(&all, first, tokens, &qkv)?;
        // Kept, not written for each layer: the branches of a pass have several positions.
        let step = parameters(&[start as u32], &all);
        let at = At { start, step: &step };
        let alone = tokens == 1 && shape.head_dim.is_multiple_of(HEAD_DIM_UNIT);
        let mixed = if alone {
            attention_step_at(part, shape, angles, at, keys, values)?
        } else {
            let queries = rope_append_at(part, shape, angles, at, keys, values)?;
            attention_at(queries, keys, values, shape, at)?
        };
        let mixed = need(&mixed, "the mixed values")?;
        copy_rows(&mixed, 0, &out, first, [tokens, width]);
        first += tokens;
    }
    Ok(into_tensor(out))
}

/// Rows of `all`: where they lie if a binding may begin there, else copied.
fn rows_from(
    all: &CubeTensor,
    first: usize,
    count: usize,
    like: &Tensor<2>,
) -> Result<Tensor<2>, KernelError> {
    let [rows, width] = like.dims();
    let bytes = |rows: usize| (rows * width * size_of::<f32>()) as u64;
    if bytes(first).is_multiple_of(BINDING_GRAIN) {
        let handle = all.handle.clone().offset_start(bytes(first));
        return Ok(into_tensor(CubeTensor::new_contiguous(
            all.client.clone(),
            all.device.clone(),
            [count, width].into(),
            handle.offset_end(bytes(rows - first - count)),
            all.dtype,
        )));
    }
    let part = empty([count, width], &like.device())?;
    copy_rows(all, first, &part, 0, [count, width]);
    Ok(into_tensor(part))
}
