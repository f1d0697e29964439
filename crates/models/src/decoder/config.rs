//! Sizes of a decoder, from GGUF metadata or a Hugging Face `config.json`.

use lexigraft_checkpoint::{ByteSource, Checkpoint, Format, Metadata};
use serde::Deserialize;

use super::FAMILIES;
use crate::loader::DenseBytes;
use crate::{ModelError, RopeScaling};

/// Which names the tensors of a file have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TensorNames {
    Gguf,
    HuggingFace,
}

/// Sizes and constants of a decoder of the Llama family.
#[derive(Debug, Clone, PartialEq)]
pub struct DecoderConfig {
    /// Family as the file calls it, for example `llama`.
    pub architecture: String,
    /// Name of the model for people, or the family.
    pub name: String,
    pub names: TensorNames,
    pub vocab_size: usize,
    pub hidden_size: usize,
    /// Width of the gated feed-forward network.
    pub feed_forward_size: usize,
    pub layers: usize,
    pub heads: usize,
    pub kv_heads: usize,
    pub head_dim: usize,
    /// Most tokens in a context.
    pub context_length: usize,
    pub norm_eps: f64,
    pub rope_theta: f64,
    pub rope_scaling: RopeScaling,
    /// The embedding is the output head too.
    pub tied_embeddings: bool,
}

impl DecoderConfig {
    /// Reads the sizes from GGUF metadata, or from `config_json` for safetensors.
    ///
    /// # Errors
    /// `unsupported-architecture`, `bad-config` for absent or impossible sizes.
    pub fn from_checkpoint<S: ByteSource>(
        checkpoint: &Checkpoint<S>,
        config_json: Option<&[u8]>,
    ) -> Result<Self, ModelError> {
        let config = match (checkpoint.format(), config_json) {
            (Format::Gguf { .. }, _) => from_gguf(checkpoint)?,
            (Format::Safetensors, Some(json)) => from_config_json(checkpoint, json)?,
            (Format::Onnx, _) => {
                return Err(ModelError::UnsupportedArchitecture {
                    found: "a language model in ONNX".to_owned(),
                    supported: "language models in GGUF and safetensors",
                });
            }
            (Format::Safetensors, None) => {
                return Err(ModelError::BadConfig(
                    "a safetensors model needs its config.json too".to_owned(),
                ));
            }
        };
        config.validate()?;
        Ok(config)
    }

    /// Limits the context, so that less memory is set aside; longer than trained is refused.
    pub fn with_context_length(mut self, tokens: usize) -> Result<Self, ModelError> {
        if tokens == 0 || tokens > self.context_length {
            return Err(ModelError::InvalidArgument(format!(
                "the context length must be from 1 to {}, not {tokens}",
                self.context_length
            )));
        }
        self.context_length = tokens;
        Ok(self)
    }

    /// Weights in f32, saturating.
    pub fn dense_bytes(&self) -> DenseBytes {
        let product = |factors: &[usize]| {
            factors
                .iter()
                .fold(4u64, |bytes, &factor| bytes.saturating_mul(factor as u64))
        };
        let hidden = self.hidden_size;
        let embedding = product(&[self.vocab_size, hidden]);
        let gate_up = product(&[2, self.feed_forward_size, hidden]);
        let query = product(&[self.heads, self.head_dim, hidden]);
        let qkv = query.saturating_add(product(&[2, self.kv_heads, self.head_dim, hidden]));
        let block = [qkv, query, gate_up, gate_up / 2]
            .into_iter()
            .fold(0u64, u64::saturating_add);
        let heads = if self.tied_embeddings { 1 } else { 2 };
        let rope = product(&[2, self.context_length, self.head_dim]);
        DenseBytes {
            largest: embedding.max(gate_up).max(qkv),
            total: block
                .saturating_mul(self.layers as u64)
                .saturating_add(embedding.saturating_mul(heads))
                .saturating_add(rope),
        }
    }

    /// Number of weights in the large matrices.
    pub fn parameters(&self) -> u64 {
        let rope = 8 * (self.context_length * self.head_dim) as u64;
        let norms = ((2 * self.layers + 1) * self.hidden_size) as u64;
        self.dense_bytes().total.saturating_sub(rope) / 4 + norms
    }

    /// Refuses sizes that no forward pass could use.
    pub fn validate(&self) -> Result<(), ModelError> {
        let bad = |reason: String| Err(ModelError::BadConfig(reason));
        let sizes = [
            ("vocabulary size", self.vocab_size, 1 << 24),
            ("hidden size", self.hidden_size, 1 << 17),
            ("feed-forward size", self.feed_forward_size, 1 << 20),
            ("number of layers", self.layers, 1 << 10),
            ("number of heads", self.heads, 1 << 10),
            ("number of key-value heads", self.kv_heads, 1 << 10),
            ("head size", self.head_dim, 1 << 12),
            ("context length", self.context_length, 1 << 24),
        ];
        for (what, value, limit) in sizes {
            if value == 0 || value > limit {
                return bad(format!("{what} is {value}, outside 1..={limit}"));
            }
        }
        if !self.heads.is_multiple_of(self.kv_heads) {
            return bad(format!(
                "{} heads cannot share {} key-value heads",
                self.heads, self.kv_heads
            ));
        }
        if !self.head_dim.is_multiple_of(2) {
            return bad(format!(
                "head size {} is odd; rotary positions need pairs",
                self.head_dim
            ));
        }
        if !(self.norm_eps.is_finite() && self.norm_eps >= 0.0 && self.norm_eps < 1.0) {
            return bad(format!("normalisation epsilon is {}", self.norm_eps));
        }
        if !(self.rope_theta.is_finite() && self.rope_theta > 0.0) {
            return bad(format!("rotary base is {}", self.rope_theta));
        }
        match &self.rope_scaling {
            RopeScaling::Linear { factor } | RopeScaling::Llama3 { factor, .. }
                if !(factor.is_finite() && *factor > 0.0) =>
            {
                bad(format!("rotary scaling factor is {factor}"))
            }
            RopeScaling::Llama3 {
                low_freq_factor,
                high_freq_factor,
                ..
            } if high_freq_factor <= low_freq_factor => bad(format!(
                "rotary high_freq_factor {high_freq_factor} is not above low_freq_factor {low_freq_factor}"
            )),
            _ => Ok(()),
        }
    }
}

fn unsupported(found: impl Into<String>) -> ModelError {
    ModelError::UnsupportedArchitecture {
        found: found.into(),
        supported: FAMILIES,
    }
}

fn from_gguf<S: ByteSource>(checkpoint: &Checkpoint<S>) -> Result<DecoderConfig, ModelError> {
    let metadata = checkpoint.metadata();
    let architecture = metadata.require_str("general.architecture")?.to_owned();
    if architecture != "llama" {
        return Err(unsupported(architecture));
    }
    let key = |suffix: &str| format!("{architecture}.{suffix}");
    let hidden_size = size(metadata, &key("embedding_length"))?;
    let heads = size(metadata, &key("attention.head_count"))?;
    if heads == 0 {
        return Err(ModelError::BadConfig("there are no attention heads".into()));
    }
    let kv_heads = optional_size(metadata, &key("attention.head_count_kv"))?.unwrap_or(heads);
    let head_dim =
        optional_size(metadata, &key("attention.key_length"))?.unwrap_or(hidden_size / heads);
    if let Some(rotary) = optional_size(metadata, &key("rope.dimension_count"))?
        && rotary != head_dim
    {
        return Err(ModelError::BadConfig(format!(
            "rotary positions over {rotary} of {head_dim} elements of a head are not supported"
        )));
    }
    if let Some(experts) = optional_size(metadata, &key("expert_count"))?
        && experts > 0
    {
        return Err(unsupported(format!(
            "{architecture} with {experts} experts"
        )));
    }
    let scaling_type = metadata.get_str(&key("rope.scaling.type"))?;
    let scaling_factor = metadata.get_f64(&key("rope.scaling.factor"))?;
    let rope_scaling = match (scaling_type, scaling_factor) {
        (None | Some("none"), _) => RopeScaling::None,
        (Some("linear"), Some(factor)) => RopeScaling::Linear { factor },
        (Some(other), _) => {
            return Err(ModelError::BadConfig(format!(
                "rotary scaling `{other}` is not supported; supported are none, linear and llama3"
            )));
        }
    };
    // Rows of the embedding, rather than the metadata: files differ in writing the size.
    let embedding = checkpoint.tensor("token_embd.weight")?;
    let vocab_size = embedding.shape.first().copied().unwrap_or(0);
    let name = metadata
        .get_str("general.name")?
        .unwrap_or(&architecture)
        .to_owned();
    Ok(DecoderConfig {
        name,
        names: TensorNames::Gguf,
        vocab_size,
        hidden_size,
        feed_forward_size: size(metadata, &key("feed_forward_length"))?,
        layers: size(metadata, &key("block_count"))?,
        heads,
        kv_heads,
        head_dim,
        context_length: size(metadata, &key("context_length"))?,
        norm_eps: metadata
            .get_f64(&key("attention.layer_norm_rms_epsilon"))?
            .unwrap_or(1e-5),
        rope_theta: metadata
            .get_f64(&key("rope.freq_base"))?
            .unwrap_or(10_000.0),
        rope_scaling,
        tied_embeddings: checkpoint.get("output.weight").is_none(),
        architecture,
    })
}

fn size(metadata: &Metadata, key: &str) -> Result<usize, ModelError> {
    optional_size(metadata, key)?
        .ok_or_else(|| ModelError::BadConfig(format!("the metadata has no `{key}`")))
}

fn optional_size(metadata: &Metadata, key: &str) -> Result<Option<usize>, ModelError> {
    metadata
        .get_u64(key)?
        .map(|value| {
            usize::try_from(value).map_err(|_| ModelError::BadConfig(format!("`{key}` is {value}")))
        })
        .transpose()
}

/// The fields of `config.json` that the Llama family uses.
#[derive(Debug, Deserialize)]
struct ConfigJson {
    model_type: Option<String>,
    #[serde(default)]
    architectures: Vec<String>,
    #[serde(rename = "_name_or_path")]
    name: Option<String>,
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    max_position_embeddings: usize,
    #[serde(default = "default_eps")]
    rms_norm_eps: f64,
    #[serde(default = "default_theta")]
    rope_theta: f64,
    rope_scaling: Option<RopeScalingJson>,
    #[serde(default)]
    tie_word_embeddings: bool,
    #[serde(default)]
    attention_bias: bool,
    #[serde(default)]
    mlp_bias: bool,
    hidden_act: Option<String>,
}

fn default_eps() -> f64 {
    1e-6
}

fn default_theta() -> f64 {
    10_000.0
}

#[derive(Debug, Deserialize)]
struct RopeScalingJson {
    #[serde(alias = "type")]
    rope_type: String,
    factor: Option<f64>,
    low_freq_factor: Option<f64>,
    high_freq_factor: Option<f64>,
    original_max_position_embeddings: Option<f64>,
}

fn from_config_json<S: ByteSource>(
    checkpoint: &Checkpoint<S>,
    json: &[u8],
) -> Result<DecoderConfig, ModelError> {
    // The family first: another family's file need not have the fields of this one.
    #[derive(Deserialize)]
    struct Family {
        model_type: Option<String>,
    }
    let unreadable =
        |error: serde_json::Error| ModelError::BadConfig(format!("config.json: {error}"));
    let family: Family = serde_json::from_slice(json).map_err(unreadable)?;
    let architecture = family.model_type.unwrap_or_default();
    if architecture != "llama" {
        return Err(unsupported(architecture));
    }
    let config: ConfigJson = serde_json::from_slice(json).map_err(unreadable)?;
    if config.attention_bias || config.mlp_bias {
        return Err(unsupported("llama with biases"));
    }
    if let Some(activation) = config.hidden_act.as_deref()
        && activation != "silu"
    {
        return Err(unsupported(format!("llama with activation {activation}")));
    }
    if config.num_attention_heads == 0 {
        return Err(ModelError::BadConfig("there are no attention heads".into()));
    }
    let name = config
        .name
        .filter(|name| !name.is_empty())
        .or_else(|| config.architectures.first().cloned())
        .or(config.model_type)
        .unwrap_or_else(|| architecture.clone());
    Ok(DecoderConfig {
        architecture,
        name,
        names: TensorNames::HuggingFace,
        vocab_size: config.vocab_size,
        hidden_size: config.hidden_size,
        feed_forward_size: config.intermediate_size,
        layers: config.num_hidden_layers,
        heads: config.num_attention_heads,
        kv_heads: config
            .num_key_value_heads
            .unwrap_or(config.num_attention_heads),
        head_dim: config
            .head_dim
            .unwrap_or(config.hidden_size / config.num_attention_heads),
        context_length: config.max_position_embeddings,
        norm_eps: config.rms_norm_eps,
        rope_theta: config.rope_theta,
        rope_scaling: config
            .rope_scaling
            .map_or(Ok(RopeScaling::None), RopeScalingJson::into_scaling)?,
        tied_embeddings: config.tie_word_embeddings || checkpoint.get("lm_head.weight").is_none(),
    })
}

impl RopeScalingJson {
    fn into_scaling(self) -> Result<RopeScaling, ModelError> {
        let need = |value: Option<f64>, field: &str| {
            value.ok_or_else(|| {
                ModelError::BadConfig(format!("config.json: rope_scaling has no `{field}`"))
            })
        };
        match self.rope_type.as_str() {
            "default" => Ok(RopeScaling::None),
            "linear" => Ok(RopeScaling::Linear {
                factor: need(self.factor, "factor")?,
            }),
            "llama3" => Ok(RopeScaling::Llama3 {
                factor: need(self.factor, "factor")?,
                low_freq_factor: need(self.low_freq_factor, "low_freq_factor")?,
                high_freq_factor: need(self.high_freq_factor, "high_freq_factor")?,
                original_context: need(
                    self.original_max_position_embeddings,
                    "original_max_position_embeddings",
                )?,
            }),
            other => Err(ModelError::BadConfig(format!(
                "rotary scaling `{other}` is not supported; supported are default, linear and llama3"
            ))),
        }
    }
}
