//! How a generation behaves, with the real model on the CPU.

mod common;

use common::{greedy, run, smollm2};
use lexigraft_decode::{EndReason, GenerationOptions, LanguageModel, SamplerOptions, Step};
use lexigraft_models::{ComputeDevice, DeviceKind};
use lexigraft_text::ChatMessage;
use std::sync::OnceLock;

fn model() -> &'static LanguageModel {
    static MODEL: OnceLock<LanguageModel> = OnceLock::new();
    MODEL.get_or_init(|| {
        pollster::block_on(async {
            let device = ComputeDevice::open(DeviceKind::Cpu).await.expect("opens");
            smollm2(&device).await
        })
    })
}

#[test]
fn a_chat_is_the_reference_prompt_and_its_next_turn_reuses_the_cache() {
    let reference: common::DecoderReference = common::reference("smollm2-135m-instruct-q4_1.json");
    let model = {
        // A model of its own: other tests must not take its cache in between.
        let device = pollster::block_on(ComputeDevice::open(DeviceKind::Cpu)).expect("opens");
        pollster::block_on(smollm2(&device))
    };
    let mut messages = vec![ChatMessage::new("user", "What is gravity?")];
    let prompt = model.apply_chat_template(&messages, true).expect("renders");
    assert_eq!(prompt, reference.prompts[4].prompt);
    let options = GenerationOptions {
        add_special: false,
        ..greedy(24)
    };
    pollster::block_on(async {
        let (answer, first) = run(model.generate(&prompt, options.clone()).unwrap()).await;
        assert_eq!(first.reused_tokens, 0);
        messages.push(ChatMessage::new("assistant", answer.as_str()));
        messages.push(ChatMessage::new("user", "Who found it?"));
        let prompt = model.apply_chat_template(&messages, true).unwrap();
        let (text, second) = run(model.generate(&prompt, options.clone()).unwrap()).await;
        assert!(second.reused_tokens >= first.prompt_ids.len());

        // The same turn without a cache to reuse says the same.
        let other = model.generate("Something else", greedy(1)).unwrap();
        drop(run(other).await);
        let (fresh, third) = run(model.generate(&prompt, options).unwrap()).await;
        assert_eq!(third.reused_tokens, 0);
        assert_eq!((fresh, third.ids), (text, second.ids));
    });
}

#[test]
fn a_cache_that_grows_keeps_its_tokens() {
    pollster::block_on(async {
        let model = model().clone();
        let prompt = "Once upon a time, there was a little robot who";
        let (whole, _) = run(model.generate(prompt, greedy(20)).unwrap()).await;
        let (_, small) = run(model.generate(prompt, greedy(2)).unwrap()).await;
        // 2,000 tokens do not fit a cache made for two; only 20 of them are taken.
        let mut generation = model.generate(prompt, greedy(2000)).unwrap();
        let mut text = String::new();
        for _ in 0..21 {
            if let Step::Piece { text: piece, .. } = generation.next().await.unwrap() {
                text.push_str(&piece);
            }
        }
        assert_eq!(text, whole);
        assert_eq!(small.reason, EndReason::MaxTokens);
    });
}

#[test]
fn stop_strings_end_the_text_before_them() {
    pollster::block_on(async {
        let options = GenerationOptions {
            stop: vec!["\n".to_owned()],
            ..greedy(48)
        };
        let (text, result) = run(model()
            .generate("The capital of France is", options)
            .unwrap())
        .await;
        assert_eq!(text, " Paris.");
        assert_eq!(result.reason, EndReason::StopString);
    });
}

#[test]
fn the_stop_token_ends_and_is_not_shown() {
    pollster::block_on(async {
        let (text, result) = run(model()
            .generate("The capital of France is", greedy(48))
            .unwrap())
        .await;
        assert_eq!(result.reason, EndReason::StopToken);
        assert_eq!(result.ids.last(), Some(&2));
        assert!(!text.contains("<|im_end|>"));
    });
}

#[test]
fn a_seed_repeats_a_run_and_is_reported() {
    pollster::block_on(async {
        let options = |seed| GenerationOptions {
            max_tokens: 12,
            sampler: SamplerOptions {
                seed,
                ..SamplerOptions::default()
            },
            ..GenerationOptions::default()
        };
        let prompt = "A list of birds:";
        let (first, result) = run(model().generate(prompt, options(None)).unwrap()).await;
        let (second, _) = run(model()
            .generate(prompt, options(Some(result.seed)))
            .unwrap())
        .await;
        assert_eq!(first, second);
        assert!(result.seed < 1 << 53);
    });
}

#[test]
fn a_full_context_ends_the_generation_and_says_so() {
    use lexigraft_checkpoint::{Checkpoint, FileSource};
    use lexigraft_decode::LoadOptions;
    use std::ops::ControlFlow;
    pollster::block_on(async {
        let device = ComputeDevice::open(DeviceKind::Cpu).await.unwrap();
        let path = common::models().join("smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf");
        let checkpoint = Checkpoint::open(FileSource::open(&path).unwrap())
            .await
            .unwrap();
        let options = LoadOptions {
            context_length: Some(16),
            ..LoadOptions::default()
        };
        let model = LanguageModel::load(&checkpoint, options, &device, &mut |_, _| {
            ControlFlow::Continue(())
        })
        .await
        .unwrap();
        let prompt = "Once upon a time, there was a little robot who";
        let (_, result) = run(model.generate(prompt, greedy(100)).unwrap()).await;
        assert_eq!(result.reason, EndReason::Context);
        // 11 of the prompt and 5 more fill 16 places; one more is chosen from the last.
        assert_eq!(result.ids.len(), 6);
        let long = "word ".repeat(40);
        assert_eq!(
            model.generate(&long, greedy(1)).unwrap_err().code(),
            "prompt-too-long"
        );

        // A text of several windows has one number for every token but the first, and the
        // tokens of the first window have the numbers that a long context gives them.
        let text = "The quick brown fox jumps over the lazy dog. ".repeat(4);
        let windowed = model.score(&text).unwrap().finish().await.unwrap();
        let whole = self::model().score(&text).unwrap().finish().await.unwrap();
        assert_eq!(windowed.token_nll.len(), windowed.ids.len() - 1);
        for (a, b) in windowed.token_nll.iter().zip(&whole.token_nll).take(15) {
            assert!((a - b).abs() < 1e-3, "{a} {b}");
        }
        assert!(whole.bits_per_byte < windowed.bits_per_byte);
    });
}

#[test]
fn log_probs_are_those_of_the_model() {
    pollster::block_on(async {
        let options = GenerationOptions {
            log_probs: true,
            ..greedy(3)
        };
        let mut generation = model()
            .generate("The capital of France is", options)
            .unwrap();
        loop {
            match generation.next().await.unwrap() {
                Step::Prefill { .. } => {}
                Step::Piece { id, log_prob, .. } => {
                    // Reference: logit 17.37126, log-sum-exp 17.62934.
                    assert_eq!(id, 7042);
                    assert!((log_prob.unwrap() - (17.371_26 - 17.629_344)).abs() < 0.005);
                    break;
                }
                Step::End(_) => panic!("ended without a token"),
            }
        }
    });
}
