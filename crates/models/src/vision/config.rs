use lexigraft_checkpoint::{ByteSource, Checkpoint};
use serde::Deserialize;

use super::{Activation, VitLayout, clip};
use crate::ModelError;

/// DINOv2 models of every size have heads of 64 (arXiv 2304.07193, table 17), and so have CLIP's.
const HEAD_DIM: usize = 64;

/// As in the DINOv2 code.
const EPS: f64 = 1e-6;

/// Means and deviations of ImageNet's channels.
const CHANNELS: [[f32; 3]; 2] = [[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]];

/// Layout and sizes of a vision transformer.
#[derive(Debug, Clone, PartialEq)]
pub struct VitConfig {
    pub layout: VitLayout,
    pub activation: Activation,
    /// What the names of the tensors begin with, such as `backbone.` or `vision_model.`.
    pub prefix: String,
    pub hidden_size: usize,
    pub intermediate_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    /// Side of a square patch in pixels.
    pub patch_size: usize,
    /// Patches on a side of the position grid as stored: the largest picture.
    pub grid_size: usize,
    /// Register tokens between CLS and the patches (arXiv 2309.16588).
    pub num_register_tokens: usize,
    pub layer_norm_eps: f64,
    /// Elements of the embedding, where CLS is projected behind the final norm.
    pub projection_size: Option<usize>,
    /// What pictures are normalised with: of values from 0 to 1, red, green and blue.
    pub channel_mean: [f32; 3],
    pub channel_deviation: [f32; 3],
}

impl VitConfig {
    /// As [`VitConfig::read`], without a `config.json`.
    ///
    /// # Errors
    /// As [`VitConfig::read`].
    pub fn from_checkpoint<S: ByteSource>(checkpoint: &Checkpoint<S>) -> Result<Self, ModelError> {
        Self::read(checkpoint, None)
    }

    /// Infers layout and sizes from the names and shapes of the tensors; neither ONNX nor
    /// safetensors holds more. Heads, epsilon and activation are those of a `config.json` of Hugging
    /// Face, else those of the published models: heads of 64.
    ///
    /// # Errors
    /// `unsupported-architecture` when the checkpoint has not the tensors of the DINOv2 or the CLIP
    /// layout, or has another activation; `bad-config` for sizes that do not belong together, or a
    /// `config.json` that cannot be read or does not fit the tensors.
    pub fn read<S: ByteSource>(
        checkpoint: &Checkpoint<S>,
        json: Option<&[u8]>,
    ) -> Result<Self, ModelError> {
        let (config, positions) = match clip::infer(checkpoint) {
            Some(inferred) => inferred?,
            None => Self::infer(checkpoint)?,
        };
        let config = match json {
            Some(json) => config.told(json)?,
            None => config,
        };
        config.checked(positions)
    }

    /// The DINOv2 layout, not checked yet, and the number of its positions.
    fn infer<S: ByteSource>(checkpoint: &Checkpoint<S>) -> Result<(Self, usize), ModelError> {
        let prefix = ["backbone.", "dinov2.", "dinov2_with_registers.", ""]
            .into_iter()
            .find(|prefix| {
                checkpoint
                    .get(&format!("{prefix}embeddings.cls_token"))
                    .is_some()
            })
            .ok_or_else(|| unsupported("no embeddings.cls_token"))?
            .to_owned();
        let shape = |name: &str| {
            checkpoint
                .get(&format!("{prefix}{name}"))
                .map(|tensor| tensor.shape.as_slice())
        };
        let Some(&[hidden_size, 3, patch_size, other_side]) =
            shape("embeddings.patch_embeddings.projection.weight")
        else {
            return Err(unsupported("no patch projection over three channels"));
        };
        if patch_size != other_side {
            return Err(unsupported("patches that are not square"));
        }
        let Some(&[intermediate_size]) = shape("encoder.layer.0.mlp.fc1.bias") else {
            return Err(unsupported("no encoder.layer.0.mlp.fc1"));
        };
        let num_hidden_layers = (0..)
            .take_while(|layer| shape(&format!("encoder.layer.{layer}.norm1.weight")).is_some())
            .count();
        let positions = match shape("embeddings.position_embeddings") {
            Some(&[1, rows, _]) => rows.saturating_sub(1),
            _ => match shape(POSITION_GRID) {
                Some(&[1, rows, _]) => rows,
                _ => return Err(unsupported("no position embeddings")),
            },
        };
        let grid_size = positions.isqrt();
        let num_register_tokens = match shape("embeddings.register_tokens") {
            Some(&[1, count, _]) => count,
            Some(_) => return Err(unsupported("register tokens of another shape")),
            None => 0,
        };
        let [channel_mean, channel_deviation] = CHANNELS;
        let config = Self {
            layout: VitLayout::DinoV2,
            activation: Activation::Gelu,
            prefix,
            hidden_size,
            intermediate_size,
            num_hidden_layers,
            num_attention_heads: heads_of(hidden_size),
            patch_size,
            grid_size,
            num_register_tokens,
            layer_norm_eps: EPS,
            projection_size: None,
            channel_mean,
            channel_deviation,
        };
        Ok((config, positions))
    }

    /// Takes over what a `config.json` tells; what it does not tell stays.
    fn told(mut self, json: &[u8]) -> Result<Self, ModelError> {
        let told: Told = serde_json::from_slice(json)
            .map_err(|error| ModelError::BadConfig(format!("config.json: {error}")))?;
        let told = told.vision_config.unwrap_or(told.own);
        let sizes = [
            ("hidden_size", told.hidden_size, self.hidden_size),
            (
                "intermediate_size",
                told.intermediate_size,
                self.intermediate_size,
            ),
            (
                "num_hidden_layers",
                told.num_hidden_layers,
                self.num_hidden_layers,
            ),
            ("patch_size", told.patch_size, self.patch_size),
        ];
        for (name, told, found) in sizes {
            if let Some(told) = told.filter(|told| *told != found) {
                return Err(ModelError::BadConfig(format!(
                    "config.json has a {name} of {told}, the tensors one of {found}"
                )));
            }
        }
        if let Some(heads) = told.num_attention_heads {
            self.num_attention_heads = heads;
        }
        if let Some(eps) = told.layer_norm_eps {
            self.layer_norm_eps = eps;
        }
        match told.hidden_act.as_deref() {
            None => {}
            Some("gelu") => self.activation = Activation::Gelu,
            Some("quick_gelu") => self.activation = Activation::QuickGelu,
            Some(other) => return Err(unsupported(&format!("the activation {other}"))),
        }
        Ok(self)
    }

    /// The configuration, if its sizes are sound and belong together.
    fn checked(self, positions: usize) -> Result<Self, ModelError> {
        let sizes = [
            ("hidden size", self.hidden_size, 1 << 14),
            ("MLP size", self.intermediate_size, 1 << 16),
            ("number of layers", self.num_hidden_layers, 1 << 8),
            ("patch size", self.patch_size, 1 << 8),
            ("position grid", self.grid_size, 1 << 8),
            (
                "projection size",
                self.projection_size.unwrap_or(1),
                1 << 14,
            ),
        ];
        for (what, value, limit) in sizes {
            if value == 0 || value > limit {
                return Err(ModelError::BadConfig(format!(
                    "the vision model's {what} is {value}, outside 1..={limit}"
                )));
            }
        }
        if self.grid_size * self.grid_size != positions || self.num_register_tokens > 1 << 8 {
            return Err(ModelError::BadConfig(format!(
                "{positions} positions are no square grid, or {} register tokens are too many",
                self.num_register_tokens
            )));
        }
        // Attention reads heads in vectors of eight.
        let heads = self.num_attention_heads;
        if heads == 0 || !self.hidden_size.is_multiple_of(8 * heads) {
            return Err(ModelError::BadConfig(format!(
                "a hidden size of {} does not come apart into {heads} heads of a multiple of eight",
                self.hidden_size
            )));
        }
        let eps = self.layer_norm_eps;
        if !(0.0..1.0).contains(&eps) {
            return Err(ModelError::BadConfig(format!(
                "an epsilon of {eps} is outside 0 to 1"
            )));
        }
        Ok(self)
    }

    /// The longest side of a picture, in pixels.
    pub fn max_side(&self) -> usize {
        self.grid_size * self.patch_size
    }

    /// Tokens in front of the patches: CLS and the registers.
    pub fn leading_tokens(&self) -> usize {
        1 + self.num_register_tokens
    }

    /// The patches of a picture of `height` x `width` pixels, `(rows, columns)`.
    ///
    /// # Errors
    /// `invalid-argument` when a side is no multiple of the patch or exceeds the position grid.
    pub fn patches(&self, height: usize, width: usize) -> Result<(usize, usize), ModelError> {
        let limit = self.max_side();
        let fits = |side: usize| side > 0 && side <= limit && side.is_multiple_of(self.patch_size);
        if !fits(height) || !fits(width) {
            return Err(ModelError::InvalidArgument(format!(
                "a picture of {height} x {width} pixels: each side must be a multiple of {} up to \
                 {limit}",
                self.patch_size
            )));
        }
        Ok((height / self.patch_size, width / self.patch_size))
    }

    /// Bytes of the weights in f32, the largest tensor and all, saturating.
    pub(super) fn dense_bytes(&self) -> (u64, u64) {
        let (hidden, wide) = (self.hidden_size as u64, self.intermediate_size as u64);
        let largest = 4 * hidden * wide.max(3 * hidden);
        let layer = 4 * (4 * hidden * hidden + 2 * hidden * wide);
        let total = layer.saturating_mul(self.num_hidden_layers as u64);
        (largest, total)
    }
}

/// The grid's name in an ONNX export, after the node that reads it, with CLS split off.
pub(super) const POSITION_GRID: &str = "embeddings.Reshape_1";
/// The position of CLS in an ONNX export.
pub(super) const POSITION_CLS: &str = "embeddings.Concat_6";

/// What a `config.json` may tell, of a model of pictures or of pictures and texts.
#[derive(Deserialize)]
struct Told {
    vision_config: Option<ToldSizes>,
    #[serde(flatten)]
    own: ToldSizes,
}

#[derive(Deserialize)]
struct ToldSizes {
    hidden_size: Option<usize>,
    intermediate_size: Option<usize>,
    num_hidden_layers: Option<usize>,
    num_attention_heads: Option<usize>,
    patch_size: Option<usize>,
    layer_norm_eps: Option<f64>,
    hidden_act: Option<String>,
}

/// Heads of 64; none where the hidden size does not come apart into them.
pub(super) fn heads_of(hidden_size: usize) -> usize {
    if hidden_size.is_multiple_of(HEAD_DIM) {
        hidden_size / HEAD_DIM
    } else {
        0
    }
}

pub(super) fn unsupported(found: &str) -> ModelError {
    ModelError::UnsupportedArchitecture {
        found: format!("a vision model with {found}"),
        supported: "vision transformers in the DINOv2 and the CLIP layout",
    }
}
