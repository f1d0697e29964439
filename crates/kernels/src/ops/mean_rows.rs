use burn::tensor::Tensor;

/// The mean of each text of `tokens` rows: `[texts * tokens, hidden] -> [texts, hidden]`.
pub fn mean_rows(x: Tensor<2>, tokens: usize) -> Tensor<2> {
    #[cfg(feature = "gpu")]
    if crate::gpu::is_here(&x)
        && let Ok(out) = crate::gpu::mean_rows(x.clone(), tokens)
    {
        return out;
    }
    #[cfg(feature = "cpu")]
    let x = {
        let [rows, width] = x.dims();
        match super::host::take(x) {
            Ok(x) => {
                let mut means = vec![0.0; rows / tokens * width];
                let texts = x.values().chunks_exact((tokens * width).max(1));
                for (mean, text) in means.chunks_exact_mut(width.max(1)).zip(texts) {
                    for row in text.chunks_exact(width.max(1)) {
                        for (mean, x) in mean.iter_mut().zip(row) {
                            *mean += x;
                        }
                    }
                    mean.iter_mut().for_each(|x| *x /= tokens as f32);
                }
                return super::host::tensor(means, [rows / tokens, width]);
            }
            Err(x) => x,
        }
    };
    otherwise!(reference(x, tokens))
}

#[cfg(feature = "reference")]
pub(super) fn reference(x: Tensor<2>, tokens: usize) -> Tensor<2> {
    let [rows, width] = x.dims();
    let texts = x.reshape([rows / tokens, tokens, width]);
    texts.mean_dim(1).reshape([rows / tokens, width])
}
