//! Tensors of a vision model, whose linear layers an ONNX export stores transposed.

use burn::tensor::Tensor;
use lexigraft_checkpoint::{ByteSource, Checkpoint, DType};
#[cfg(feature = "cpu")]
use lexigraft_kernels::cpu::PackedMatrix;
use lexigraft_kernels::cpu::{Part, RowOrder};
#[cfg(feature = "gpu")]
use lexigraft_kernels::gpu::{self, GpuMatrix};
use lexigraft_kernels::ops;

use crate::{ComputeDevice, DeviceKind, LayerNorm, Linear, LoadProgress, ModelError};

pub(super) struct Weights<'a, S> {
    checkpoint: &'a Checkpoint<S>,
    device: &'a ComputeDevice,
    progress: LoadProgress<'a>,
    read: u64,
    total: u64,
}

/// A weight matrix on the host, row-major, with its bias.
pub(super) struct HostLinear {
    pub rows: Vec<f32>,
    pub in_features: usize,
    pub bias: Option<Vec<f32>>,
}

impl<'a, S: ByteSource> Weights<'a, S> {
    pub(super) fn new(
        checkpoint: &'a Checkpoint<S>,
        device: &'a ComputeDevice,
        progress: LoadProgress<'a>,
    ) -> Self {
        Self {
            checkpoint,
            device,
            progress,
            read: 0,
            total: checkpoint.tensors().map(|tensor| tensor.bytes()).sum(),
        }
    }

    /// Asks the device's kernels to agree with their twins, before they are used.
    ///
    /// # Errors
    /// `device-lost` when one does not.
    pub(super) async fn check_kernels(&self, quick_gelu: bool) -> Result<(), ModelError> {
        #[cfg(feature = "gpu")]
        if self.device.kind() == DeviceKind::Wgpu {
            gpu::self_test(self.device.burn(), gpu::Checked::Encoder).await?;
            gpu::self_test(self.device.burn(), gpu::Checked::Format(DType::F32)).await?;
            if quick_gelu {
                gpu::self_test(self.device.burn(), gpu::Checked::QuickGelu).await?;
            }
        }
        let _ = quick_gelu;
        Ok(())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.checkpoint.get(name).is_some()
    }

    /// A tensor of this shape, on the host.
    pub(super) async fn values(
        &mut self,
        name: &str,
        shape: &[usize],
    ) -> Result<Vec<f32>, ModelError> {
        let info = self.checkpoint.tensor(name)?;
        if info.shape != shape {
            return Err(ModelError::ShapeMismatch {
                name: info.name.clone(),
                found: info.shape.clone(),
                expected: shape.to_vec(),
            });
        }
        let (read, total) = (&mut self.read, self.total);
        let progress = &mut self.progress;
        let values = self
            .checkpoint
            .read_f32(info, |bytes| {
                *read += bytes;
                progress((*read).min(total), total)
            })
            .await?;
        Ok(values)
    }

    async fn vector(&mut self, name: &str, len: usize) -> Result<Tensor<1>, ModelError> {
        let values = self.values(name, &[len]).await?;
        Ok(ops::from_host(values, [len], self.device.burn()))
    }

    /// `{prefix}.weight` and `{prefix}.bias`.
    pub(super) async fn layer_norm(
        &mut self,
        prefix: &str,
        hidden: usize,
        eps: f64,
    ) -> Result<LayerNorm, ModelError> {
        let weight = self.vector(&format!("{prefix}.weight"), hidden).await?;
        let bias = self.vector(&format!("{prefix}.bias"), hidden).await?;
        Ok(LayerNorm::new(weight, bias, eps))
    }

    /// The weight of a linear layer as `[out, in]`, from `{prefix}.weight` or from the transposed
    /// `{prefix}.MatMul` of an ONNX export.
    async fn weight(
        &mut self,
        prefix: &str,
        out_features: usize,
        in_features: usize,
    ) -> Result<Vec<f32>, ModelError> {
        let stored = format!("{prefix}.MatMul");
        if self.has(&stored) {
            let values = self.values(&stored, &[in_features, out_features]).await?;
            return Ok(transposed(&values, out_features));
        }
        let shape = [out_features, in_features];
        self.values(&format!("{prefix}.weight"), &shape).await
    }

    /// A linear layer with bias. `scale`, one factor an output, is multiplied in: LayerScale costs
    /// nothing that way.
    pub(super) async fn linear(
        &mut self,
        prefix: &str,
        out_features: usize,
        in_features: usize,
        scale: Option<&str>,
    ) -> Result<Linear, ModelError> {
        let mut rows = self.weight(prefix, out_features, in_features).await?;
        let mut bias = self
            .values(&format!("{prefix}.bias"), &[out_features])
            .await?;
        if let Some(name) = scale {
            let scale = self.values(name, &[out_features]).await?;
            let each = rows.chunks_exact_mut(in_features).zip(&mut bias);
            for ((row, bias), scale) in each.zip(scale) {
                row.iter_mut().for_each(|weight| *weight *= scale);
                *bias *= scale;
            }
        }
        self.keep(HostLinear {
            rows,
            in_features,
            bias: Some(bias),
        })
    }

    /// Several linear layers over the same input as one, their outputs one after the other.
    pub(super) async fn stacked(
        &mut self,
        prefixes: &[String],
        out_features: usize,
        in_features: usize,
    ) -> Result<Linear, ModelError> {
        let (mut rows, mut biases) = (Vec::new(), Vec::new());
        for prefix in prefixes {
            rows.append(&mut self.weight(prefix, out_features, in_features).await?);
            let bias = format!("{prefix}.bias");
            biases.append(&mut self.values(&bias, &[out_features]).await?);
        }
        self.keep(HostLinear {
            rows,
            in_features,
            bias: Some(biases),
        })
    }

    /// Moves a layer to where the device keeps it.
    pub(super) fn keep(&self, layer: HostLinear) -> Result<Linear, ModelError> {
        let HostLinear {
            rows,
            in_features,
            bias,
        } = layer;
        let count = rows.len() / in_features.max(1);
        let device = self.device.burn();
        let bias = bias.map(|bias| ops::from_host(bias, [count], device));
        let part = Part {
            dtype: DType::F32,
            rows: count,
            order: RowOrder::AsStored,
        };
        #[cfg(feature = "cpu")]
        if self.device.kind() == DeviceKind::Cpu {
            // Plain floats as fixed-point numbers.
            let mut builder = PackedMatrix::product_builder(in_features, &[part])?;
            for row in rows.chunks(in_features.max(1)) {
                builder.push(&bytes(row))?;
            }
            return Ok(Linear::packed(builder.finish()?, bias));
        }
        #[cfg(feature = "gpu")]
        if self.device.kind() == DeviceKind::Wgpu && GpuMatrix::fits(DType::F32, in_features) {
            let mut builder = GpuMatrix::builder(in_features, &[part], device)?;
            for row in rows.chunks(in_features.max(1)) {
                builder.push(&bytes(row))?;
            }
            return Ok(Linear::on_gpu(builder.finish()?, bias));
        }
        let _ = part;
        Err(ModelError::InvalidArgument(format!(
            "no kernel of this build multiplies rows of {in_features} elements on {}. Load the \
             model on the CPU device",
            self.device.adapter()
        )))
    }
}

/// `[rows, columns]` of singles as a checkpoint stores them.
fn bytes(values: &[f32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

/// `[rows, columns] -> [columns, rows]`.
fn transposed(values: &[f32], columns: usize) -> Vec<f32> {
    (0..columns)
        .flat_map(|column| values.iter().skip(column).step_by(columns.max(1)))
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::transposed;

    #[test]
    fn transposes() {
        assert_eq!(
            transposed(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3),
            [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]
        );
    }
}
