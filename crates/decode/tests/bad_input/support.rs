//! A small model in both formats, and ways to spoil it.

use std::ops::ControlFlow;

use lexigraft_checkpoint::{Checkpoint, MemorySource};
use lexigraft_decode::{DecodeError, LanguageModel, LoadOptions};
use lexigraft_models::{ComputeDevice, DeviceKind};
use safetensors::tensor::{Dtype, TensorView};

pub const HIDDEN: usize = 8;
pub const VOCAB: usize = 6;

pub const CONFIG: &str = r#"{"model_type": "llama", "vocab_size": 6, "hidden_size": 8,
    "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
    "num_key_value_heads": 1, "max_position_embeddings": 8, "tie_word_embeddings": true}"#;

pub const TOKENIZER: &str = r#"{"version": "1.0", "added_tokens": [], "normalizer": null,
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false,
      "use_regex": true},
    "post_processor": null, "decoder": {"type": "ByteLevel"},
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "c": 2, "ab": 3}, "merges": ["a b"]}}"#;

/// Tensors of a one-layer Llama, all 0.1.
pub fn tensors() -> Vec<(String, Vec<usize>)> {
    let layer = |part: &str| format!("model.layers.0.{part}.weight");
    vec![
        ("model.embed_tokens.weight".into(), vec![VOCAB, HIDDEN]),
        (layer("input_layernorm"), vec![HIDDEN]),
        (layer("self_attn.q_proj"), vec![8, HIDDEN]),
        (layer("self_attn.k_proj"), vec![4, HIDDEN]),
        (layer("self_attn.v_proj"), vec![4, HIDDEN]),
        (layer("self_attn.o_proj"), vec![HIDDEN, 8]),
        (layer("post_attention_layernorm"), vec![HIDDEN]),
        (layer("mlp.gate_proj"), vec![8, HIDDEN]),
        (layer("mlp.up_proj"), vec![8, HIDDEN]),
        (layer("mlp.down_proj"), vec![HIDDEN, 8]),
        ("model.norm.weight".into(), vec![HIDDEN]),
    ]
}

pub fn safetensors_file(tensors: &[(String, Vec<usize>)]) -> Vec<u8> {
    let bytes: Vec<Vec<u8>> = tensors
        .iter()
        .map(|(_, shape)| 0.1f32.to_le_bytes().repeat(shape.iter().product()))
        .collect();
    let views = tensors.iter().zip(&bytes).map(|((name, shape), bytes)| {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes).expect("a view");
        (name.clone(), view)
    });
    safetensors::serialize(views, None).expect("serialises")
}

/// A GGUF value: what the table below needs.
pub enum Value {
    U32(u32),
    F32(f32),
    Str(&'static str),
}

/// A GGUF v3 file with a `[6, 8]` embedding of zeros.
pub fn gguf_file(pairs: &[(&str, Value)]) -> Vec<u8> {
    let text = |bytes: &mut Vec<u8>, text: &str| {
        bytes.extend((text.len() as u64).to_le_bytes());
        bytes.extend(text.as_bytes());
    };
    let mut bytes = b"GGUF".to_vec();
    bytes.extend(3u32.to_le_bytes());
    bytes.extend(1u64.to_le_bytes());
    bytes.extend((pairs.len() as u64).to_le_bytes());
    for (key, value) in pairs {
        text(&mut bytes, key);
        match value {
            Value::U32(value) => {
                bytes.extend(4u32.to_le_bytes());
                bytes.extend(value.to_le_bytes());
            }
            Value::F32(value) => {
                bytes.extend(6u32.to_le_bytes());
                bytes.extend(value.to_le_bytes());
            }
            Value::Str(value) => {
                bytes.extend(8u32.to_le_bytes());
                text(&mut bytes, value);
            }
        }
    }
    text(&mut bytes, "token_embd.weight");
    bytes.extend(2u32.to_le_bytes());
    bytes.extend((HIDDEN as u64).to_le_bytes());
    bytes.extend((VOCAB as u64).to_le_bytes());
    bytes.extend(0u32.to_le_bytes());
    bytes.extend(0u64.to_le_bytes());
    bytes.resize(bytes.len().next_multiple_of(32), 0);
    bytes.resize(bytes.len() + HIDDEN * VOCAB * 4, 0);
    bytes
}

/// Metadata of a whole Llama, with some of it replaced or (`None`) left out.
pub fn llama_gguf(changes: Vec<(&'static str, Option<Value>)>) -> Vec<u8> {
    let mut pairs = vec![
        ("general.architecture", Value::Str("llama")),
        ("llama.embedding_length", Value::U32(8)),
        ("llama.feed_forward_length", Value::U32(8)),
        ("llama.block_count", Value::U32(1)),
        ("llama.attention.head_count", Value::U32(2)),
        ("llama.attention.head_count_kv", Value::U32(1)),
        ("llama.context_length", Value::U32(8)),
        ("llama.attention.layer_norm_rms_epsilon", Value::F32(1e-5)),
    ];
    for (key, value) in changes {
        pairs.retain(|(known, _)| *known != key);
        pairs.extend(value.map(|value| (key, value)));
    }
    gguf_file(&pairs)
}

pub fn load(file: Vec<u8>, options: LoadOptions<'_>) -> Result<LanguageModel, DecodeError> {
    pollster::block_on(async {
        let device = ComputeDevice::open(DeviceKind::Cpu).await?;
        let checkpoint = Checkpoint::open(MemorySource::new(file)).await?;
        LanguageModel::load(&checkpoint, options, &device, &mut |_, _| {
            ControlFlow::Continue(())
        })
        .await
    })
}

pub fn load_llama(config: &str, tokenizer: Option<&str>) -> Result<LanguageModel, DecodeError> {
    load(
        safetensors_file(&tensors()),
        LoadOptions {
            config_json: Some(config.as_bytes()),
            tokenizer_json: tokenizer.map(str::as_bytes),
            ..LoadOptions::default()
        },
    )
}

pub fn with_tensors(change: impl FnOnce(&mut Vec<(String, Vec<usize>)>)) -> DecodeError {
    let mut tensors = tensors();
    change(&mut tensors);
    load(
        safetensors_file(&tensors),
        LoadOptions {
            config_json: Some(CONFIG.as_bytes()),
            tokenizer_json: Some(TOKENIZER.as_bytes()),
            ..LoadOptions::default()
        },
    )
    .expect_err("is refused")
}

pub fn gguf_error(changes: Vec<(&'static str, Option<Value>)>) -> DecodeError {
    load(llama_gguf(changes), LoadOptions::default()).expect_err("is refused")
}

pub fn config_error(from: &str, to: &str) -> DecodeError {
    assert!(CONFIG.contains(from), "{from}");
    load_llama(&CONFIG.replace(from, to), Some(TOKENIZER)).expect_err("is refused")
}

pub fn check(table: Vec<(&str, DecodeError, &str, &str)>) {
    for (what, error, code, fragment) in table {
        assert_eq!(error.code(), code, "{what}: {error}");
        let message = error.to_string();
        assert!(message.contains(fragment), "{what}: {message}");
    }
}
