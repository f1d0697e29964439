use burn::tensor::Tensor;

/// `x` plus the first rows of `table`: `[tokens, hidden] -> [tokens, hidden]`.
///
/// `table` is `[rows, hidden]` with at least as many rows as `x`.
pub fn add_rows(x: Tensor<2>, table: &Tensor<2>) -> Tensor<2> {
    #[cfg(feature = "gpu")]
    if crate::gpu::is_here(&x)
        && let Ok(out) = crate::gpu::add_rows(x.clone(), table)
    {
        return out;
    }
    #[cfg(feature = "cpu")]
    let x = match (super::host::take(x), super::host::view(table)) {
        (Ok(mut x), Some(table)) => {
            for (x, y) in x.values_mut().iter_mut().zip(table.values()) {
                *x += y;
            }
            return x.into_tensor();
        }
        (Ok(x), None) => x.into_tensor(),
        (Err(x), _) => x,
    };
    otherwise!(reference(x, table))
}

#[cfg(feature = "reference")]
pub(super) fn reference(x: Tensor<2>, table: &Tensor<2>) -> Tensor<2> {
    let tokens = x.dims()[0];
    x + table.clone().narrow(0, 0, tokens)
}
