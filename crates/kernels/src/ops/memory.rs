//! Between the host's memory and a device's.

use burn::tensor::{Device, Tensor};

use crate::KernelError;

/// A tensor of these values, row-major. They must be as many as the shape says.
pub fn from_host<const D: usize>(
    values: Vec<f32>,
    shape: [usize; D],
    device: &Device,
) -> Tensor<D> {
    let place = Tensor::<1>::empty([1], device);
    #[cfg(feature = "gpu")]
    if crate::gpu::is_here(&place)
        && let Ok(tensor) = crate::gpu::from_host(&values, shape, device)
    {
        return tensor;
    }
    #[cfg(feature = "cpu")]
    let place = match super::host::take(place) {
        Ok(_) => return super::host::tensor(values, shape),
        Err(place) => place,
    };
    drop(place);
    otherwise!(reference(values, shape, device))
}

#[cfg(feature = "reference")]
fn reference<const D: usize>(values: Vec<f32>, shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(burn::tensor::TensorData::new(values, shape), device)
}

/// Memory for a tensor that will be written before it is read. Zero on the processor.
pub fn empty<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    #[cfg(feature = "gpu")]
    if let Ok(tensor) = crate::gpu::empty_tensor(shape, device) {
        return tensor;
    }
    from_host(vec![0.0; shape.iter().product()], shape, device)
}

/// The elements of a tensor, row-major.
///
/// # Errors
/// `device-lost` when the device does not give them back.
pub async fn to_host<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, KernelError> {
    #[cfg(feature = "gpu")]
    if crate::gpu::is_here(&tensor) {
        return crate::gpu::to_host(tensor).await;
    }
    #[cfg(feature = "cpu")]
    let tensor = match super::host::take(tensor) {
        Ok(tensor) => return Ok(tensor.values().to_vec()),
        Err(tensor) => tensor,
    };
    #[cfg(feature = "reference")]
    {
        let lost = |error: String| KernelError::DeviceLost(error);
        let data = tensor.into_data_async().await;
        let data = data.map_err(|error| lost(format!("{error:?}")))?;
        data.try_into_vec::<f32>()
            .map_err(|error| lost(format!("not f32: {error:?}")))
    }
    #[cfg(not(feature = "reference"))]
    Err(KernelError::InvalidArgument(format!(
        "this build reads nothing back from {:?}",
        tensor.device()
    )))
}
