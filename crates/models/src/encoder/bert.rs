//! The BERT family (arXiv 1810.04805) with mean pooling and L2 normalisation, as
//! sentence-transformers models use it (arXiv 1908.10084).

use std::collections::BTreeMap;

use burn::tensor::Tensor;
use lexigraft_checkpoint::{ByteSource, Checkpoint};
use lexigraft_kernels::ops;
use serde::Deserialize;

use crate::device::read_f32;
use crate::loader::{DenseBytes, KernelFamily, LinearPart, WeightLoader};
use crate::{ComputeDevice, Embedding, LayerNorm, Linear, LoadProgress, ModelError};

/// Most tokens of texts that run together: the widest values of 512 are 3 MB in MiniLM.
const TOGETHER: usize = 512;

/// Sizes of a BERT encoder, as in its `config.json`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct EncoderConfig {
    pub model_type: String,
    pub vocab_size: usize,
    pub hidden_size: usize,
    pub intermediate_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    /// Most tokens of a text, special tokens included.
    pub max_position_embeddings: usize,
    #[serde(default = "default_type_vocab")]
    pub type_vocab_size: usize,
    #[serde(default = "default_eps")]
    pub layer_norm_eps: f64,
    #[serde(default = "default_activation")]
    pub hidden_act: String,
}

fn default_type_vocab() -> usize {
    2
}

fn default_eps() -> f64 {
    1e-12
}

fn default_activation() -> String {
    "gelu".to_owned()
}

impl EncoderConfig {
    /// Parses and checks a `config.json`.
    ///
    /// # Errors
    /// `unsupported-architecture` for another family or activation, `bad-config` otherwise.
    pub fn from_json(json: &[u8]) -> Result<Self, ModelError> {
        #[derive(Deserialize)]
        struct Family {
            model_type: Option<String>,
        }
        let unreadable =
            |error: serde_json::Error| ModelError::BadConfig(format!("config.json: {error}"));
        let family: Family = serde_json::from_slice(json).map_err(unreadable)?;
        let family = family.model_type.unwrap_or_default();
        let unsupported = |found: String| ModelError::UnsupportedArchitecture {
            found,
            supported: "bert",
        };
        if family != "bert" {
            return Err(unsupported(family));
        }
        let config: Self = serde_json::from_slice(json).map_err(unreadable)?;
        if config.hidden_act != "gelu" {
            return Err(unsupported(format!(
                "bert with activation {}",
                config.hidden_act
            )));
        }
        let sizes = [
            ("vocab_size", config.vocab_size, 1 << 24),
            ("hidden_size", config.hidden_size, 1 << 16),
            ("intermediate_size", config.intermediate_size, 1 << 18),
            ("num_hidden_layers", config.num_hidden_layers, 1 << 10),
            ("num_attention_heads", config.num_attention_heads, 1 << 10),
            (
                "max_position_embeddings",
                config.max_position_embeddings,
                1 << 20,
            ),
            ("type_vocab_size", config.type_vocab_size, 1 << 10),
        ];
        for (what, value, limit) in sizes {
            if value == 0 || value > limit {
                return Err(ModelError::BadConfig(format!(
                    "config.json: {what} is {value}, outside 1..={limit}"
                )));
            }
        }
        if !config
            .hidden_size
            .is_multiple_of(config.num_attention_heads)
        {
            return Err(ModelError::BadConfig(format!(
                "config.json: hidden_size {} is no multiple of {} heads",
                config.hidden_size, config.num_attention_heads
            )));
        }
        Ok(config)
    }

    /// Bytes of the weights in f32, the largest tensor and all, saturating.
    fn dense_bytes(&self) -> DenseBytes {
        let (hidden, wide) = (self.hidden_size as u64, self.intermediate_size as u64);
        let table = 4 * hidden * self.vocab_size as u64;
        let positions = 4 * hidden * self.max_position_embeddings as u64;
        let layer = 4 * (4 * hidden * hidden + 2 * hidden * wide);
        let total = layer
            .saturating_mul(self.num_hidden_layers as u64)
            .saturating_add(table)
            .saturating_add(positions);
        DenseBytes {
            largest: table.max(4 * hidden * wide.max(3 * hidden)),
            total,
        }
    }
}

/// A BERT encoder on one device.
#[derive(Debug)]
pub struct Encoder {
    config: EncoderConfig,
    words: Embedding,
    /// Position rows with the row of token type 0 added, `[max_position_embeddings, hidden]`.
    positions: Tensor<2>,
    embedding_norm: LayerNorm,
    blocks: Vec<EncoderBlock>,
    resident_bytes: u64,
}

#[derive(Debug)]
struct EncoderBlock {
    qkv: Linear,
    output: Linear,
    attention_norm: LayerNorm,
    up: Linear,
    down: Linear,
    feed_forward_norm: LayerNorm,
}

impl Encoder {
    /// Loads all weights; tensor names with and without the `bert.` prefix are known.
    ///
    /// # Errors
    /// As [`Decoder::load`](crate::decoder::Decoder::load).
    pub async fn load<S: ByteSource>(
        checkpoint: &Checkpoint<S>,
        config: EncoderConfig,
        device: &ComputeDevice,
        progress: LoadProgress<'_>,
    ) -> Result<Self, ModelError> {
        let mut loader = WeightLoader::new(checkpoint, device, progress);
        loader.check_budget(config.dense_bytes())?;
        loader.check_heads(config.hidden_size / config.num_attention_heads)?;
        loader.check_kernels(KernelFamily::Encoder).await?;
        let prefix = if loader.has("bert.embeddings.word_embeddings.weight") {
            "bert."
        } else {
            ""
        };
        let name = |rest: &str| format!("{prefix}embeddings.{rest}");
        let (hidden, eps) = (config.hidden_size, config.layer_norm_eps);
        let words = loader
            .embedding(&name("word_embeddings.weight"), config.vocab_size, hidden)
            .await?;
        let count = config.max_position_embeddings;
        let mut positions = loader
            .host_matrix(&name("position_embeddings.weight"), count, hidden)
            .await?;
        let types = loader
            .host_matrix(
                &name("token_type_embeddings.weight"),
                config.type_vocab_size,
                hidden,
            )
            .await?;
        for row in positions.chunks_exact_mut(hidden) {
            for (position, first) in row.iter_mut().zip(&types) {
                *position += first;
            }
        }
        let embedding_norm = loader.layer_norm(&name("LayerNorm"), hidden, eps).await?;
        let mut blocks = Vec::with_capacity(config.num_hidden_layers);
        for layer in 0..config.num_hidden_layers {
            let prefix = format!("{prefix}encoder.layer.{layer}");
            blocks.push(EncoderBlock::load(&mut loader, &config, &prefix).await?);
        }
        let resident_bytes = words.resident_bytes()
            + (config.max_position_embeddings * hidden) as u64 * 4
            + blocks.iter().map(EncoderBlock::resident_bytes).sum::<u64>();
        Ok(Self {
            positions: ops::from_host(positions, [count, hidden], device.burn()),
            config,
            words,
            embedding_norm,
            blocks,
            resident_bytes,
        })
    }

    pub fn config(&self) -> &EncoderConfig {
        &self.config
    }

    pub fn resident_bytes(&self) -> u64 {
        self.resident_bytes
    }

    /// Number of weights.
    pub fn parameters(&self) -> u64 {
        self.config.dense_bytes().total / 4
    }

    /// Last hidden states of texts of `tokens` ids each, special tokens included: `[texts * tokens]
    /// -> [texts * tokens, hidden]`. Nothing of one text reaches another.
    ///
    /// # Errors
    /// `invalid-argument` for no ids, too many a text or no whole texts, or one outside the
    /// vocabulary.
    pub fn forward(&self, ids: &[u32], tokens: usize) -> Result<Tensor<2>, ModelError> {
        let most = self.config.max_position_embeddings;
        let whole = !ids.is_empty() && tokens > 0 && ids.len().is_multiple_of(tokens);
        if !whole || tokens > most {
            return Err(ModelError::InvalidArgument(format!(
                "{} ids in texts of {tokens} tokens, outside 1..={most}",
                ids.len()
            )));
        }
        if let Some(id) = ids
            .iter()
            .find(|&&id| id as usize >= self.config.vocab_size)
        {
            return Err(ModelError::InvalidArgument(format!(
                "token id {id} is outside the vocabulary of {}",
                self.config.vocab_size
            )));
        }
        let x = ops::add_rows(self.words.forward(ids), &self.positions, tokens);
        let mut x = self.embedding_norm.forward(x);
        for block in &self.blocks {
            x = block.forward(x, tokens, self.config.num_attention_heads);
        }
        Ok(x)
    }

    /// The embedding of each text, mean over all its tokens and of length one: `[texts][hidden]`.
    ///
    /// Texts of as many tokens run together, so that one pass over the weights serves them all.
    ///
    /// # Errors
    /// As [`forward`](Self::forward), for any of them; `device-lost`.
    pub async fn embed(&self, texts: &[Vec<u32>]) -> Result<Vec<Vec<f32>>, ModelError> {
        let mut lengths: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (place, ids) in texts.iter().enumerate() {
            lengths.entry(ids.len()).or_default().push(place);
        }
        let mut vectors = vec![Vec::new(); texts.len()];
        for (tokens, places) in lengths {
            for places in places.chunks((TOGETHER / tokens.max(1)).max(1)) {
                let ids = places.iter().filter_map(|place| texts.get(*place));
                let ids: Vec<u32> = ids.flatten().copied().collect();
                let pooled = ops::mean_rows(self.forward(&ids, tokens)?, tokens);
                let pooled = read_f32(pooled).await?;
                let pooled = pooled.chunks_exact(self.config.hidden_size);
                for (place, vector) in places.iter().zip(pooled) {
                    if let Some(slot) = vectors.get_mut(*place) {
                        *slot = unit(vector);
                    }
                }
            }
        }
        Ok(vectors)
    }
}

/// As torch's normalize: a zero vector stays zero.
fn unit(vector: &[f32]) -> Vec<f32> {
    let square: f64 = vector.iter().map(|v| f64::from(*v).powi(2)).sum();
    let scale = (1.0 / square.sqrt().max(1e-12)) as f32;
    vector.iter().map(|v| v * scale).collect()
}

impl EncoderBlock {
    async fn load<S: ByteSource>(
        loader: &mut WeightLoader<'_, S>,
        config: &EncoderConfig,
        prefix: &str,
    ) -> Result<Self, ModelError> {
        let (hidden, wide) = (config.hidden_size, config.intermediate_size);
        let eps = config.layer_norm_eps;
        let attention = |part: &str, kind: &str| format!("{prefix}.attention.self.{part}.{kind}");
        let names: Vec<[String; 2]> = ["query", "key", "value"]
            .iter()
            .map(|part| [attention(part, "weight"), attention(part, "bias")])
            .collect();
        let parts: Vec<LinearPart<'_>> = names
            .iter()
            .map(|[weight, bias]| LinearPart {
                weight,
                bias: Some(bias),
                rows: hidden,
                interleaved_head_dim: None,
            })
            .collect();
        let qkv = loader.fused_linear(&parts, hidden).await?;
        let mut linear = async |part: &str, rows: usize, columns: usize| {
            let weight = format!("{prefix}.{part}.weight");
            let bias = format!("{prefix}.{part}.bias");
            loader.linear(&weight, Some(&bias), rows, columns).await
        };
        let output = linear("attention.output.dense", hidden, hidden).await?;
        let up = linear("intermediate.dense", wide, hidden).await?;
        let down = linear("output.dense", hidden, wide).await?;
        Ok(Self {
            qkv,
            output,
            attention_norm: loader
                .layer_norm(&format!("{prefix}.attention.output.LayerNorm"), hidden, eps)
                .await?,
            up,
            down,
            feed_forward_norm: loader
                .layer_norm(&format!("{prefix}.output.LayerNorm"), hidden, eps)
                .await?,
        })
    }

    /// `[texts * tokens, hidden]` in and out: every token sees every other of its text.
    fn forward(&self, x: Tensor<2>, tokens: usize, heads: usize) -> Tensor<2> {
        let mixed = ops::full_attention(self.qkv.forward(x.clone()), tokens, heads);
        let x = self
            .attention_norm
            .forward(self.output.forward_add(mixed, x));
        let wide = self.up.forward_gelu(x.clone());
        self.feed_forward_norm
            .forward(self.down.forward_add(wide, x))
    }

    fn resident_bytes(&self) -> u64 {
        self.qkv.resident_bytes()
            + self.output.resident_bytes()
            + self.up.resident_bytes()
            + self.down.resident_bytes()
    }
}
