use burn::tensor::Tensor;
#[cfg(feature = "reference")]
use burn::tensor::activation;

#[cfg(feature = "cpu")]
use crate::cpu::Instructions;

/// Attention of every token to every other: `[tokens, 3 heads * head_dim] -> [tokens, heads *
/// head_dim]`.
///
/// A row holds the queries of all heads, then their keys, then their values.
pub fn full_attention(qkv: Tensor<2>, heads: usize) -> Tensor<2> {
    #[cfg(feature = "gpu")]
    if crate::gpu::is_here(&qkv)
        && let Ok(out) = crate::gpu::full_attention(qkv.clone(), qkv.dims()[0], heads)
    {
        return out;
    }
    #[cfg(feature = "cpu")]
    let qkv = {
        let [tokens, columns] = qkv.dims();
        match super::host::take(qkv) {
            Ok(qkv) => {
                let width = columns / 3;
                let mut out = vec![0.0; tokens * width];
                let (head_dim, best) = (width / heads, Instructions::best());
                let done =
                    crate::cpu::full_attention(qkv.values(), heads, head_dim, &mut out, best);
                super::host::check(done);
                return super::host::tensor(out, [tokens, width]);
            }
            Err(qkv) => qkv,
        }
    };
    otherwise!(reference(qkv, heads))
}

#[cfg(feature = "reference")]
pub(super) fn reference(qkv: Tensor<2>, heads: usize) -> Tensor<2> {
    let [tokens, columns] = qkv.dims();
    let head_dim = columns / (3 * heads);
    let qkv = qkv.reshape([tokens, 3 * heads, head_dim]).swap_dims(0, 1);
    let queries = qkv.clone().narrow(0, 0, heads);
    let keys = qkv.clone().narrow(0, heads, heads);
    let values = qkv.narrow(0, 2 * heads, heads);
    let scale = (head_dim as f64).sqrt().recip();
    let scores = (queries * scale).matmul(keys.swap_dims(1, 2));
    activation::softmax(scores, 2)
        .matmul(values)
        .swap_dims(0, 1)
        .reshape([tokens, heads * head_dim])
}
