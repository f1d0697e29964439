use burn::tensor::Tensor;

/// The last row: `[tokens, hidden] -> [1, hidden]`, for at least one token.
pub fn last_row(x: Tensor<2>) -> Tensor<2> {
    let [tokens, width] = x.dims();
    if tokens == 1 {
        return x;
    }
    #[cfg(feature = "gpu")]
    if crate::gpu::is_here(&x)
        && let Ok(out) = crate::gpu::last_row(x.clone())
    {
        return out;
    }
    #[cfg(feature = "cpu")]
    let x = match super::host::take(x) {
        Ok(x) => {
            let last = x.values().chunks_exact(width.max(1)).next_back();
            return super::host::tensor(last.unwrap_or_default().to_vec(), [1, width]);
        }
        Err(x) => x,
    };
    #[cfg(not(feature = "cpu"))]
    let _ = width;
    otherwise!(reference(x))
}

#[cfg(feature = "reference")]
pub(super) fn reference(x: Tensor<2>) -> Tensor<2> {
    let last = x.dims()[0] - 1;
    x.narrow(0, last, 1)
}
