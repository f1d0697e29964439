use burn::tensor::Tensor;

/// The mean of all rows: `[tokens, hidden] -> [1, hidden]`.
pub fn mean_rows(x: Tensor<2>) -> Tensor<2> {
    #[cfg(feature = "gpu")]
    if crate::gpu::is_here(&x)
        && let Ok(out) = crate::gpu::mean_rows(x.clone())
    {
        return out;
    }
    #[cfg(feature = "cpu")]
    let x = {
        let [tokens, width] = x.dims();
        match super::host::take(x) {
            Ok(x) => {
                let mut mean = vec![0.0; width];
                for row in x.values().chunks_exact(width.max(1)) {
                    for (mean, x) in mean.iter_mut().zip(row) {
                        *mean += x;
                    }
                }
                mean.iter_mut().for_each(|x| *x /= tokens as f32);
                return super::host::tensor(mean, [1, width]);
            }
            Err(x) => x,
        }
    };
    otherwise!(reference(x))
}

#[cfg(feature = "reference")]
pub(super) fn reference(x: Tensor<2>) -> Tensor<2> {
    x.mean_dim(0)
}
