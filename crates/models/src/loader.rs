//! Tensors of a checkpoint, moved onto the device one at a time.

use std::ops::ControlFlow;

use burn::tensor::Tensor;
use lexigraft_checkpoint::{ByteSource, Checkpoint, TensorInfo};
#[cfg(feature = "cpu")]
use lexigraft_kernels::cpu::{Builder, PackedMatrix};
use lexigraft_kernels::cpu::{Part, RowOrder};
#[cfg(feature = "gpu")]
use lexigraft_kernels::gpu::{self, GpuMatrix};
use lexigraft_kernels::{KernelError, ops};

use crate::{ComputeDevice, DeviceKind, Embedding, LayerNorm, Linear, ModelError, RmsNorm};

/// Called with (bytes of weights read so far, bytes to read in all); `Break` aborts the load.
pub type LoadProgress<'a> = &'a mut dyn FnMut(u64, u64) -> ControlFlow<()>;

/// What comes with the weights of a model: a tokenizer of a large vocabulary, tables of positions, and
/// a context to begin with.
const BESIDE_WEIGHTS: u64 = 96 << 20;

/// Bytes of a model's weights in `f32`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DenseBytes {
    /// Of the largest matrix.
    pub largest: u64,
    /// Of all of them.
    pub total: u64,
}

/// Kernels that a kind of model uses beside products.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KernelFamily {
    Decoder,
    Encoder,
}

/// Reads named tensors with the shapes that a configuration promises.
pub struct WeightLoader<'a, S> {
    checkpoint: &'a Checkpoint<S>,
    device: &'a ComputeDevice,
    progress: LoadProgress<'a>,
    read: u64,
    total: u64,
}

impl<'a, S: ByteSource> WeightLoader<'a, S> {
    pub fn new(
        checkpoint: &'a Checkpoint<S>,
        device: &'a ComputeDevice,
        progress: LoadProgress<'a>,
    ) -> Self {
        let total = checkpoint
            .tensors()
            .map(|tensor| tensor.range.end - tensor.range.start)
            .sum();
        Self {
            checkpoint,
            device,
            progress,
            read: 0,
            total,
        }
    }

    /// Refuses weights that the device cannot hold, before any is read.
    ///
    /// `dense` is what they take in `f32`.
    ///
    /// # Errors
    /// `out-of-memory`.
    pub fn check_budget(&self, dense: DenseBytes) -> Result<(), ModelError> {
        if self.device.kind() == DeviceKind::Cpu {
            // Singles stay as they are, and no type is larger than they.
            let total = self.total.min(dense.total);
            let what = "weights as stored";
            self.device
                .check_budget(what, total.min(dense.largest), total)?;
            let bytes = |tensor: &TensorInfo| tensor.range.end.saturating_sub(tensor.range.start);
            let largest = self.checkpoint.tensors().map(bytes).max().unwrap_or(0);
            return self.device.check_room(what, largest, total, BESIDE_WEIGHTS);
        }
        #[cfg(feature = "gpu")]
        if self.checkpoint.tensors().all(on_gpu_as_stored) {
            // Large matrices are cut into pieces that fit.
            return self.device.check_budget("weights as stored", 0, self.total);
        }
        self.device
            .check_budget("weights in f32", dense.largest, dense.total)
    }

    /// Refuses heads that the attention kernels of the device do not take, in builds that have
    /// nothing else.
    ///
    /// # Errors
    /// `invalid-argument`.
    pub fn check_heads(&self, head_dim: usize) -> Result<(), ModelError> {
        #[cfg(all(feature = "gpu", not(feature = "reference")))]
        if self.device.kind() == DeviceKind::Wgpu
            && (head_dim > gpu::MAX_HEAD_DIM || !head_dim.is_multiple_of(gpu::HEAD_DIM_UNIT))
        {
            return Err(ModelError::InvalidArgument(format!(
                "heads of {head_dim} elements: the WebGPU kernels take multiples of {} up to {}. \
                 Load the model on the CPU device",
                gpu::HEAD_DIM_UNIT,
                gpu::MAX_HEAD_DIM
            )));
        }
        let _ = head_dim;
        Ok(())
    }

    /// Asks the device's kernels of a model family to agree with their twins, before they are used.
    ///
    /// # Errors
    /// `device-lost` when one does not.
    pub async fn check_kernels(&self, family: KernelFamily) -> Result<(), ModelError> {
        #[cfg(feature = "gpu")]
        if self.device.kind() == DeviceKind::Wgpu {
            let what = match family {
                KernelFamily::Decoder => gpu::Checked::Decoder,
                KernelFamily::Encoder => gpu::Checked::Encoder,
            };
            gpu::self_test(self.device.burn(), what).await?;
        }
        #[cfg(not(feature = "gpu"))]
        let _ = family;
        Ok(())
    }

    pub fn device(&self) -> &'a ComputeDevice {
        self.device
    }

    pub fn has(&self, name: &str) -> bool {
        self.checkpoint.get(name).is_some()
    }

    /// A vector `[len]`.
    pub async fn vector(&mut self, name: &str, len: usize) -> Result<Tensor<1>, ModelError> {
        let values = self.values(name, &[len]).await?;
        Ok(ops::from_host(values, [len], self.device.burn()))
    }

    /// A matrix `[rows, columns]` in singles.
    #[cfg(feature = "reference")]
    async fn matrix(
        &mut self,
        name: &str,
        rows: usize,
        columns: usize,
    ) -> Result<Tensor<2>, ModelError> {
        let values = self.values(name, &[rows, columns]).await?;
        let shape = [rows, columns];
        Ok(ops::from_host(values, shape, self.device.burn()))
    }

    /// A vector `[len]`, on the host.
    pub async fn host_vector(&mut self, name: &str, len: usize) -> Result<Vec<f32>, ModelError> {
        self.values(name, &[len]).await
    }

    /// A matrix `[rows, columns]`, on the host in row-major order.
    pub async fn host_matrix(
        &mut self,
        name: &str,
        rows: usize,
        columns: usize,
    ) -> Result<Vec<f32>, ModelError> {
        self.values(name, &[rows, columns]).await
    }

    pub async fn rms_norm(
        &mut self,
        name: &str,
        hidden: usize,
        eps: f64,
    ) -> Result<RmsNorm, ModelError> {
        Ok(RmsNorm::new(self.vector(name, hidden).await?, eps))
    }

    /// `{prefix}.weight` and `{prefix}.bias`.
    pub async fn layer_norm(
        &mut self,
        prefix: &str,
        hidden: usize,
        eps: f64,
    ) -> Result<LayerNorm, ModelError> {
        let weight = self.vector(&format!("{prefix}.weight"), hidden).await?;
        let bias = self.vector(&format!("{prefix}.bias"), hidden).await?;
        Ok(LayerNorm::new(weight, bias, eps))
    }

    /// An embedding `[rows, hidden]`.
    pub async fn embedding(
        &mut self,
        name: &str,
        rows: usize,
        hidden: usize,
    ) -> Result<Embedding, ModelError> {
        let part = LinearPart::plain(name, rows);
        #[cfg(feature = "cpu")]
        if self.packs() {
            let weight = self.packed(&[part], hidden, PackedMatrix::builder).await?;
            return Ok(Embedding::packed(weight));
        }
        #[cfg(feature = "gpu")]
        if self.fits_gpu(&[part], hidden)? {
            return Ok(Embedding::on_gpu(self.on_gpu(&[part], hidden).await?));
        }
        #[cfg(feature = "reference")]
        return Ok(Embedding::dense(self.matrix(name, rows, hidden).await?));
        #[cfg(not(feature = "reference"))]
        Err(self.no_kernel(hidden))
    }

    /// One projection from several stored ones, their rows one below the other.
    ///
    /// A single product over the query, key and value rows is one pass over the activations and
    /// one dispatch instead of three.
    pub async fn fused_linear(
        &mut self,
        parts: &[LinearPart<'_>],
        in_features: usize,
    ) -> Result<Linear, ModelError> {
        #[cfg(feature = "cpu")]
        if self.packs() {
            // Plain floats as fixed-point numbers: see `PackedMatrix::product_builder`.
            let builder = PackedMatrix::product_builder;
            let weight = self.packed(parts, in_features, builder).await?;
            return Ok(Linear::packed(weight, self.bias(parts).await?));
        }
        #[cfg(feature = "gpu")]
        if self.fits_gpu(parts, in_features)? {
            let weight = self.on_gpu(parts, in_features).await?;
            return Ok(Linear::on_gpu(weight, self.bias(parts).await?));
        }
        #[cfg(feature = "reference")]
        return self.dense(parts, in_features).await;
        #[cfg(not(feature = "reference"))]
        Err(self.no_kernel(in_features))
    }

    /// What no kernel of this build can do.
    #[cfg(not(feature = "reference"))]
    fn no_kernel(&self, columns: usize) -> ModelError {
        ModelError::InvalidArgument(format!(
            "no kernel of this build multiplies rows of {columns} elements of this type on {}. \
             Load the model on the CPU device",
            self.device.adapter()
        ))
    }

    /// The rows of `parts` one below the other, in singles.
    #[cfg(feature = "reference")]
    async fn dense(
        &mut self,
        parts: &[LinearPart<'_>],
        in_features: usize,
    ) -> Result<Linear, ModelError> {
        let rows: usize = parts.iter().map(|part| part.rows).sum();
        let mut weight = Vec::new();
        for part in parts {
            let mut values = self.values(part.weight, &[part.rows, in_features]).await?;
            if let Some(head_dim) = part.interleaved_head_dim {
                values = deinterleave_rows(&values, in_features, head_dim);
            }
            if weight.is_empty() {
                weight = values;
                weight.reserve_exact(rows * in_features - weight.len());
            } else {
                weight.append(&mut values);
            }
        }
        let weight = ops::from_host(weight, [rows, in_features], self.device.burn());
        Ok(Linear::dense(weight, self.bias(parts).await?))
    }

    /// The biases of `parts` one after the other, if all of them have one.
    async fn bias(&mut self, parts: &[LinearPart<'_>]) -> Result<Option<Tensor<1>>, ModelError> {
        let rows: usize = parts.iter().map(|part| part.rows).sum();
        let mut bias = Vec::new();
        for part in parts {
            if let Some(name) = part.bias {
                let mut values = self.values(name, &[part.rows]).await?;
                if let Some(head_dim) = part.interleaved_head_dim {
                    values = deinterleave_rows(&values, 1, head_dim);
                }
                bias.append(&mut values);
            }
        }
        let device = self.device.burn();
        Ok((bias.len() == rows).then(|| ops::from_host(bias, [rows], device)))
    }

    pub async fn linear(
        &mut self,
        weight: &str,
        bias: Option<&str>,
        out_features: usize,
        in_features: usize,
    ) -> Result<Linear, ModelError> {
        let part = LinearPart {
            bias,
            ..LinearPart::plain(weight, out_features)
        };
        self.fused_linear(&[part], in_features).await
    }

    /// Whether weights are packed as the file has them, for the processor's kernels.
    #[cfg(feature = "cpu")]
    fn packs(&self) -> bool {
        self.device.kind() == DeviceKind::Cpu
    }

    /// Whether the wgpu device keeps these weights as the file has them.
    #[cfg(feature = "gpu")]
    fn fits_gpu(&self, parts: &[LinearPart<'_>], in_features: usize) -> Result<bool, ModelError> {
        if self.device.kind() != DeviceKind::Wgpu {
            return Ok(false);
        }
        for part in parts {
            if !GpuMatrix::fits(self.checkpoint.tensor(part.weight)?.dtype, in_features) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The rows of `parts` one below the other, packed by what `builder` makes.
    #[cfg(feature = "cpu")]
    async fn packed(
        &mut self,
        parts: &[LinearPart<'_>],
        in_features: usize,
        builder: fn(usize, &[Part]) -> Result<Builder, KernelError>,
    ) -> Result<PackedMatrix, ModelError> {
        let (infos, kept) = self.stored(parts, in_features)?;
        let mut builder = builder(in_features, &kept)?;
        for info in infos {
            self.pour(info, |chunk| builder.push(chunk)).await?;
        }
        Ok(builder.finish()?)
    }

    /// The same on the wgpu device.
    #[cfg(feature = "gpu")]
    async fn on_gpu(
        &mut self,
        parts: &[LinearPart<'_>],
        in_features: usize,
    ) -> Result<GpuMatrix, ModelError> {
        let (infos, kept) = self.stored(parts, in_features)?;
        for part in &kept {
            gpu::self_test(self.device.burn(), gpu::Checked::Format(part.dtype)).await?;
        }
        let mut builder = GpuMatrix::builder(in_features, &kept, self.device.burn())?;
        for info in infos {
            self.pour(info, |chunk| builder.push(chunk)).await?;
        }
        Ok(builder.finish()?)
    }

    /// Where the tensors of `parts` are in the file, and what kernels want to know of them.
    #[cfg(any(feature = "cpu", feature = "gpu"))]
    fn stored(
        &self,
        parts: &[LinearPart<'_>],
        in_features: usize,
    ) -> Result<(Vec<&'a TensorInfo>, Vec<Part>), ModelError> {
        let mut infos = Vec::with_capacity(parts.len());
        let mut kept = Vec::with_capacity(parts.len());
        for part in parts {
            let info = self.checkpoint.tensor(part.weight)?;
            expect_shape(info, &[part.rows, in_features])?;
            infos.push(info);
            kept.push(Part {
                dtype: info.dtype,
                rows: part.rows,
                order: match part.interleaved_head_dim {
                    Some(head_dim) => RowOrder::RotaryPairs { head_dim },
                    None => RowOrder::AsStored,
                },
            });
        }
        Ok((infos, kept))
    }

    /// Gives a tensor's blocks to `push`, a chunk at a time.
    #[cfg(any(feature = "cpu", feature = "gpu"))]
    async fn pour(
        &mut self,
        info: &TensorInfo,
        mut push: impl FnMut(&[u8]) -> Result<(), KernelError>,
    ) -> Result<(), ModelError> {
        let (read, total) = (&mut self.read, self.total);
        let progress = &mut self.progress;
        let mut pushed = Ok(());
        let done = self.checkpoint.read_chunks(info, |chunk| {
            pushed = push(chunk);
            if pushed.is_err() {
                return ControlFlow::Break(());
            }
            *read += chunk.len() as u64;
            progress((*read).min(total), total)
        });
        let done = done.await;
        pushed?;
        Ok(done?)
    }

    async fn values(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError> {
        let info = self.checkpoint.tensor(name)?;
        expect_shape(info, shape)?;
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
}

/// One of the stored projections that a [`Linear`] is made of.
#[derive(Debug, Clone, Copy)]
pub struct LinearPart<'a> {
    pub weight: &'a str,
    pub bias: Option<&'a str>,
    pub rows: usize,
    /// The rows of each head are stored as rotary pairs side by side (GGUF's `llama`), and are
    /// put back to halves, so that there is one rotation for all families.
    pub interleaved_head_dim: Option<usize>,
}

impl<'a> LinearPart<'a> {
    /// `rows` rows in their order, without a bias.
    pub fn plain(weight: &'a str, rows: usize) -> Self {
        Self {
            weight,
            bias: None,
            rows,
            interleaved_head_dim: None,
        }
    }
}

/// Whether a tensor is a vector, or a matrix that the wgpu device keeps as it is stored.
#[cfg(feature = "gpu")]
fn on_gpu_as_stored(info: &TensorInfo) -> bool {
    match info.shape.as_slice() {
        [_, columns] => GpuMatrix::fits(info.dtype, *columns),
        shape => shape.len() < 2,
    }
}

fn expect_shape(info: &TensorInfo, shape: &[usize]) -> Result<(), ModelError> {
    if info.shape == shape {
        Ok(())
    } else {
        Err(ModelError::ShapeMismatch {
            name: info.name.clone(),
            found: info.shape.clone(),
            expected: shape.to_vec(),
        })
    }
}

/// Within each head, row `2i` goes to `i` and row `2i + 1` to `i + head_dim / 2`.
fn deinterleave_rows(values: &[f32], columns: usize, head_dim: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(values.len());
    for head in values.chunks_exact(head_dim * columns) {
        for parity in 0..2 {
            for row in head.chunks_exact(columns).skip(parity).step_by(2) {
                out.extend_from_slice(row);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::deinterleave_rows;

    #[test]
    fn rotary_pairs_become_halves_within_each_head() {
        // Two heads of four rows, two columns: the row number is the value.
        let values: Vec<f32> = (0..8).flat_map(|row| [row as f32, row as f32]).collect();
        let rows: Vec<f32> = deinterleave_rows(&values, 2, 4)
            .chunks_exact(2)
            .map(|row| row[0])
            .collect();
        assert_eq!(rows, [0.0, 2.0, 1.0, 3.0, 4.0, 6.0, 5.0, 7.0]);
    }
}
