//! Requests to a model that works.

use lexigraft_decode::{GenerationOptions, SamplerOptions};

use crate::support::{CONFIG, TOKENIZER, check, load_llama};

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
