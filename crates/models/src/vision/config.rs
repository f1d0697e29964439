use lexigraft_checkpoint::{ByteSource, Checkpoint};

use crate::ModelError;

/// DINOv2 models of every size have heads of 64 (arXiv 2304.07193, table 17).
const HEAD_DIM: usize = 64;

/// As in the DINOv2 code.
const EPS: f64 = 1e-6;

/// Sizes of a vision transformer in the DINOv2 layout.
#[derive(Debug, Clone, PartialEq)]
pub struct VitConfig {
    /// What the names of the backbone's tensors begin with, such as `backbone.`.
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
}

impl VitConfig {
    /// Infers the sizes from the shapes of the tensors; neither ONNX nor safetensors holds more.
    ///
    /// # Errors
    /// `unsupported-architecture` when the checkpoint has not the tensors of the DINOv2 layout,
    /// `bad-config` for sizes that do not belong together.
    pub fn from_checkpoint<S: ByteSource>(checkpoint: &Checkpoint<S>) -> Result<Self, ModelError> {
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
        let sizes = [
            ("hidden size", hidden_size, 1 << 14),
            ("MLP size", intermediate_size, 1 << 16),
            ("number of layers", num_hidden_layers, 1 << 8),
            ("patch size", patch_size, 1 << 8),
            ("position grid", grid_size, 1 << 8),
        ];
        for (what, value, limit) in sizes {
            if value == 0 || value > limit {
                return Err(ModelError::BadConfig(format!(
                    "the vision model's {what} is {value}, outside 1..={limit}"
                )));
            }
        }
        if grid_size * grid_size != positions || num_register_tokens > 1 << 8 {
            return Err(ModelError::BadConfig(format!(
                "{positions} positions are no square grid, or {num_register_tokens} register \
                 tokens are too many"
            )));
        }
        if !hidden_size.is_multiple_of(HEAD_DIM) {
            return Err(ModelError::BadConfig(format!(
                "the hidden size {hidden_size} is no multiple of heads of {HEAD_DIM}"
            )));
        }
        Ok(Self {
            prefix,
            hidden_size,
            intermediate_size,
            num_hidden_layers,
            num_attention_heads: hidden_size / HEAD_DIM,
            patch_size,
            grid_size,
            num_register_tokens,
            layer_norm_eps: EPS,
        })
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

fn unsupported(found: &str) -> ModelError {
    ModelError::UnsupportedArchitecture {
        found: format!("a vision model with {found}"),
        supported: "vision transformers in the DINOv2 layout",
    }
}
