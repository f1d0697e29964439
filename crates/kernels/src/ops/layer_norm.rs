use burn::tensor::Tensor;

/// `(x - mean) / sqrt(variance + eps) * weight + bias` (arXiv 1607.06450), biased variance:
/// `[tokens, hidden] -> [tokens, hidden]`.
pub fn layer_norm(x: Tensor<2>, weight: &Tensor<1>, bias: &Tensor<1>, eps: f64) -> Tensor<2> {
    #[cfg(feature = "gpu")]
    if crate::gpu::is_here(&x)
        && let Ok(out) = crate::gpu::layer_norm(x.clone(), weight, bias, eps)
    {
        return out;
    }
    let mean = x.clone().mean_dim(1);
    let centred = x - mean;
    let variance = centred.clone().square().mean_dim(1);
    let scale = (variance + eps).sqrt().recip();
    centred * scale * weight.clone().unsqueeze() + bias.clone().unsqueeze()
}
