//! The device that runs a model: chosen, acquired and tested before it is trusted.

use burn::tensor::{Device, Tensor, TensorData, activation};

use crate::ModelError;
#[cfg(feature = "cpu")]
use crate::threads;
#[cfg(feature = "cpu")]
use lexigraft_kernels::cpu::Instructions;

/// The two kinds of device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceKind {
    /// Burn's Flex backend: SIMD128 in WebAssembly, AVX or NEON natively.
    Cpu,
    /// Burn's wgpu backend: WebGPU in the browser, Vulkan, Metal or DX12 natively.
    Wgpu,
}

impl DeviceKind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Wgpu => "wgpu",
        }
    }
}

/// An acquired device that passed its self-test. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct ComputeDevice {
    device: Device,
    kind: DeviceKind,
    adapter: String,
    limits: DeviceLimits,
}

/// What one tensor and all tensors together may take, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct DeviceLimits {
    pub max_tensor_bytes: u64,
    pub max_total_bytes: u64,
}

impl ComputeDevice {
    /// Acquires the device and runs the self-test of [`ComputeDevice::self_test`].
    ///
    /// The wgpu runtime may be initialised once per process or module; clone the device after.
    ///
    /// # Errors
    /// `no-webgpu` when there is no adapter or the build lacks the backend, `device-lost` when
    /// the self-test does not agree with the CPU.
    pub async fn open(kind: DeviceKind) -> Result<Self, ModelError> {
        let opened = match kind {
            DeviceKind::Cpu => open_cpu()?,
            DeviceKind::Wgpu => open_wgpu().await?,
        };
        opened.self_test().await?;
        Ok(opened)
    }

    pub fn burn(&self) -> &Device {
        &self.device
    }

    pub fn kind(&self) -> DeviceKind {
        self.kind
    }

    /// Adapter name for people, for example `llvmpipe (LLVM 15.0.6, 256 bits), Vulkan`.
    pub fn adapter(&self) -> &str {
        &self.adapter
    }

    pub fn limits(&self) -> DeviceLimits {
        self.limits
    }

    /// Refuses a budget before anything of it is allocated.
    ///
    /// `largest` is the largest single tensor and `total` the sum, both in bytes.
    pub fn check_budget(&self, what: &str, largest: u64, total: u64) -> Result<(), ModelError> {
        let (needed, available) = if largest > self.limits.max_tensor_bytes {
            (largest, self.limits.max_tensor_bytes)
        } else if total > self.limits.max_total_bytes {
            (total, self.limits.max_total_bytes)
        } else {
            return Ok(());
        };
        Err(ModelError::OutOfMemory {
            what: what.to_owned(),
            needed: mebibytes(needed),
            available: mebibytes(available),
        })
    }

    /// Runs a small product, softmax and row gather and compares them with plain Rust.
    ///
    /// A shader that fails validation can leave stale data without an error, so agreement is
    /// asked for before a device is used.
    async fn self_test(&self) -> Result<(), ModelError> {
        const N: usize = 33;
        let a: Vec<f32> = (0..N * N)
            .map(|i| ((i * 7919) % 101) as f32 / 50.0 - 1.0)
            .collect();
        let b: Vec<f32> = (0..N * N)
            .map(|i| ((i * 104_729) % 97) as f32 / 48.0 - 1.0)
            .collect();
        let mut expected = vec![0f32; N * N];
        for (row, out) in expected.chunks_exact_mut(N).enumerate() {
            for (col, value) in out.iter_mut().enumerate() {
                *value = (0..N).map(|k| a[row * N + k] * b[col * N + k]).sum();
            }
            let max = out.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let sum: f32 = out.iter().map(|v| (v - max).exp()).sum();
            for value in out.iter_mut() {
                *value = (*value - max).exp() / sum;
            }
        }
        let left = Tensor::<2>::from_data(TensorData::new(a, [N, N]), &self.device);
        let right = Tensor::<2>::from_data(TensorData::new(b, [N, N]), &self.device);
        let found = activation::softmax(left.matmul(right.transpose()), 1);
        let found = read_f32(found).await?;
        for (index, (want, have)) in expected.iter().zip(&found).enumerate() {
            let distance = (want - have).abs();
            // NaN must fail too.
            if !distance.is_finite() || distance > 1e-4 {
                return Err(ModelError::SelfTest(format!(
                    "softmax(A Bᵀ) of {N}x{N}: element {index} is {have}, not {want}, on {}",
                    self.adapter
                )));
            }
        }
        Ok(())
    }
}

/// Reads a float tensor back to the host in row-major order.
pub async fn read_f32<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, ModelError> {
    let data = tensor.into_data_async().await?;
    data.try_into_vec::<f32>()
        .map_err(|error| ModelError::DeviceLost(format!("readback is not f32: {error:?}")))
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.0} MiB", bytes as f64 / (1024.0 * 1024.0))
}

#[cfg(feature = "cpu")]
fn open_cpu() -> Result<ComputeDevice, ModelError> {
    // 32-bit address space: leave room for the module itself, the KV cache and one chunk.
    let max_total_bytes = if cfg!(target_pointer_width = "32") {
        3_600 << 20
    } else {
        u64::MAX
    };
    Ok(ComputeDevice {
        device: Device::flex(),
        kind: DeviceKind::Cpu,
        adapter: cpu_name(),
        limits: DeviceLimits {
            // A Rust allocation is at most half the address space.
            max_tensor_bytes: isize::MAX as u64,
            max_total_bytes,
        },
    })
}

#[cfg(feature = "cpu")]
fn cpu_name() -> String {
    let instructions = Instructions::best().name();
    match threads::threads() {
        1 => format!("{instructions}, one thread"),
        count => format!("{instructions}, {count} threads"),
    }
}

#[cfg(not(feature = "cpu"))]
fn open_cpu() -> Result<ComputeDevice, ModelError> {
    Err(ModelError::InvalidArgument(
        "this build has no CPU path; load the CPU module".to_owned(),
    ))
}

/// Launches of one submission: more than a decode step of a hundred layers has.
#[cfg(feature = "gpu")]
const MAX_TASKS: usize = 640;

#[cfg(feature = "gpu")]
async fn open_wgpu() -> Result<ComputeDevice, ModelError> {
    let (device, setup) = Device::wgpu_options()
        // A whole forward pass goes to the device at once.
        .tasks_max(MAX_TASKS)
        .init_with_setup_async()
        .await
        .map_err(|error| ModelError::NoWebGpu(error.to_string()))?;
    let info = setup.adapter.get_info();
    let kind = info.device_type;
    lexigraft_kernels::gpu::assume_software(kind == burn::backend::wgpu::wgpu::DeviceType::Cpu);
    let limits = setup.device.limits();
    let adapter = [info.name.as_str(), info.driver_info.as_str()]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(", ");
    let adapter = if adapter.is_empty() {
        format!("{:?} adapter", info.backend)
    } else {
        format!("{adapter} ({:?})", info.backend)
    };
    Ok(ComputeDevice {
        device,
        kind: DeviceKind::Wgpu,
        adapter,
        limits: DeviceLimits {
            max_tensor_bytes: limits
                .max_buffer_size
                .min(limits.max_storage_buffer_binding_size),
            // WebGPU does not tell how much memory there is: an allocation may still fail later.
            max_total_bytes: u64::MAX,
        },
    })
}

#[cfg(not(feature = "gpu"))]
async fn open_wgpu() -> Result<ComputeDevice, ModelError> {
    Err(ModelError::NoWebGpu(
        "this build has no WebGPU path".to_owned(),
    ))
}
