use burn::tensor::Tensor;
#[cfg(feature = "reference")]
use burn::tensor::activation;

/// `x Φ(x)` (arXiv 1606.08415), element by element.
pub fn gelu(x: Tensor<2>) -> Tensor<2> {
    #[cfg(feature = "cpu")]
    let x = {
        let shape = x.dims();
        match super::host::take(x) {
            Ok(x) => {
                let mut out = x.values().to_vec();
                crate::cpu::gelu(&mut out);
                return super::host::tensor(out, shape);
            }
            Err(x) => x,
        }
    };
    otherwise!(reference(x))
}

#[cfg(feature = "reference")]
pub(super) fn reference(x: Tensor<2>) -> Tensor<2> {
    activation::gelu(x)
}
