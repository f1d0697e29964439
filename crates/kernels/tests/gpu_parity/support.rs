//! The device, and how results are compared.

use std::sync::OnceLock;

use burn::tensor::{Device, Tensor, TensorData};
use lexigraft_kernels::gpu::Sharing;

/// The device; the runtime may be initialised once a process.
pub fn device() -> Device {
    static DEVICE: OnceLock<Device> = OnceLock::new();
    let open = || pollster::block_on(Device::wgpu_options().init_async()).unwrap();
    DEVICE.get_or_init(open).clone()
}

pub fn tensor<const D: usize>(values: &[f32], shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), &device())
}

pub fn read<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    let data = pollster::block_on(tensor.into_data_async()).unwrap();
    data.try_into_vec::<f32>().unwrap()
}

/// `f32` sums of `terms` terms no larger than `magnitude`, and of weights that were rounded once.
pub fn assert_close(what: &str, found: &[f32], expected: &[f64], bound: impl Fn(usize) -> f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(*found) - expected).abs();
        let bound = bound(at);
        assert!(
            error <= bound,
            "{what}, element {at}: {found}, not {expected} (error {error:e}, bound {bound:e})"
        );
    }
}

/// As [`assert_close`], with one bound for all elements.
pub fn assert_within(what: &str, found: &[f32], expected: &[f64], bound: f64) {
    assert_close(what, found, expected, |_| bound);
}

pub const SHARINGS: [Sharing; 3] = [Sharing::Hardware, Sharing::Software, Sharing::Tiles];
