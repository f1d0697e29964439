//! What the layouts of vision transformers call their tensors, and where they differ.

use super::VitConfig;

/// How a checkpoint's blocks are put together, by the model that it is named after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VitLayout {
    /// LayerScale, registers, exact GELU (arXiv 2304.07193).
    DinoV2,
    /// A norm in front of the blocks, no bias of the patch projection, and a projection of CLS
    /// (arXiv 2103.00020), with Hugging Face's names.
    Clip,
}

/// Between the two products of a block's MLP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `x Φ(x)`.
    Gelu,
    /// `x sigmoid(1.702 x)`.
    QuickGelu,
}

/// The names of one block's parts, without `.weight` and `.bias`.
pub(super) struct BlockNames {
    pub attention_norm: String,
    /// Query, key, value.
    pub projections: [String; 3],
    pub output: String,
    pub feed_forward_norm: String,
    pub up: String,
    pub down: String,
    /// Factors of attention and MLP, which a checkpoint may lack.
    pub scales: [String; 2],
}

impl VitConfig {
    /// The parts in front of and behind the blocks: a name with its prefix.
    pub(super) fn named(&self, part: &str) -> String {
        format!("{}{part}", self.prefix)
    }

    pub(super) fn patch_projection(&self) -> String {
        self.named(match self.layout {
            VitLayout::DinoV2 => "embeddings.patch_embeddings.projection",
            VitLayout::Clip => "embeddings.patch_embedding",
        })
    }

    pub(super) fn final_norm(&self) -> String {
        self.named(match self.layout {
            VitLayout::DinoV2 => "layernorm",
            VitLayout::Clip => "post_layernorm",
        })
    }

    pub(super) fn block_names(&self, layer: usize) -> BlockNames {
        let (attention, norms, output, block) = match self.layout {
            VitLayout::DinoV2 => (
                ["query", "key", "value"].map(|part| format!("attention.attention.{part}")),
                ["norm1", "norm2"],
                "attention.output.dense",
                self.named(&format!("encoder.layer.{layer}.")),
            ),
            VitLayout::Clip => (
                ["q", "k", "v"].map(|part| format!("self_attn.{part}_proj")),
                ["layer_norm1", "layer_norm2"],
                "self_attn.out_proj",
                self.named(&format!("encoder.layers.{layer}.")),
            ),
        };
        let name = |part: &str| format!("{block}{part}");
        let [attention_norm, feed_forward_norm] = norms.map(name);
        BlockNames {
            attention_norm,
            projections: attention.map(|part| name(&part)),
            output: name(output),
            feed_forward_norm,
            up: name("mlp.fc1"),
            down: name("mlp.fc2"),
            scales: ["layer_scale1.lambda1", "layer_scale2.lambda1"].map(name),
        }
    }
}
