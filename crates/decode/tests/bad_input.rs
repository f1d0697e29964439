//! Files, options and prompts that cannot work: each has its own code and a message that helps.

use std::ops::ControlFlow;

use lexigraft_checkpoint::{Checkpoint, MemorySource};
use lexigraft_decode::{
    DecodeError, GenerationOptions, LanguageModel, LoadOptions, SamplerOptions, TextEncoder,
};
use lexigraft_models::{ComputeDevice, DeviceKind};
use safetensors::tensor::{Dtype, TensorView};

const HIDDEN: usize = 8;
const VOCAB: usize = 6;

const CONFIG: &str = r#"{"model_type": "llama", "vocab_size": 6, "hidden_size": 8,
    "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
    "num_key_value_heads": 1, "max_position_embeddings": 8, "tie_word_embeddings": true}"#;

const TOKENIZER: &str = r#"{"version": "1.0", "added_tokens": [], "normalizer": null,
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false,
      "use_regex": true},
    "post_processor": null, "decoder": {"type": "ByteLevel"},
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "c": 2, "ab": 3}, "merges": ["a b"]}}"#;

/// Tensors of a one-layer Llama, all 0.1.
fn tensors() -> Vec<(String, Vec<usize>)> {
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

fn safetensors_file(tensors: &[(String, Vec<usize>)]) -> Vec<u8> {
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
enum Value {
    U32(u32),
    F32(f32),
    Str(&'static str),
}

/// A GGUF v3 file with a `[6, 8]` embedding of zeros.
fn gguf_file(pairs: &[(&str, Value)]) -> Vec<u8> {
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
fn llama_gguf(changes: Vec<(&'static str, Option<Value>)>) -> Vec<u8> {
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

fn load(file: Vec<u8>, options: LoadOptions<'_>) -> Result<LanguageModel, DecodeError> {
    pollster::block_on(async {
        let device = ComputeDevice::open(DeviceKind::Cpu).await?;
        let checkpoint = Checkpoint::open(MemorySource::new(file)).await?;
        LanguageModel::load(&checkpoint, options, &device, &mut |_, _| {
            ControlFlow::Continue(())
        })
        .await
    })
}

fn load_llama(config: &str, tokenizer: Option<&str>) -> Result<LanguageModel, DecodeError> {
    load(
        safetensors_file(&tensors()),
        LoadOptions {
            config_json: Some(config.as_bytes()),
            tokenizer_json: tokenizer.map(str::as_bytes),
            ..LoadOptions::default()
        },
    )
}

fn with_tensors(change: impl FnOnce(&mut Vec<(String, Vec<usize>)>)) -> DecodeError {
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

fn gguf_error(changes: Vec<(&'static str, Option<Value>)>) -> DecodeError {
    load(llama_gguf(changes), LoadOptions::default()).expect_err("is refused")
}

fn config_error(from: &str, to: &str) -> DecodeError {
    assert!(CONFIG.contains(from), "{from}");
    load_llama(&CONFIG.replace(from, to), Some(TOKENIZER)).expect_err("is refused")
}

fn check(table: Vec<(&str, DecodeError, &str, &str)>) {
    for (what, error, code, fragment) in table {
        assert_eq!(error.code(), code, "{what}: {error}");
        let message = error.to_string();
        assert!(message.contains(fragment), "{what}: {message}");
    }
}

#[test]
fn the_small_model_itself_loads_and_runs() {
    let model = load_llama(CONFIG, Some(TOKENIZER)).expect("loads");
    let logits = pollster::block_on(model.logits(&[0, 1])).expect("runs");
    assert_eq!(logits.len(), VOCAB);
    assert!(logits.iter().all(|logit| logit.is_finite()));
}

#[test]
fn models_that_cannot_work() {
    use Value::{F32, Str, U32};
    check(vec![
        (
            "GGUF of another family",
            gguf_error(vec![("general.architecture", Some(Str("mamba")))]),
            "unsupported-architecture",
            "mamba",
        ),
        (
            "GGUF without a family",
            gguf_error(vec![("general.architecture", None)]),
            "bad-config",
            "general.architecture",
        ),
        (
            "GGUF with experts",
            gguf_error(vec![("llama.expert_count", Some(U32(8)))]),
            "unsupported-architecture",
            "8 experts",
        ),
        (
            "GGUF without layers",
            gguf_error(vec![("llama.block_count", Some(U32(0)))]),
            "bad-config",
            "number of layers",
        ),
        (
            "GGUF with absurdly many layers",
            gguf_error(vec![("llama.block_count", Some(U32(u32::MAX)))]),
            "bad-config",
            "number of layers",
        ),
        (
            "GGUF without heads",
            gguf_error(vec![("llama.attention.head_count", Some(U32(0)))]),
            "bad-config",
            "heads",
        ),
        (
            "GGUF with text for a number",
            gguf_error(vec![("llama.block_count", Some(Str("one")))]),
            "bad-checkpoint",
            "llama.block_count",
        ),
        (
            "GGUF without a size",
            gguf_error(vec![("llama.feed_forward_length", None)]),
            "bad-config",
            "llama.feed_forward_length",
        ),
        (
            "GGUF with rotary positions on half a head",
            gguf_error(vec![("llama.rope.dimension_count", Some(U32(2)))]),
            "bad-config",
            "2 of 4",
        ),
        (
            "GGUF with an unknown rotary scaling",
            gguf_error(vec![("llama.rope.scaling.type", Some(Str("yarn")))]),
            "bad-config",
            "yarn",
        ),
        (
            "GGUF with a rotary base that is no number",
            gguf_error(vec![("llama.rope.freq_base", Some(F32(f32::NAN)))]),
            "bad-config",
            "rotary base",
        ),
        (
            "GGUF without a tokenizer",
            gguf_error(vec![]),
            "tokenizer-missing",
            "tokenizer.json",
        ),
        (
            "GGUF with an unknown tokenizer",
            gguf_error(vec![("tokenizer.ggml.model", Some(Str("rwkv")))]),
            "bad-tokenizer",
            "rwkv",
        ),
        (
            "GGUF whose weights are missing",
            load(
                llama_gguf(vec![]),
                LoadOptions {
                    tokenizer_json: Some(TOKENIZER.as_bytes()),
                    ..LoadOptions::default()
                },
            )
            .expect_err("is refused"),
            "missing-tensor",
            "blk.0",
        ),
        (
            "safetensors without a configuration",
            load(safetensors_file(&tensors()), LoadOptions::default()).expect_err("is refused"),
            "bad-config",
            "config.json",
        ),
        (
            "safetensors without a tokenizer",
            load_llama(CONFIG, None).expect_err("is refused"),
            "tokenizer-missing",
            "tokenizer.json",
        ),
        (
            "a configuration that is no JSON",
            load_llama("{", Some(TOKENIZER)).expect_err("is refused"),
            "bad-config",
            "config.json",
        ),
        (
            "a configuration of another family",
            config_error("\"llama\"", "\"gpt_neox\""),
            "unsupported-architecture",
            "gpt_neox",
        ),
        (
            "another activation",
            config_error("\"model_type\"", "\"hidden_act\": \"relu\", \"model_type\""),
            "unsupported-architecture",
            "relu",
        ),
        (
            "heads that do not share",
            config_error("\"num_key_value_heads\": 1", "\"num_key_value_heads\": 3"),
            "bad-config",
            "cannot share",
        ),
        (
            "an odd head",
            config_error("\"model_type\"", "\"head_dim\": 5, \"model_type\""),
            "bad-config",
            "odd",
        ),
        (
            "a negative size",
            config_error("\"hidden_size\": 8", "\"hidden_size\": -8"),
            "bad-config",
            "config.json",
        ),
        (
            "an absurd context",
            config_error(
                "\"max_position_embeddings\": 8",
                "\"max_position_embeddings\": 99999999999",
            ),
            "bad-config",
            "context length",
        ),
        (
            "llama3 scaling without its factors",
            config_error(
                "\"model_type\"",
                "\"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 8}, \"model_type\"",
            ),
            "bad-config",
            "low_freq_factor",
        ),
        (
            "a tokenizer larger than the embedding",
            load_llama(
                CONFIG,
                Some(&TOKENIZER.replace(
                    "\"ab\": 3",
                    "\"ab\": 3, \"d\": 4, \"e\": 5, \"f\": 6, \"g\": 7",
                )),
            )
            .expect_err("is refused"),
            "tokenizer-mismatch",
            "8 tokens",
        ),
        (
            "a tokenizer that is none",
            load_llama(CONFIG, Some("[]")).expect_err("is refused"),
            "bad-tokenizer",
            "tokenizer",
        ),
        (
            "a tensor that is missing",
            with_tensors(|tensors| tensors.retain(|(name, _)| !name.contains("up_proj"))),
            "missing-tensor",
            "up_proj",
        ),
        (
            "a tensor of another shape",
            with_tensors(|tensors| tensors[2].1 = vec![HIDDEN, 7]),
            "bad-checkpoint",
            "[8, 7]",
        ),
        (
            "an embedding of another size",
            with_tensors(|tensors| tensors[0].1 = vec![VOCAB + 1, HIDDEN]),
            "bad-checkpoint",
            "embed_tokens",
        ),
        (
            "a context longer than trained",
            load(
                safetensors_file(&tensors()),
                LoadOptions {
                    config_json: Some(CONFIG.as_bytes()),
                    tokenizer_json: Some(TOKENIZER.as_bytes()),
                    context_length: Some(9),
                    ..LoadOptions::default()
                },
            )
            .expect_err("is refused"),
            "invalid-argument",
            "context length",
        ),
        (
            "no context",
            load(
                safetensors_file(&tensors()),
                LoadOptions {
                    config_json: Some(CONFIG.as_bytes()),
                    tokenizer_json: Some(TOKENIZER.as_bytes()),
                    context_length: Some(0),
                    ..LoadOptions::default()
                },
            )
            .expect_err("is refused"),
            "invalid-argument",
            "context length",
        ),
    ]);
}

#[test]
fn a_load_can_be_aborted_between_any_two_tensors() {
    pollster::block_on(async {
        let device = ComputeDevice::open(DeviceKind::Cpu).await.expect("opens");
        for allowed in 0..tensors().len() {
            let file = safetensors_file(&tensors());
            let checkpoint = Checkpoint::open(MemorySource::new(file))
                .await
                .expect("opens");
            let mut calls = 0;
            let error = LanguageModel::load(
                &checkpoint,
                LoadOptions {
                    config_json: Some(CONFIG.as_bytes()),
                    tokenizer_json: Some(TOKENIZER.as_bytes()),
                    ..LoadOptions::default()
                },
                &device,
                &mut |_, _| {
                    calls += 1;
                    if calls > allowed {
                        ControlFlow::Break(())
                    } else {
                        ControlFlow::Continue(())
                    }
                },
            )
            .await
            .expect_err("is aborted");
            assert_eq!(error.code(), "aborted");
            assert_eq!(calls, allowed + 1);
        }
    });
}

#[test]
fn requests_that_cannot_work() {
    let model = load_llama(CONFIG, Some(TOKENIZER)).expect("loads");
    let generate = |prompt: &str, options: GenerationOptions| {
        model.generate(prompt, options).expect_err("is refused")
    };
    let sampler = |sampler: SamplerOptions| {
        generate(
            "ab",
            GenerationOptions {
                sampler,
                ..GenerationOptions::default()
            },
        )
    };
    let usual = SamplerOptions::default;
    check(vec![
        (
            "an empty prompt",
            generate("", GenerationOptions::default()),
            "invalid-argument",
            "empty",
        ),
        (
            "a prompt as long as the context",
            generate(&"c".repeat(8), GenerationOptions::default()),
            "prompt-too-long",
            "8 tokens",
        ),
        (
            "no tokens asked for",
            generate(
                "ab",
                GenerationOptions {
                    max_tokens: 0,
                    ..GenerationOptions::default()
                },
            ),
            "invalid-argument",
            "at least 1",
        ),
        (
            "a negative temperature",
            sampler(SamplerOptions {
                temperature: -0.5,
                ..usual()
            }),
            "invalid-argument",
            "temperature",
        ),
        (
            "a top-p above one",
            sampler(SamplerOptions {
                top_p: 1.01,
                ..usual()
            }),
            "invalid-argument",
            "top-p",
        ),
        (
            "a repetition penalty of zero",
            sampler(SamplerOptions {
                repetition_penalty: 0.0,
                ..usual()
            }),
            "invalid-argument",
            "repetition penalty",
        ),
        (
            "a chat without a template",
            model
                .apply_chat_template(&[], true)
                .expect_err("is refused"),
            "bad-template",
            "chat template",
        ),
        (
            "a text of one token",
            model.score("a").expect_err("is refused"),
            "invalid-argument",
            "two tokens",
        ),
        (
            "logits after nothing",
            pollster::block_on(model.logits(&[])).expect_err("is refused"),
            "invalid-argument",
            "at least one token",
        ),
        (
            "logits after an unknown id",
            pollster::block_on(model.logits(&[99])).expect_err("is refused"),
            "invalid-argument",
            "99",
        ),
        (
            "logits after too many ids",
            pollster::block_on(model.logits(&[0; 9])).expect_err("is refused"),
            "prompt-too-long",
            "9 tokens",
        ),
    ]);
    // The model is as usable as before.
    let mut generation = model
        .generate("ab", GenerationOptions::default())
        .expect("starts");
    assert!(pollster::block_on(generation.next()).is_ok());
}

#[test]
fn encoders_that_cannot_work() {
    let file = safetensors_file(&tensors());
    let config = r#"{"model_type": "bert", "vocab_size": 6, "hidden_size": 8,
        "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
        "max_position_embeddings": 8}"#;
    let error = |config: &str, tokenizer: &str| {
        pollster::block_on(async {
            let device = ComputeDevice::open(DeviceKind::Cpu).await?;
            let checkpoint = Checkpoint::open(MemorySource::new(file.clone())).await?;
            TextEncoder::load(
                &checkpoint,
                config.as_bytes(),
                tokenizer.as_bytes(),
                &device,
                &mut |_, _| ControlFlow::Continue(()),
            )
            .await
        })
        .expect_err("is refused")
    };
    check(vec![
        (
            "a decoder's configuration",
            error(CONFIG, TOKENIZER),
            "unsupported-architecture",
            "llama",
        ),
        (
            "no configuration",
            error("", TOKENIZER),
            "bad-config",
            "config.json",
        ),
        (
            "another activation",
            error(
                &config.replace("\"model_type\"", "\"hidden_act\": \"relu\", \"model_type\""),
                TOKENIZER,
            ),
            "unsupported-architecture",
            "relu",
        ),
        (
            "heads that do not divide",
            error(
                &config.replace("\"num_attention_heads\": 2", "\"num_attention_heads\": 3"),
                TOKENIZER,
            ),
            "bad-config",
            "multiple",
        ),
        (
            "an absurd size",
            error(
                &config.replace("\"hidden_size\": 8", "\"hidden_size\": 99999999"),
                TOKENIZER,
            ),
            "bad-config",
            "hidden_size",
        ),
        (
            "no tokenizer",
            error(config, "{}"),
            "bad-tokenizer",
            "tokenizer",
        ),
        (
            "weights of another model",
            error(config, TOKENIZER),
            "missing-tensor",
            "word_embeddings",
        ),
    ]);
}
