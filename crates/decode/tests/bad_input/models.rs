//! Language models.

use std::ops::ControlFlow;

use lexigraft_checkpoint::{Checkpoint, MemorySource};
use lexigraft_decode::{LanguageModel, LoadOptions};
use lexigraft_models::{ComputeDevice, DeviceKind};

use crate::support::{
    CONFIG, HIDDEN, TOKENIZER, VOCAB, Value, check, config_error, gguf_error, llama_gguf, load,
    load_llama, safetensors_file, tensors, with_tensors,
};

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
