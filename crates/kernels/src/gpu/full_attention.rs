//! Attention of every token to every other.

use burn::backend::wgpu::CubeTensor;
use burn::tensor::Tensor;

use super::attention::MAX_HEAD_DIM;
use super::launch::{Bound, launch, parameters};
use super::project::Sharing;
use super::shader::{Name, Shader};
use super::tensor::{empty, into_tensor, need};
use crate::KernelError;

/// The longest heads that an invocation keeps in registers.
const MAX_ALONE: usize = 64;
/// Queries of a workgroup, on hardware.
const GROUP: usize = 8;
/// Queries of an invocation that answers alone, and invocations of its workgroup.
const ALONE: [usize; 2] = [2, 8];

/// Attention of every token to every other of its `tokens`: `[batch * tokens, 3 heads * head_dim] ->
/// [batch * tokens, heads * head_dim]`.
///
/// A row of `qkv` holds the queries of all heads, then their keys, then their values.
///
/// # Errors
/// `invalid-argument` when shapes do not fit or a tensor is not `f32` on the wgpu device.
pub fn full_attention(
    qkv: Tensor<2>,
    tokens: usize,
    heads: usize,
) -> Result<Tensor<2>, KernelError> {
    let sharing = Sharing::of(&qkv.device());
    full_attention_as(qkv, tokens, heads, sharing)
}

/// As [`full_attention`], shared as it is told: for tests.
///
/// # Errors
/// As [`full_attention`].
pub fn full_attention_as(
    qkv: Tensor<2>,
    tokens: usize,
    heads: usize,
    sharing: Sharing,
) -> Result<Tensor<2>, KernelError> {
    let [rows, row] = qkv.dims();
    let head_dim = row / (3 * heads.max(1));
    let sound = heads > 0
        && tokens > 0
        && rows > 0
        && rows.is_multiple_of(tokens)
        && row == 3 * heads * head_dim
        && head_dim.is_multiple_of(4)
        && (4..=MAX_HEAD_DIM).contains(&head_dim);
    if !sound {
        return Err(KernelError::InvalidArgument(format!(
            "attention of {:?} among {tokens} tokens with {heads} heads",
            qkv.dims()
        )));
    }
    let out = empty([rows, heads * head_dim], &qkv.device())?;
    let qkv = need(&qkv, "the projection")?;
    let shape = [rows / tokens, tokens, heads, head_dim];
    if sharing == Sharing::Software && head_dim <= MAX_ALONE {
        alone(&qkv, None, &out, shape);
    } else {
        together(&qkv, &out, shape);
    }
    Ok(into_tensor(out))
}

/// Attention of every token to every other, where each counts as often as its size says (arXiv
/// 2210.09461): `[tokens, 3 heads * head_dim] -> [tokens, heads * head_dim]`.
///
/// # Errors
/// `invalid-argument` when shapes do not fit, heads are longer than 64 or no multiple of four, or a
/// tensor is not `f32` on the wgpu device.
pub fn sized_attention(
    qkv: &Tensor<2>,
    heads: usize,
    sizes: &Tensor<1>,
) -> Result<Tensor<2>, KernelError> {
    let [tokens, row] = qkv.dims();
    let head_dim = row / (3 * heads.max(1));
    let fits = heads > 0
        && tokens > 0
        && row == 3 * heads * head_dim
        && head_dim.is_multiple_of(4)
        && (4..=MAX_ALONE).contains(&head_dim)
        && sizes.dims() == [tokens];
    if !fits {
        return Err(KernelError::InvalidArgument(format!(
            "attention of {:?} with {heads} heads and {} sizes",
            qkv.dims(),
            sizes.dims()[0]
        )));
    }
    let from = need(qkv, "the projection")?;
    let sizes = need(sizes, "the sizes")?;
    let out = empty([tokens, heads * head_dim], &qkv.device())?;
    alone(&from, Some(&sizes), &out, [1, tokens, heads, head_dim]);
    Ok(into_tensor(out))
}

/// Each invocation with queries of its own. `sizes`, `[batch * tokens]`, says how often each key
/// counts.
pub(super) fn alone(
    qkv: &CubeTensor,
    sizes: Option<&CubeTensor>,
    out: &CubeTensor,
    [batch, tokens, heads, head_dim]: [usize; 4],
) {
    let columns = heads * head_dim;
    let words = [heads, tokens, 3 * columns, columns, 2 * columns].map(|word| word as u32);
    let parameters = parameters(&words, qkv);
    let [queries, workgroup] = ALONE;
    let mut bound = vec![
        Bound::Read(&parameters),
        Bound::Read(qkv),
        Bound::Write(out),
    ];
    bound.extend(sizes.map(Bound::Read));
    launch(
        Shader::plain(Name::AttentionAlone, workgroup as u32)
            .constant("QUADS", (head_dim / 4) as u32)
            .constant("QUERIES", queries as u32)
            .feature("SIZES", sizes.is_some()),
        &bound,
        [heads, tokens.div_ceil(queries * workgroup), batch],
    );
}

/// A workgroup for eight queries of a head: the kernel of the cache, over rows of the projection.
fn together(qkv: &CubeTensor, out: &CubeTensor, [batch, tokens, heads, head_dim]: [usize; 4]) {
    let columns = heads * head_dim;
    let row = 3 * columns;
    // One query head for each key head, no parts; a head's keys and values lie beside the next's.
    let words = [
        heads,
        1,
        head_dim,
        tokens,
        tokens,
        row,
        columns,
        2 * columns,
        head_dim,
        row,
    ];
    let parameters = parameters(&words.map(|word| word as u32), qkv);
    launch(
        Shader::plain(Name::Attention, 64)
            .constant("QUERIES", GROUP as u32)
            .constant("STEPS", head_dim.div_ceil(64) as u32),
        &[
            Bound::Read(&parameters),
            Bound::Read(qkv),
            Bound::Read(qkv),
            Bound::Read(qkv),
            Bound::Write(out),
        ],
        [heads, tokens.div_ceil(GROUP), batch],
    );
}
