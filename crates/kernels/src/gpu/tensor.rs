//! Between Burn's wgpu tensors and the buffers of a launch.

use burn::backend::wgpu::{CubeTensor, Wgpu};
use burn::backend::{BackendTensor, DispatchTensor, DispatchTensorKind};
use burn::tensor::{DType, Device, Tensor};
use burn_cubecl::cubecl::bytes::Bytes;
use burn_cubecl::cubecl::server::CopyDescriptor;

use crate::KernelError;

/// The buffer of a tensor of `f32` on the wgpu device, row-major, or the tensor itself when it is
/// elsewhere. A tensor that is not contiguous is copied; builds without the feature `reference`
/// make none.
#[allow(clippy::result_large_err, reason = "the caller has the tensor back")]
pub(super) fn take<const D: usize>(tensor: Tensor<D>) -> Result<CubeTensor, Tensor<D>> {
    let DispatchTensor { kind, autodiff } = tensor.into_dispatch();
    match kind {
        DispatchTensorKind::Cube(BackendTensor::Float(tensor)) if tensor.dtype == DType::F32 => {
            #[cfg(feature = "reference")]
            let tensor = burn::backend::wgpu::into_contiguous(tensor);
            Ok(tensor)
        }
        kind => Err(Tensor::from_dispatch(DispatchTensor { kind, autodiff })),
    }
}

/// Whether the tensor is one that the kernels of this module take.
pub(crate) fn is_here<const D: usize>(tensor: &Tensor<D>) -> bool {
    let DispatchTensor { kind, .. } = tensor.clone().into_dispatch();
    matches!(
        kind,
        DispatchTensorKind::Cube(BackendTensor::Float(tensor)) if tensor.dtype == DType::F32
    )
}

/// The tensor, and whether it is here and nobody else holds its buffer.
pub(crate) fn is_alone<const D: usize>(tensor: Tensor<D>) -> (Tensor<D>, bool) {
    match take(tensor) {
        Ok(here) => {
            let alone = here.handle.can_mut();
            (into_tensor(here), alone)
        }
        Err(tensor) => (tensor, false),
    }
}

/// As [`take`], or an error that says where the tensor is.
pub(super) fn need<const D: usize>(
    tensor: &Tensor<D>,
    what: &str,
) -> Result<CubeTensor, KernelError> {
    take(tensor.clone()).map_err(|tensor| {
        KernelError::InvalidArgument(format!(
            "{what} is {:?} on {:?}, not f32 on the wgpu device",
            tensor.dtype(),
            tensor.device()
        ))
    })
}

/// Memory for `f32` that nothing was written to.
pub(super) fn empty<const D: usize>(
    shape: [usize; D],
    device: &Device,
) -> Result<CubeTensor, KernelError> {
    need(&Tensor::<D>::empty(shape, device), "an empty tensor")
}

/// As [`empty`], as a tensor.
pub(crate) fn empty_tensor<const D: usize>(
    shape: [usize; D],
    device: &Device,
) -> Result<Tensor<D>, KernelError> {
    empty(shape, device).map(into_tensor)
}

pub(super) fn into_tensor<const D: usize>(tensor: CubeTensor) -> Tensor<D> {
    Tensor::from_primitive::<Wgpu>(tensor)
}

/// Bytes on the device of `like`. No bytes become four, since a binding cannot be empty.
///
/// The shape and type of the result mean nothing: it is for launches alone.
pub(super) fn upload(mut bytes: Vec<u8>, like: &CubeTensor) -> CubeTensor {
    bytes.resize(bytes.len().next_multiple_of(4).max(4), 0);
    let mut tensor = like.clone();
    tensor.handle = tensor.client.create(Bytes::from_bytes_vec(bytes));
    tensor
}

/// As [`upload`], in a buffer of just that size that goes back to the device with the tensor: for
/// weights. CubeCL's pools keep what was freed, and round sizes up where they cannot share buffers.
pub(super) fn upload_alone(bytes: Vec<u8>, like: &CubeTensor) -> CubeTensor {
    let client = like.client.clone();
    client.memory_dedicated_allocation(bytes, |bytes| upload(bytes, like))
}

/// A tensor of these values. They must be as many as the shape says.
pub(crate) fn from_host<const D: usize>(
    values: &[f32],
    shape: [usize; D],
    device: &Device,
) -> Result<Tensor<D>, KernelError> {
    let like = empty(shape, device)?;
    let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
    let tensor = CubeTensor {
        handle: like.client.create(Bytes::from_bytes_vec(bytes)),
        ..like
    };
    Ok(into_tensor(tensor))
}

/// The elements of a tensor of four-byte elements, read back.
pub(crate) async fn read_words(tensor: CubeTensor) -> Result<Vec<[u8; 4]>, KernelError> {
    super::launch::count_readback();
    let (shape, strides) = (tensor.meta.shape().clone(), tensor.meta.strides().clone());
    let what = CopyDescriptor::new(tensor.handle.binding(), shape, strides, 4);
    let read = tensor.client.read_one_tensor_async(what).await;
    let bytes = read.map_err(|error| KernelError::DeviceLost(format!("{error:?}")))?;
    let (words, _) = bytes.as_chunks::<4>();
    Ok(words.to_vec())
}

/// The elements of a tensor on the wgpu device, read back in row-major order.
pub(crate) async fn to_host<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, KernelError> {
    let tensor = need(&tensor, "the result")?;
    let words = read_words(tensor).await?;
    Ok(words.into_iter().map(f32::from_le_bytes).collect())
}
