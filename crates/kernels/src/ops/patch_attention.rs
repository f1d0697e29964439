use burn::tensor::Tensor;

use crate::KernelError;
use crate::cpu::Instructions;

/// Attention within each of a batch of pictures of `tokens` tokens: `[batch * tokens, 3 heads *
/// head_dim] -> [batch * tokens, heads * head_dim]`.
///
/// A row holds the queries of all heads, then their keys, then their values. `log_sizes`, `[batch
/// * tokens]`, is added to the scores of each key (proportional attention, arXiv 2210.09461).
///
/// On a graphics card pictures without sizes stay there; with sizes the processor attends, and tensors
/// are copied to it and back. [`Reducing`](super::Reducing) counts sizes on the card.
///
/// # Errors
/// `invalid-argument` when shapes do not fit or heads are no multiple of eight long, `device-lost`.
pub async fn patch_attention(
    qkv: Tensor<2>,
    tokens: usize,
    heads: usize,
    log_sizes: Option<&[f32]>,
) -> Result<Tensor<2>, KernelError> {
    let [rows, columns] = qkv.dims();
    #[cfg(feature = "gpu")]
    if crate::gpu::is_here(&qkv)
        && log_sizes.is_none()
        && let Ok(out) = crate::gpu::full_attention(qkv.clone(), tokens, heads)
    {
        return Ok(out);
    }
    let width = columns / 3;
    let shape = [heads, width.checked_div(heads).unwrap_or(0)];
    let mut out = vec![0.0; rows * width];
    let mut attend = |qkv: &[f32]| {
        let best = Instructions::best();
        crate::cpu::patch_attention(qkv, tokens, shape, log_sizes, &mut out, best)
    };
    #[cfg(feature = "cpu")]
    let qkv = match super::host::take(qkv) {
        Ok(qkv) => {
            attend(qkv.values())?;
            return Ok(super::host::tensor(out, [rows, width]));
        }
        Err(qkv) => qkv,
    };
    let device = qkv.device();
    attend(&super::to_host(qkv).await?)?;
    Ok(super::from_host(out, [rows, width], &device))
}
