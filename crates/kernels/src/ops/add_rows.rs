use burn::tensor::Tensor;

/// Each text of `tokens` rows plus the first rows of `table`: `[texts * tokens, hidden] -> [texts *
/// tokens, hidden]`.
///
/// `table` is `[rows, hidden]` with at least `tokens` rows.
pub fn add_rows(x: Tensor<2>, table: &Tensor<2>, tokens: usize) -> Tensor<2> {
    #[cfg(feature = "gpu")]
    if crate::gpu::is_here(&x)
        && let Ok(out) = crate::gpu::add_rows(x.clone(), table, tokens)
    {
        return out;
    }
    #[cfg(feature = "cpu")]
    let text = tokens * x.dims()[1];
    #[cfg(feature = "cpu")]
    let x = match (super::host::take(x), super::host::view(table)) {
        (Ok(mut x), Some(table)) => {
            for text in x.values_mut().chunks_mut(text.max(1)) {
                for (x, y) in text.iter_mut().zip(table.values()) {
                    *x += y;
                }
            }
            return x.into_tensor();
        }
        (Ok(x), None) => x.into_tensor(),
        (Err(x), _) => x,
    };
    otherwise!(reference(x, table, tokens))
}

#[cfg(feature = "reference")]
pub(super) fn reference(x: Tensor<2>, table: &Tensor<2>, tokens: usize) -> Tensor<2> {
    let texts = x.dims()[0] / tokens;
    x + table.clone().narrow(0, 0, tokens).repeat_dim(0, texts)
}
