use burn::tensor::Tensor;
#[cfg(feature = "reference")]
use burn::tensor::activation;

/// `x sigmoid(1.702 x)` (arXiv 1606.08415), element by element.
pub fn quick_gelu(x: Tensor<2>) -> Tensor<2> {
    #[cfg(feature = "gpu")]
    if crate::gpu::is_here(&x)
        && let Ok(out) = crate::gpu::quick_gelu(x.clone())
    {
        return out;
    }
    #[cfg(feature = "cpu")]
    let x = {
        let shape = x.dims();
        match super::host::take(x) {
            Ok(x) => {
                let mut out = x.values().to_vec();
                crate::cpu::quick_gelu(&mut out);
                return super::host::tensor(out, shape);
            }
            Err(x) => x,
        }
    };
    otherwise!(reference(x))
}

#[cfg(feature = "reference")]
pub(super) fn reference(x: Tensor<2>) -> Tensor<2> {
    activation::sigmoid(x.clone() * 1.702) * x
}
