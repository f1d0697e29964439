//! Between Burn's Flex tensors and slices.

use std::cell::RefCell;

use burn::backend::flex::FlexTensor;
use burn::backend::{BackendTensor, DispatchTensor, DispatchTensorKind, Flex};
use burn::tensor::{DType, Tensor, TensorData};

use crate::KernelError;
use crate::cpu::Scratch;

/// A tensor of `f32` in the processor's memory, row-major, perhaps a view into a larger one.
pub(super) struct HostTensor(FlexTensor);

/// The memory of a Flex tensor, or the tensor itself when it is on another device.
///
/// A tensor that is not contiguous is copied.
#[allow(clippy::result_large_err, reason = "the caller has the tensor back")]
pub(super) fn take<const D: usize>(tensor: Tensor<D>) -> Result<HostTensor, Tensor<D>> {
    let DispatchTensor { kind, autodiff } = tensor.into_dispatch();
    match kind {
        DispatchTensorKind::Flex(BackendTensor::Float(tensor)) if tensor.dtype() == DType::F32 => {
            Ok(HostTensor(tensor.to_contiguous()))
        }
        kind => Err(Tensor::from_dispatch(DispatchTensor { kind, autodiff })),
    }
}

/// As [`take`], for a tensor that stays: only its handle is copied.
pub(super) fn view<const D: usize>(tensor: &Tensor<D>) -> Option<HostTensor> {
    take(tensor.clone()).ok()
}

impl HostTensor {
    /// All elements. Empty only if the tensor is.
    pub fn values(&self) -> &[f32] {
        self.0.as_slice().unwrap_or_default()
    }

    /// All elements of a tensor that is no view; copied first when others hold it too.
    pub fn values_mut(&mut self) -> &mut [f32] {
        self.0.storage_mut()
    }

    pub fn into_tensor<const D: usize>(self) -> Tensor<D> {
        Tensor::from_primitive::<Flex>(self.0)
    }
}

/// A Flex tensor that takes `values` over.
pub(super) fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
    HostTensor(FlexTensor::from_data(TensorData::new(values, shape))).into_tensor()
}

/// Runs `job` with this thread's scratch memory.
pub(super) fn with_scratch<T>(job: impl FnOnce(&mut Scratch) -> T) -> T {
    thread_local! {
        static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::new());
    }
    SCRATCH.with_borrow_mut(job)
}

/// What a kernel made of operands that fit.
#[allow(clippy::panic, reason = "as Burn's operations, see the module")]
pub(super) fn check(done: Result<(), KernelError>) {
    if let Err(error) = done {
        panic!("{error}");
    }
}
