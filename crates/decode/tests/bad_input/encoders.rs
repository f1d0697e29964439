//! Encoders.

use std::ops::ControlFlow;

use lexigraft_checkpoint::{Checkpoint, MemorySource};
use lexigraft_decode::TextEncoder;
use lexigraft_models::{ComputeDevice, DeviceKind};

use crate::support::{CONFIG, TOKENIZER, check, safetensors_file, tensors};

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
