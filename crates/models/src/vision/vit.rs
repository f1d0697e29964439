use burn::tensor::Tensor;
use lexigraft_checkpoint::{ByteSource, Checkpoint};

use super::config::{POSITION_CLS, POSITION_GRID};
use super::position::resize_grid;
use super::weights::Weights;
use super::{SaliencyDecoder, VitBlock, VitConfig};
use crate::{ComputeDevice, LayerNorm, Linear, LoadProgress, ModelError};

/// A vision transformer in the DINOv2 layout (arXiv 2304.07193) on one device.
#[derive(Debug)]
pub struct Vit {
    config: VitConfig,
    device: ComputeDevice,
    /// From the `3 * patch * patch` values of a patch to the hidden size.
    patch: Linear,
    /// CLS with its position and the registers, `[leading, hidden]`.
    leading: Tensor<2>,
    /// Positions of the patches as stored, `[grid, grid, hidden]`, on the host.
    positions: Vec<f32>,
    blocks: Vec<VitBlock>,
    norm: LayerNorm,
    saliency: Option<SaliencyDecoder>,
}

impl Vit {
    /// Loads all weights, and the saliency decoder when the checkpoint has one.
    ///
    /// # Errors
    /// `missing-tensor` and `bad-checkpoint` where the file does not hold what the configuration
    /// promises, `out-of-memory`, `aborted` when `progress` breaks, and the source's own errors.
    pub async fn load<S: ByteSource>(
        checkpoint: &Checkpoint<S>,
        config: VitConfig,
        device: &ComputeDevice,
        progress: LoadProgress<'_>,
    ) -> Result<Self, ModelError> {
        let (largest, total) = config.dense_bytes();
        device.check_budget("weights in f32", largest, total)?;
        let mut weights = Weights::new(checkpoint, device, progress);
        let (hidden, side, patch) = (config.hidden_size, config.grid_size, config.patch_size);
        let name = |rest: &str| format!("{}{rest}", config.prefix);
        let projection = name("embeddings.patch_embeddings.projection");
        let kernel = weights
            .values(&format!("{projection}.weight"), &[hidden, 3, patch, patch])
            .await?;
        let kernel = weights.tensor(kernel, [hidden, 3 * patch * patch]);
        let bias = weights
            .vector(&format!("{projection}.bias"), hidden)
            .await?;
        let mut leading = weights
            .values(&name("embeddings.cls_token"), &[1, 1, hidden])
            .await?;
        let together = name("embeddings.position_embeddings");
        let (cls_position, positions) = if weights.has(&together) {
            let mut all = weights
                .values(&together, &[1, 1 + side * side, hidden])
                .await?;
            let grid = all.split_off(hidden);
            (all, grid)
        } else {
            (
                weights.values(&name(POSITION_CLS), &[1, 1, hidden]).await?,
                weights
                    .values(&name(POSITION_GRID), &[1, side * side, hidden])
                    .await?,
            )
        };
        for (value, position) in leading.iter_mut().zip(cls_position) {
            *value += position;
        }
        if config.num_register_tokens > 0 {
            let shape = [1, config.num_register_tokens, hidden];
            leading.extend(
                weights
                    .values(&name("embeddings.register_tokens"), &shape)
                    .await?,
            );
        }
        let leading = weights.tensor(leading, [config.leading_tokens(), hidden]);
        let mut blocks = Vec::with_capacity(config.num_hidden_layers);
        for layer in 0..config.num_hidden_layers {
            blocks.push(VitBlock::load(&mut weights, &config, layer).await?);
        }
        let norm = weights
            .layer_norm(&name("layernorm"), hidden, config.layer_norm_eps)
            .await?;
        let saliency = SaliencyDecoder::load(&mut weights, checkpoint, hidden).await?;
        Ok(Self {
            patch: Linear::dense(kernel, Some(bias)),
            device: device.clone(),
            leading,
            positions,
            blocks,
            norm,
            saliency,
            config,
        })
    }

    pub fn config(&self) -> &VitConfig {
        &self.config
    }

    pub fn device(&self) -> &ComputeDevice {
        &self.device
    }

    pub fn blocks(&self) -> &[VitBlock] {
        &self.blocks
    }

    /// The saliency decoder, if the checkpoint has one.
    pub fn saliency(&self) -> Option<&SaliencyDecoder> {
        self.saliency.as_ref()
    }

    /// Bytes of the weights on the device.
    pub fn resident_bytes(&self) -> u64 {
        let blocks: u64 = self.blocks.iter().map(VitBlock::resident_bytes).sum();
        let saliency = self.saliency.as_ref().map_or(0, |s| s.resident_bytes());
        blocks + saliency + self.patch.resident_bytes() + self.positions.len() as u64 * 4
    }

    /// Pictures `[batch, 3, height, width]`, normalised, to tokens `[batch, tokens, hidden]`: CLS,
    /// registers, then patches row by row.
    ///
    /// # Errors
    /// `invalid-argument` for an empty batch, other than three channels, or sides as of
    /// [`VitConfig::patches`].
    pub fn embed(&self, pixels: Tensor<4>) -> Result<Tensor<3>, ModelError> {
        let [batch, channels, height, width] = pixels.dims();
        if batch == 0 || channels != 3 {
            return Err(ModelError::InvalidArgument(format!(
                "a batch of {batch} pictures of {channels} channels; at least one of three is asked for"
            )));
        }
        let (rows, columns) = self.config.patches(height, width)?;
        let (patch, hidden) = (self.config.patch_size, self.config.hidden_size);
        let count = rows * columns;
        // A convolution whose stride is its size is a product over the pixels of each patch.
        let patches = pixels
            .reshape([batch, 3, rows, patch, columns, patch])
            .permute([0, 2, 4, 1, 3, 5])
            .reshape([batch * count, 3 * patch * patch]);
        let grid = resize_grid(
            &self.positions,
            self.config.grid_size,
            hidden,
            rows,
            columns,
        );
        let positions = Tensor::<3>::from_data(
            burn::tensor::TensorData::new(grid, [1, count, hidden]),
            self.device.burn(),
        );
        let patches = self.patch.forward(patches).reshape([batch, count, hidden]) + positions;
        let leading = self.leading.clone().unsqueeze::<3>().repeat_dim(0, batch);
        Ok(Tensor::cat(vec![leading, patches], 1))
    }

    /// The final norm: `[batch, tokens, hidden]` in and out.
    pub fn finish(&self, x: Tensor<3>) -> Tensor<3> {
        let [batch, tokens, hidden] = x.dims();
        self.norm
            .forward(x.reshape([batch * tokens, hidden]))
            .reshape([batch, tokens, hidden])
    }

    /// Final hidden states of all tokens, nothing reduced: `[batch, 3, height, width]` to
    /// `[batch, tokens, hidden]`.
    ///
    /// # Errors
    /// As [`Vit::embed`].
    pub fn forward(&self, pixels: Tensor<4>) -> Result<Tensor<3>, ModelError> {
        let mut x = self.embed(pixels)?;
        for block in &self.blocks {
            x = block.feed_forward(block.attend(x, None).hidden);
        }
        Ok(self.finish(x))
    }
}
