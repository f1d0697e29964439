use burn::tensor::Tensor;

use crate::KernelError;

/// The gathering half of a transposed convolution 4x4 with stride 2 and padding 1, with ReLU:
/// `[batch * rows * columns, 16 channels] -> [batch * 2 rows * 2 columns, channels]`, see
/// [`cpu::upsample`](crate::cpu::upsample).
///
/// # Errors
/// `invalid-argument` when shapes do not fit, `device-lost`.
pub async fn upsample(
    products: Tensor<2>,
    shape: [usize; 2],
    bias: &[f32],
) -> Result<Tensor<2>, KernelError> {
    #[cfg(feature = "gpu")]
    if crate::gpu::is_here(&products) {
        return crate::gpu::upsample(&products, shape, bias);
    }
    let [pixels, _] = products.dims();
    let size = [4 * pixels, bias.len()];
    let mut out = vec![0.0; size.iter().product()];
    #[cfg(feature = "cpu")]
    let products = match super::host::take(products) {
        Ok(products) => {
            crate::cpu::upsample(products.values(), shape, bias, &mut out)?;
            return Ok(super::host::tensor(out, size));
        }
        Err(products) => products,
    };
    let device = products.device();
    crate::cpu::upsample(&super::to_host(products).await?, shape, bias, &mut out)?;
    Ok(super::from_host(out, size, &device))
}
