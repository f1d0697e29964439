//! A matrix that is made row by row instead of being read from a checkpoint.

use lexigraft_checkpoint::DType;
#[cfg(feature = "cpu")]
use lexigraft_kernels::cpu::{Builder, PackedMatrix};
use lexigraft_kernels::cpu::{Part, RowOrder};
#[cfg(feature = "gpu")]
use lexigraft_kernels::gpu::{self, GpuBuilder, GpuMatrix};
use lexigraft_kernels::{KernelError, ops};

use crate::{ComputeDevice, DeviceKind, Embedding, Linear, ModelError};

/// Takes blocks of a matrix `[rows, columns]` as a checkpoint would store them, onto a device.
pub struct MatrixBuilder {
    device: ComputeDevice,
    rows: usize,
    store: Store,
}

#[allow(
    clippy::large_enum_variant,
    reason = "one a matrix, beside its megabytes"
)]
enum Store {
    #[cfg(feature = "cpu")]
    Cpu(Builder),
    #[cfg(feature = "gpu")]
    Gpu(GpuBuilder),
    #[allow(dead_code, reason = "a build without any device")]
    None(std::convert::Infallible),
}

impl MatrixBuilder {
    /// A builder of `rows` rows of `columns` elements, stored as `dtype`.
    ///
    /// # Errors
    /// `out-of-memory` when the device cannot hold it beside `resident` bytes; `invalid-argument`
    /// for rows that are not whole blocks, or that the device's kernels do not take.
    pub async fn new(
        dtype: DType,
        rows: usize,
        columns: usize,
        resident: u64,
        device: &ComputeDevice,
    ) -> Result<Self, ModelError> {
        let bytes = dtype
            .bytes_for(columns as u64)
            .map_or(u64::MAX, |row| row.saturating_mul(rows as u64));
        // The wgpu device cuts a large matrix into pieces that it can bind.
        let largest = match device.kind() {
            DeviceKind::Cpu => bytes,
            DeviceKind::Wgpu => 0,
        };
        let total = bytes.saturating_add(resident);
        let what = "the rows of the new vocabulary";
        device.check_budget(what, largest, total)?;
        device.check_room(what, largest, bytes, 0)?;
        let part = Part {
            dtype,
            rows,
            order: RowOrder::AsStored,
        };
        let store = match device.kind() {
            #[cfg(feature = "cpu")]
            DeviceKind::Cpu => Store::Cpu(PackedMatrix::builder(columns, &[part])?),
            #[cfg(feature = "gpu")]
            DeviceKind::Wgpu if GpuMatrix::fits(dtype, columns) => {
                gpu::self_test(device.burn(), gpu::Checked::Format(dtype)).await?;
                Store::Gpu(GpuMatrix::builder(columns, &[part], device.burn())?)
            }
            #[allow(unreachable_patterns, reason = "which arms there are is the build's")]
            _ => {
                return Err(ModelError::InvalidArgument(format!(
                    "rows of {columns} elements as {dtype} cannot be kept on {}; choose the CPU \
                     device",
                    device.adapter()
                )));
            }
        };
        Ok(Self {
            device: device.clone(),
            rows,
            store,
        })
    }

    /// The next rows, whole blocks.
    ///
    /// # Errors
    /// `invalid-argument` for bytes that follow the last row.
    pub fn push(&mut self, blocks: &[u8]) -> Result<(), ModelError> {
        let pushed: Result<(), KernelError> = match &mut self.store {
            #[cfg(feature = "cpu")]
            Store::Cpu(builder) => builder.push(blocks),
            #[cfg(feature = "gpu")]
            Store::Gpu(builder) => builder.push(blocks),
            Store::None(never) => match *never {},
        };
        Ok(pushed?)
    }

    /// The matrix as a token embedding.
    ///
    /// # Errors
    /// `invalid-argument` when rows are missing.
    pub fn into_embedding(self) -> Result<Embedding, ModelError> {
        Ok(match self.store {
            #[cfg(feature = "cpu")]
            Store::Cpu(builder) => Embedding::packed(builder.finish()?),
            #[cfg(feature = "gpu")]
            Store::Gpu(builder) => Embedding::on_gpu(builder.finish()?),
            Store::None(never) => match never {},
        })
    }

    /// The matrix as a projection, with a bias `[rows]`.
    ///
    /// # Errors
    /// `invalid-argument` when rows are missing or the bias has another length.
    pub fn into_linear(self, bias: Option<&[f32]>) -> Result<Linear, ModelError> {
        if let Some(bias) = bias
            && bias.len() != self.rows
        {
            return Err(ModelError::InvalidArgument(format!(
                "a bias of {} for {} rows",
                bias.len(),
                self.rows
            )));
        }
        let device = self.device.burn();
        let bias = bias.map(|bias| ops::from_host(bias.to_vec(), [bias.len()], device));
        Ok(match self.store {
            #[cfg(feature = "cpu")]
            Store::Cpu(builder) => Linear::packed(builder.finish()?, bias),
            #[cfg(feature = "gpu")]
            Store::Gpu(builder) => Linear::on_gpu(builder.finish()?, bias),
            Store::None(never) => match never {},
        })
    }
}
