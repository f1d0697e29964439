//! The Llama family: Llama 1 to 3, SmolLM, TinyLlama and others with the same block.

use lexigraft_checkpoint::ByteSource;

use super::attention::Attention;
use super::block::{DecoderBlock, SwiGlu};
use super::config::{DecoderConfig, TensorNames};
use crate::loader::{LinearPart, WeightLoader};
use crate::{Embedding, Linear, ModelError, RmsNorm};

/// All weights of a decoder.
pub(super) struct DecoderParts {
    pub embedding: Embedding,
    pub blocks: Vec<DecoderBlock>,
    pub norm: RmsNorm,
    pub head: Option<Linear>,
    /// Divisors of the rotary frequencies, where the file holds them.
    pub rope_divisors: Option<Vec<f32>>,
}

/// What the two formats call the tensors of this family.
struct Names {
    embedding: &'static str,
    norm: &'static str,
    head: &'static str,
    /// Of models grafted here; others have none.
    head_bias: Option<&'static str>,
    rope_divisors: Option<&'static str>,
    block: &'static str,
    attention_norm: &'static str,
    query: &'static str,
    key: &'static str,
    value: &'static str,
    output: &'static str,
    feed_forward_norm: &'static str,
    gate: &'static str,
    up: &'static str,
    down: &'static str,
    /// GGUF keeps the rows of a rotary pair side by side.
    interleaved: bool,
}

const GGUF: Names = Names {
    embedding: "token_embd.weight",
    norm: "output_norm.weight",
    head: "output.weight",
    head_bias: None,
    rope_divisors: Some("rope_freqs.weight"),
    block: "blk",
    attention_norm: "attn_norm",
    query: "attn_q",
    key: "attn_k",
    value: "attn_v",
    output: "attn_output",
    feed_forward_norm: "ffn_norm",
    gate: "ffn_gate",
    up: "ffn_up",
    down: "ffn_down",
    interleaved: true,
};

const HUGGING_FACE: Names = Names {
    embedding: "model.embed_tokens.weight",
    norm: "model.norm.weight",
    head: "lm_head.weight",
    head_bias: Some("lm_head.bias"),
    rope_divisors: None,
    block: "model.layers",
    attention_norm: "input_layernorm",
    query: "self_attn.q_proj",
    key: "self_attn.k_proj",
    value: "self_attn.v_proj",
    output: "self_attn.o_proj",
    feed_forward_norm: "post_attention_layernorm",
    gate: "mlp.gate_proj",
    up: "mlp.up_proj",
    down: "mlp.down_proj",
    interleaved: false,
};

pub(super) async fn load<S: ByteSource>(
    loader: &mut WeightLoader<'_, S>,
    config: &DecoderConfig,
) -> Result<DecoderParts, ModelError> {
    let names = match config.names {
        TensorNames::Gguf => &GGUF,
        TensorNames::HuggingFace => &HUGGING_FACE,
    };
    let hidden = config.hidden_size;
    let embedding = loader
        .embedding(names.embedding, config.vocab_size, hidden)
        .await?;
    let rope_divisors = match names.rope_divisors {
        Some(name) if loader.has(name) => {
            Some(loader.host_vector(name, config.head_dim / 2).await?)
        }
        _ => None,
    };
    let mut blocks = Vec::with_capacity(config.layers);
    for layer in 0..config.layers {
        blocks.push(load_block(loader, names, config, layer).await?);
    }
    let norm = loader.rms_norm(names.norm, hidden, config.norm_eps).await?;
    let head = if loader.has(names.head) && !config.tied_embeddings {
        let bias = names.head_bias.filter(|name| loader.has(name));
        Some(
            loader
                .linear(names.head, bias, config.vocab_size, hidden)
                .await?,
        )
    } else {
        None
    };
    Ok(DecoderParts {
        embedding,
        blocks,
        norm,
        head,
        rope_divisors,
    })
}

async fn load_block<S: ByteSource>(
    loader: &mut WeightLoader<'_, S>,
    names: &Names,
    config: &DecoderConfig,
    layer: usize,
) -> Result<DecoderBlock, ModelError> {
    let weight = |part: &str| format!("{}.{layer}.{part}.weight", names.block);
    let hidden = config.hidden_size;
    let query_rows = config.heads * config.head_dim;
    let kv_rows = config.kv_heads * config.head_dim;
    let turned = names.interleaved.then_some(config.head_dim);
    let (query, key, value) = (weight(names.query), weight(names.key), weight(names.value));
    let part = |weight, rows, interleaved_head_dim| LinearPart {
        interleaved_head_dim,
        ..LinearPart::plain(weight, rows)
    };
    let parts = [
        part(&query, query_rows, turned),
        part(&key, kv_rows, turned),
        part(&value, kv_rows, None),
    ];
    let qkv = loader.fused_linear(&parts, hidden).await?;
    let output = loader
        .linear(&weight(names.output), None, hidden, query_rows)
        .await?;
    let (gate, up) = (weight(names.gate), weight(names.up));
    let parts = [&gate, &up].map(|name| LinearPart::plain(name, config.feed_forward_size));
    let gate_up = loader.fused_linear(&parts, hidden).await?;
    let down = loader
        .linear(&weight(names.down), None, hidden, config.feed_forward_size)
        .await?;
    Ok(DecoderBlock {
        attention_norm: loader
            .rms_norm(&weight(names.attention_norm), hidden, config.norm_eps)
            .await?,
        attention: Attention::new(qkv, output, config),
        feed_forward_norm: loader
            .rms_norm(&weight(names.feed_forward_norm), hidden, config.norm_eps)
            .await?,
        feed_forward: SwiGlu { gate_up, down },
    })
}
