//! Tensors of a vision model, whose linear layers an ONNX export stores transposed.

use burn::tensor::{Tensor, TensorData};
use lexigraft_checkpoint::{ByteSource, Checkpoint};

use crate::{ComputeDevice, LayerNorm, Linear, LoadProgress, ModelError};

pub(super) struct Weights<'a, S> {
    checkpoint: &'a Checkpoint<S>,
    device: &'a ComputeDevice,
    progress: LoadProgress<'a>,
    read: u64,
    total: u64,
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

    pub(super) fn tensor<const D: usize>(&self, values: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
        Tensor::from_data(TensorData::new(values, shape), self.device.burn())
    }

    pub(super) async fn vector(&mut self, name: &str, len: usize) -> Result<Tensor<1>, ModelError> {
        let values = self.values(name, &[len]).await?;
        Ok(self.tensor(values, [len]))
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
    ) -> Result<Tensor<2>, ModelError> {
        let transposed = format!("{prefix}.MatMul");
        if self.has(&transposed) {
            let values = self
                .values(&transposed, &[in_features, out_features])
                .await?;
            return Ok(self.tensor(values, [in_features, out_features]).transpose());
        }
        let values = self
            .values(&format!("{prefix}.weight"), &[out_features, in_features])
            .await?;
        Ok(self.tensor(values, [out_features, in_features]))
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
        let mut weight = self.weight(prefix, out_features, in_features).await?;
        let mut bias = self.vector(&format!("{prefix}.bias"), out_features).await?;
        if let Some(name) = scale {
            let scale = self.vector(name, out_features).await?;
            weight = weight * scale.clone().unsqueeze_dim(1);
            bias = bias * scale;
        }
        Ok(Linear::dense(weight, Some(bias)))
    }

    /// Several linear layers over the same input as one, their outputs one after the other.
    pub(super) async fn stacked(
        &mut self,
        prefixes: &[String],
        out_features: usize,
        in_features: usize,
    ) -> Result<Linear, ModelError> {
        let (mut weights, mut biases) = (Vec::new(), Vec::new());
        for prefix in prefixes {
            weights.push(self.weight(prefix, out_features, in_features).await?);
            biases.push(self.vector(&format!("{prefix}.bias"), out_features).await?);
        }
        Ok(Linear::dense(
            Tensor::cat(weights, 0),
            Some(Tensor::cat(biases, 0)),
        ))
    }
}
