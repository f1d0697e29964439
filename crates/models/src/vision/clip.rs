//! Vision transformers in the CLIP layout (arXiv 2103.00020), as Hugging Face stores them.

use lexigraft_checkpoint::{ByteSource, Checkpoint};

use super::config::{heads_of, unsupported};
use super::{Activation, VitConfig, VitLayout};
use crate::ModelError;

/// Means and deviations of the channels of CLIP's training pictures.
const CHANNELS: [[f32; 3]; 2] = [
    [0.481_454_66, 0.457_827_5, 0.408_210_73],
    [0.268_629_54, 0.261_302_6, 0.275_777_1],
];

/// The sizes by the shapes of the tensors, not checked yet, and the number of positions; `None` when the checkpoint has not CLIP's names. Heads of
/// 64, quick GELU and an epsilon of 1e-5 are those of all of OpenAI's models; a configuration may
/// tell otherwise.
pub(super) fn infer<S: ByteSource>(
    checkpoint: &Checkpoint<S>,
) -> Option<Result<(VitConfig, usize), ModelError>> {
    let shape = |name: &str| checkpoint.get(name).map(|tensor| tensor.shape.as_slice());
    let prefix = ["vision_model.", "clip.vision_model.", "model.vision_model."]
        .into_iter()
        .find(|prefix| shape(&format!("{prefix}embeddings.class_embedding")).is_some())?;
    Some(sizes(prefix, &shape))
}

fn sizes<'a>(
    prefix: &str,
    shape: &dyn Fn(&str) -> Option<&'a [usize]>,
) -> Result<(VitConfig, usize), ModelError> {
    let named = |name: &str| shape(&format!("{prefix}{name}"));
    let Some(&[hidden_size, 3, patch_size, other_side]) =
        named("embeddings.patch_embedding.weight")
    else {
        return Err(unsupported("no patch projection over three channels"));
    };
    if patch_size != other_side {
        return Err(unsupported("patches that are not square"));
    }
    let Some(&[intermediate_size]) = named("encoder.layers.0.mlp.fc1.bias") else {
        return Err(unsupported("no encoder.layers.0.mlp.fc1"));
    };
    let Some(&[rows, _]) = named("embeddings.position_embedding.weight") else {
        return Err(unsupported("no position embeddings"));
    };
    let positions = rows.saturating_sub(1);
    let outer = prefix.strip_suffix("vision_model.").unwrap_or_default();
    let projection = shape(&format!("{outer}visual_projection.weight"));
    let projection_size = match projection {
        Some(&[size, _]) => Some(size),
        Some(_) => return Err(unsupported("a projection that is no matrix")),
        None => None,
    };
    let layers = (0..)
        .take_while(|layer| named(&format!("encoder.layers.{layer}.layer_norm1.weight")).is_some())
        .count();
    let [channel_mean, channel_deviation] = CHANNELS;
    let config = VitConfig {
        layout: VitLayout::Clip,
        activation: Activation::QuickGelu,
        prefix: prefix.to_owned(),
        hidden_size,
        intermediate_size,
        num_hidden_layers: layers,
        num_attention_heads: heads_of(hidden_size),
        patch_size,
        grid_size: positions.isqrt(),
        num_register_tokens: 0,
        layer_norm_eps: 1e-5,
        projection_size,
        channel_mean,
        channel_deviation,
    };
    Ok((config, positions))
}
