use burn::tensor::Tensor;

/// One row: `[tokens, hidden] -> [1, hidden]`. `index` must be below `tokens`.
pub fn row(x: Tensor<2>, index: usize) -> Tensor<2> {
    let [tokens, width] = x.dims();
    if tokens == 1 && index == 0 {
        return x;
    }
    #[cfg(feature = "gpu")]
    if crate::gpu::is_here(&x)
        && let Ok(out) = crate::gpu::row(x.clone(), index)
    {
        return out;
    }
    #[cfg(feature = "cpu")]
    let x = match super::host::take(x) {
        Ok(x) => {
            let row = x.values().chunks_exact(width.max(1)).nth(index);
            return super::host::tensor(row.unwrap_or_default().to_vec(), [1, width]);
        }
        Err(x) => x,
    };
    #[cfg(not(feature = "cpu"))]
    let _ = width;
    otherwise!(reference(x, index))
}

#[cfg(feature = "reference")]
pub(super) fn reference(x: Tensor<2>, index: usize) -> Tensor<2> {
    x.narrow(0, index, 1)
}
