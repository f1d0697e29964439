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
    #[cfg(feature = "cpu")]
    let x = match super::host::take(x) {
        Ok(x) => match (super::host::view(weight), super::host::view(bias)) {
            (Some(weight), Some(bias)) => {
                let (weight, bias) = (weight.values(), bias.values());
                let mut out = vec![0.0; x.values().len()];
                crate::cpu::layer_norm(x.values(), weight, bias, eps as f32, &mut out);
                let tokens = out.len() / weight.len().max(1);
                return super::host::tensor(out, [tokens, weight.len()]);
            }
            _ => x.into_tensor(),
        },
        Err(x) => x,
    };
    otherwise!(reference(x, weight, bias, eps))
}

#[cfg(feature = "reference")]
pub(super) fn reference(x: Tensor<2>, weight: &Tensor<1>, bias: &Tensor<1>, eps: f64) -> Tensor<2> {
    let mean = x.clone().mean_dim(1);
    let centred = x - mean;
    let variance = centred.clone().square().mean_dim(1);
    let scale = (variance + eps).sqrt().recip();
    centred * scale * weight.clone().unsqueeze() + bias.clone().unsqueeze()
}
