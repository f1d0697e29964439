use burn::tensor::Tensor;
use lexigraft_checkpoint::{ByteSource, Checkpoint};
#[cfg(feature = "gpu")]
use lexigraft_kernels::gpu;
use lexigraft_kernels::ops;

use super::config::{POSITION_CLS, POSITION_GRID};
use super::position::resize_grid;
use super::weights::{HostLinear, Weights};
use super::{Activation, Demands, Reducing, SaliencyDecoder, VitBlock, VitConfig, VitLayout};
use crate::{ComputeDevice, LayerNorm, Linear, LoadProgress, ModelError};

/// The products' kernels take rows of whole blocks of these elements faster, and wgpu's take no
/// others.
const BLOCK: usize = 32;
/// The longest heads of attention by size on a graphics card.
const LONGEST_REDUCING_HEAD: usize = 64;

/// A vision transformer in the DINOv2 (arXiv 2304.07193) or the CLIP layout (arXiv 2103.00020) on
/// one device.
#[derive(Debug)]
pub struct Vit {
    config: VitConfig,
    device: ComputeDevice,
    /// From the `3 * patch * patch` values of a patch, filled up to whole blocks, to the hidden
    /// size, without its bias.
    patch: Linear,
    patch_bias: Vec<f32>,
    /// CLS with its position and the registers, `[leading, hidden]`, on the host.
    leading: Vec<f32>,
    /// Positions of the patches as stored, `[grid, grid, hidden]`, on the host.
    positions: Vec<f32>,
    /// In front of the blocks, in the CLIP layout.
    pre_norm: Option<LayerNorm>,
    blocks: Vec<VitBlock>,
    norm: LayerNorm,
    /// From CLS behind the final norm to the embedding, in the CLIP layout, `[projection,
    /// hidden]`, on the host: it is one row.
    projection: Option<Vec<f32>>,
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
        device.check_room("weights in f32", largest, total, 0)?;
        let mut weights = Weights::new(checkpoint, device, progress);
        weights
            .check_kernels(config.activation == Activation::QuickGelu)
            .await?;
        let (hidden, patch) = (config.hidden_size, config.patch_size);
        let name = |rest: &str| config.named(rest);
        let projection = config.patch_projection();
        let kernel = weights
            .values(&format!("{projection}.weight"), &[hidden, 3, patch, patch])
            .await?;
        let values = 3 * patch * patch;
        let in_features = values.next_multiple_of(BLOCK);
        let mut rows = Vec::with_capacity(hidden * in_features);
        for row in kernel.chunks_exact(values) {
            rows.extend_from_slice(row);
            rows.resize(rows.len() + in_features - values, 0.0);
        }
        let patch = weights.keep(HostLinear {
            rows,
            in_features,
            bias: None,
        })?;
        let (patch_bias, mut leading, cls_position, positions) = match config.layout {
            VitLayout::DinoV2 => dino_tables(&mut weights, &config).await?,
            VitLayout::Clip => clip_tables(&mut weights, &config).await?,
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
        let mut blocks = Vec::with_capacity(config.num_hidden_layers);
        for layer in 0..config.num_hidden_layers {
            blocks.push(VitBlock::load(&mut weights, &config, layer).await?);
        }
        let eps = config.layer_norm_eps;
        let norm = weights
            .layer_norm(&config.final_norm(), hidden, eps)
            .await?;
        let pre_norm = match config.layout {
            VitLayout::DinoV2 => None,
            // Spelt so in every checkpoint.
            VitLayout::Clip => {
                let pre_norm = name("pre_layrnorm");
                Some(weights.layer_norm(&pre_norm, hidden, eps).await?)
            }
        };
        let projection = match config.projection_size {
            None => None,
            Some(size) => {
                let outer = config.prefix.strip_suffix("vision_model.");
                let name = format!("{}visual_projection.weight", outer.unwrap_or_default());
                Some(weights.values(&name, &[size, hidden]).await?)
            }
        };
        let saliency = SaliencyDecoder::load(&mut weights, checkpoint, device, hidden).await?;
        Ok(Self {
            patch,
            patch_bias,
            device: device.clone(),
            leading,
            positions,
            pre_norm,
            blocks,
            norm,
            projection,
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

    /// Hidden states `[tokens, hidden]` on this model's device.
    ///
    /// # Errors
    /// `invalid-argument` when the values are no whole tokens.
    pub fn to_device(&self, states: Vec<f32>) -> Result<Tensor<2>, ModelError> {
        let hidden = self.config.hidden_size;
        let tokens = states.len() / hidden;
        if tokens == 0 || tokens * hidden != states.len() {
            return Err(ModelError::InvalidArgument(format!(
                "{} values are no tokens of {hidden}",
                states.len()
            )));
        }
        Ok(ops::from_host(states, [tokens, hidden], self.device.burn()))
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

    /// Pictures `[batch, 3, height, width]`, normalised, to tokens `[batch * tokens, hidden]`: CLS,
    /// registers, then patches row by row.
    ///
    /// # Errors
    /// `invalid-argument` for an empty batch, another number of values, or sides as of
    /// [`VitConfig::patches`].
    pub fn embed(
        &self,
        pixels: &[f32],
        (height, width): (usize, usize),
    ) -> Result<Tensor<2>, ModelError> {
        let (rows, columns) = self.config.patches(height, width)?;
        let batch = pixels.len() / (3 * height * width);
        if batch == 0 || batch * 3 * height * width != pixels.len() {
            return Err(ModelError::InvalidArgument(format!(
                "{} values are no whole pictures of 3 x {height} x {width}",
                pixels.len()
            )));
        }
        let (hidden, leading) = (self.config.hidden_size, self.config.leading_tokens());
        let tokens = leading + rows * columns;
        // Leading tokens are patches of nothing: all they have is in the table.
        let in_features = (3 * self.config.patch_size.pow(2)).next_multiple_of(BLOCK);
        let mut patches = Vec::with_capacity(batch * tokens * in_features);
        for picture in pixels.chunks_exact(3 * height * width) {
            patches.resize(patches.len() + leading * in_features, 0.0);
            self.unfold(picture, (height, width), in_features, &mut patches);
        }
        let mut table = resize_grid(
            &self.positions,
            self.config.grid_size,
            hidden,
            rows,
            columns,
        );
        for row in table.chunks_exact_mut(hidden) {
            for (position, bias) in row.iter_mut().zip(&self.patch_bias) {
                *position += bias;
            }
        }
        table.splice(0..0, self.leading.iter().copied());
        let device = self.device.burn();
        let table = ops::from_host(table.repeat(batch), [batch * tokens, hidden], device);
        let patches = ops::from_host(patches, [batch * tokens, in_features], device);
        let x = self.patch.forward_add(patches, table);
        Ok(match &self.pre_norm {
            Some(norm) => norm.forward(x),
            None => x,
        })
    }

    /// Appends the pixels of each patch, row by row of patches, `in_features` values each. A
    /// convolution whose stride is its size is a product over them.
    fn unfold(
        &self,
        picture: &[f32],
        (height, width): (usize, usize),
        in_features: usize,
        out: &mut Vec<f32>,
    ) {
        let patch = self.config.patch_size;
        for top in (0..height).step_by(patch) {
            for left in (0..width).step_by(patch) {
                let end = out.len() + in_features;
                for channel in picture.chunks_exact(height * width) {
                    for line in channel.chunks_exact(width).skip(top).take(patch) {
                        out.extend_from_slice(line.get(left..left + patch).unwrap_or_default());
                    }
                }
                out.resize(end, 0.0);
            }
        }
    }

    /// The final norm: `[tokens, hidden]` in and out.
    pub fn finish(&self, x: Tensor<2>) -> Tensor<2> {
        self.norm.forward(x)
    }

    /// Begins to reduce the tokens of one picture, `x` `[tokens, hidden]`, on its device, at most once
    /// a block, whatever `demands` says of that. `None` where the host has to do it: on the CPU, and
    /// for heads longer than 64.
    ///
    /// # Errors
    /// `device-lost` when the kernels do not agree with their twins.
    pub async fn begin_reducing(
        &self,
        x: &Tensor<2>,
        demands: Demands,
    ) -> Result<Option<Reducing>, ModelError> {
        let config = &self.config;
        if config.hidden_size > config.num_attention_heads * LONGEST_REDUCING_HEAD {
            return Ok(None);
        }
        let demands = Demands {
            reductions: self.blocks.len(),
            ..demands
        };
        let Some(reducing) = Reducing::begin(x, config.leading_tokens(), demands) else {
            return Ok(None);
        };
        #[cfg(feature = "gpu")]
        {
            let what = match demands.drops {
                true => gpu::Checked::Keeping,
                false => gpu::Checked::Merging,
            };
            gpu::self_test(self.device.burn(), what).await?;
        }
        Ok(Some(reducing))
    }

    /// The embedding of a picture whose CLS is `cls`, `[hidden]`, behind the final norm: itself, or
    /// projected where the model does that.
    pub fn embedding(&self, cls: &[f32]) -> Vec<f32> {
        let Some(projection) = &self.projection else {
            return cls.to_vec();
        };
        projection
            .chunks_exact(self.config.hidden_size)
            .map(|row| row.iter().zip(cls).map(|(weight, x)| weight * x).sum())
            .collect()
    }

    /// Final hidden states of all tokens, nothing reduced: `[batch, 3, height, width]` to `[batch *
    /// tokens, hidden]`.
    ///
    /// # Errors
    /// As [`Vit::embed`], and `device-lost`.
    pub async fn forward(
        &self,
        pixels: &[f32],
        (height, width): (usize, usize),
    ) -> Result<Tensor<2>, ModelError> {
        let (rows, columns) = self.config.patches(height, width)?;
        let tokens = self.config.leading_tokens() + rows * columns;
        let mut x = self.embed(pixels, (height, width))?;
        for block in &self.blocks {
            x = block.feed_forward(block.attend(x, tokens, None).await?.hidden);
        }
        Ok(self.finish(x))
    }
}

/// The bias of the patches, the leading tokens, the position of CLS, and those of the patches.
type Tables = (Vec<f32>, Vec<f32>, Vec<f32>, Vec<f32>);

async fn dino_tables<S: ByteSource>(
    weights: &mut Weights<'_, S>,
    config: &VitConfig,
) -> Result<Tables, ModelError> {
    let (hidden, side) = (config.hidden_size, config.grid_size);
    let name = |rest: &str| config.named(rest);
    let bias = format!("{}.bias", config.patch_projection());
    let patch_bias = weights.values(&bias, &[hidden]).await?;
    let leading = weights
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
    Ok((patch_bias, leading, cls_position, positions))
}

async fn clip_tables<S: ByteSource>(
    weights: &mut Weights<'_, S>,
    config: &VitConfig,
) -> Result<Tables, ModelError> {
    let (hidden, side) = (config.hidden_size, config.grid_size);
    let cls = config.named("embeddings.class_embedding");
    let leading = weights.values(&cls, &[hidden]).await?;
    let all = config.named("embeddings.position_embedding.weight");
    let mut all = weights.values(&all, &[1 + side * side, hidden]).await?;
    let positions = all.split_off(hidden);
    Ok((vec![0.0; hidden], leading, all, positions))
}
