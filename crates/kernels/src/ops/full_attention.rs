use burn::tensor::Tensor;
#[cfg(feature = "reference")]
use burn::tensor::activation;

#[cfg(feature = "cpu")]
use crate::cpu::Instructions;

/// Attention of every token to every other of its text, each of `tokens` rows: `[texts * tokens, 3
/// heads * head_dim] -> [texts * tokens, heads * head_dim]`.
///
/// A row holds the queries of all heads, then their keys, then their values.
pub fn full_attention(qkv: Tensor<2>, tokens: usize, heads: usize) -> Tensor<2> {
    #[cfg(feature = "gpu")]
    if crate::gpu::is_here(&qkv)
        && let Ok(out) = crate::gpu::full_attention(qkv.clone(), tokens, heads)
    {
        return out;
    }
    #[cfg(feature = "cpu")]
    let qkv = {
        let [rows, columns] = qkv.dims();
        match super::host::take(qkv) {
            Ok(qkv) => {
                let width = columns / 3;
                let mut out = vec![0.0; rows * width];
                let (shape, best) = ([heads, width / heads], Instructions::best());
                let done = crate::cpu::full_attention(qkv.values(), tokens, shape, &mut out, best);
                super::host::check(done);
                return super::host::tensor(out, [rows, width]);
            }
            Err(qkv) => qkv,
        }
    };
    otherwise!(reference(qkv, tokens, heads))
}

#[cfg(feature = "reference")]
pub(super) fn reference(qkv: Tensor<2>, tokens: usize, heads: usize) -> Tensor<2> {
    let [rows, columns] = qkv.dims();
    let head_dim = columns / (3 * heads);
    let qkv = qkv
        .reshape([rows / tokens, tokens, 3 * heads, head_dim])
        .swap_dims(1, 2);
    let queries = qkv.clone().narrow(1, 0, heads);
    let keys = qkv.clone().narrow(1, heads, heads);
    let values = qkv.narrow(1, 2 * heads, heads);
    let scale = (head_dim as f64).sqrt().recip();
    let scores = (queries * scale).matmul(keys.swap_dims(2, 3));
    activation::softmax(scores, 3)
        .matmul(values)
        .swap_dims(1, 2)
        .reshape([rows, heads * head_dim])
}
