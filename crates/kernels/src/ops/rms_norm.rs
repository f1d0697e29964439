use burn::tensor::Tensor;

/// `x / sqrt(mean(x²) + eps) * weight` (arXiv 1910.07467): `[tokens, hidden] -> [tokens, hidden]`.
///
/// `weight` is `[hidden]`.
pub fn rms_norm(x: Tensor<2>, weight: &Tensor<1>, eps: f64) -> Tensor<2> {
    #[cfg(feature = "gpu")]
    if crate::gpu::is_here(&x)
        && let Ok(out) = crate::gpu::rms_norm(x.clone(), weight, eps)
    {
        return out;
    }
    #[cfg(feature = "cpu")]
    let x = match (super::host::take(x), super::host::view(weight)) {
        (Ok(x), Some(weight)) => return on_host(&x, &weight, eps),
        (Ok(x), None) => x.into_tensor(),
        (Err(x), _) => x,
    };
    otherwise!(reference(x, weight, eps))
}

#[cfg(feature = "cpu")]
fn on_host(x: &super::host::HostTensor, weight: &super::host::HostTensor, eps: f64) -> Tensor<2> {
    let (x, weight) = (x.values(), weight.values());
    let mut out = vec![0.0; x.len()];
    crate::cpu::rms_norm(x, weight, eps as f32, &mut out);
    super::host::tensor(out, [x.len() / weight.len().max(1), weight.len()])
}

#[cfg(feature = "reference")]
pub(super) fn reference(x: Tensor<2>, weight: &Tensor<1>, eps: f64) -> Tensor<2> {
    let mean_square = x.clone().square().mean_dim(1);
    let scale = (mean_square + eps).sqrt().recip();
    x * scale * weight.clone().unsqueeze()
}
