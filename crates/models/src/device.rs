//! The device that runs a model: chosen, acquired and tested before it is trusted.

use burn::tensor::{Device, Tensor};
use lexigraft_checkpoint::DType;
#[cfg(feature = "cpu")]
use lexigraft_kernels::cpu::{Instructions, PackedMatrix, Part, RowOrder, Scratch};
use lexigraft_kernels::ops;

use crate::ModelError;
use crate::room::has_room;
#[cfg(feature = "cpu")]
use crate::threads;

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
    /// Acquires the device and has it compute a small case, whose result is known.
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

    /// Refuses what memory has no room for now, beside everything that lives in it: other models, and
    /// their keys and values. Where memory is 32 bits wide this is found out by trying; elsewhere, and
    /// of the memory of a graphics card, nothing is known. Towards the end of memory `spare` bytes must
    /// be left besides.
    ///
    /// # Errors
    /// `out-of-memory`.
    pub fn check_room(
        &self,
        what: &str,
        largest: u64,
        total: u64,
        spare: u64,
    ) -> Result<(), ModelError> {
        let known = cfg!(target_pointer_width = "32") && self.kind == DeviceKind::Cpu;
        if !known || has_room(largest, total, spare) {
            return Ok(());
        }
        Err(ModelError::OutOfMemory {
            what: format!("{what}, beside what the engine holds already"),
            needed: mebibytes(total),
            available: "less".to_owned(),
        })
    }

    /// Compares a small product with plain Rust. The other kernels have their tests when a model
    /// that needs them is loaded.
    ///
    /// A shader that fails validation can leave stale data without an error, so agreement is
    /// asked for before a device is used.
    async fn self_test(&self) -> Result<(), ModelError> {
        match self.kind {
            #[cfg(feature = "cpu")]
            DeviceKind::Cpu => self_test_cpu(),
            #[cfg(feature = "gpu")]
            DeviceKind::Wgpu => {
                use lexigraft_kernels::gpu::{Checked, self_test};
                Ok(self_test(&self.device, Checked::Format(DType::F32)).await?)
            }
            #[cfg(not(all(feature = "cpu", feature = "gpu")))]
            _ => Ok(()),
        }
    }
}

/// A product of singles and one of quantised weights.
#[cfg(feature = "cpu")]
fn self_test_cpu() -> Result<(), ModelError> {
    const N: usize = 32;
    let number = |i: usize, step: usize, modulus: usize| ((i * step) % modulus) as f32 - 48.0;
    let x: Vec<f32> = (0..N * N).map(|i| number(i, 7919, 101)).collect();
    // Whole numbers, which blocks with a scale of one hold exactly.
    let weight: Vec<f32> = (0..N * N).map(|i| number(i, 104_729, 97)).collect();
    let singles: Vec<u8> = weight.iter().flat_map(|x| x.to_le_bytes()).collect();
    let blocks: Vec<u8> = weight
        .chunks(32)
        .flat_map(|block| {
            let one = [0x00, 0x3c];
            one.into_iter().chain(block.iter().map(|&x| x as i8 as u8))
        })
        .collect();
    let mut scratch = Scratch::new();
    for (dtype, bytes) in [(DType::F32, singles), (DType::Q8_0, blocks)] {
        let mut matrix = PackedMatrix::builder(
            N,
            &[Part {
                dtype,
                rows: N,
                order: RowOrder::AsStored,
            }],
        )?;
        matrix.push(&bytes)?;
        let mut found = vec![0.0; N * N];
        matrix.finish()?.matmul(&x, N, &mut found, &mut scratch)?;
        let pairs = x.chunks_exact(N).flat_map(|x| {
            let dot = move |w: &[f32]| x.iter().zip(w).map(|(x, w)| x * w).sum::<f32>();
            weight.chunks_exact(N).map(dot)
        });
        for (index, (want, have)) in pairs.zip(&found).enumerate() {
            let distance = (want - have).abs();
            // NaN must fail too. Activations are rounded to 16 bits of at most 52.
            if !distance.is_finite() || distance > 2.0 {
                return Err(ModelError::SelfTest(format!(
                    "a product of {N}x{N} in {dtype}: element {index} is {have}, not {want}"
                )));
            }
        }
    }
    Ok(())
}

/// Reads a float tensor back to the host in row-major order.
///
/// # Errors
/// `device-lost`.
pub async fn read_f32<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, ModelError> {
    Ok(ops::to_host(tensor).await?)
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
