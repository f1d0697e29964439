//! Real models and reference outputs, shared by the tests of this crate.
#![allow(dead_code)] // Each test binary uses its part.

use std::ops::ControlFlow;
use std::path::PathBuf;

use lexigraft_checkpoint::{Checkpoint, FileSource};
use lexigraft_decode::bytes::{LanguageScorer, TokenScorer};
use lexigraft_decode::{
    Generation, GenerationOptions, GenerationResult, LanguageModel, LoadOptions, SamplerOptions,
    Step, TextEncoder,
};
use lexigraft_models::{ComputeDevice, DeviceKind};
use serde::Deserialize;

/// `$LEXIGRAFT_MODELS`, or the cache that `cargo xtask models` fills.
pub fn models() -> PathBuf {
    if let Some(folder) = std::env::var_os("LEXIGRAFT_MODELS") {
        return folder.into();
    }
    let cache = std::env::var_os("XDG_CACHE_HOME").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").expect("HOME is set")).join(".cache"),
        PathBuf::from,
    );
    cache.join("lexigraft/models")
}

fn file(path: &str) -> PathBuf {
    let path = models().join(path);
    assert!(
        path.exists(),
        "{} is missing: run `cargo xtask models` first",
        path.display()
    );
    path
}

pub fn reference<T: for<'a> Deserialize<'a>>(name: &str) -> T {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/reference")
        .join(name);
    serde_json::from_slice(&std::fs::read(path).expect("reference file"))
        .expect("reference is JSON")
}

#[derive(Deserialize)]
pub struct DecoderReference {
    pub prompts: Vec<PromptReference>,
    pub tokenizer: Vec<TokenizerCase>,
}

#[derive(Deserialize)]
pub struct PromptReference {
    pub prompt: String,
    pub ids: Vec<u32>,
    pub last_top10_ids: Vec<u32>,
    pub last_top10_logits: Vec<f32>,
    pub token_nll: Vec<f32>,
    pub greedy_ids: Vec<u32>,
    pub greedy_text: String,
}

/// What `tests/peers/score_text.py` finds in singles.
#[derive(Deserialize)]
pub struct ScoreReference {
    pub text: String,
    pub ids: Vec<u32>,
    pub bits_per_byte: f64,
    pub token_nll: Vec<f32>,
}

#[derive(Deserialize)]
pub struct TokenizerCase {
    pub text: String,
    pub ids: Vec<u32>,
}

#[derive(Deserialize)]
pub struct EncoderReference {
    pub cases: Vec<EncoderCase>,
}

#[derive(Deserialize)]
pub struct EncoderCase {
    pub text: String,
    pub ids: Vec<u32>,
    pub embedding: Vec<f32>,
}

pub async fn smollm2(device: &ComputeDevice) -> LanguageModel {
    let path = file("smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf");
    let checkpoint = Checkpoint::open(FileSource::open(&path).expect("opens"))
        .await
        .expect("is a checkpoint");
    LanguageModel::load(&checkpoint, LoadOptions::default(), device, &mut |_, _| {
        ControlFlow::Continue(())
    })
    .await
    .expect("loads")
}

pub async fn minilm(device: &ComputeDevice) -> TextEncoder {
    let path = file("all-minilm-l6-v2/model.safetensors");
    let checkpoint = Checkpoint::open(FileSource::open(&path).expect("opens"))
        .await
        .expect("is a checkpoint");
    let read =
        |name: &str| std::fs::read(file(&format!("all-minilm-l6-v2/{name}"))).expect("reads");
    TextEncoder::load(
        &checkpoint,
        &read("config.json"),
        &read("tokenizer.json"),
        device,
        &mut |_, _| ControlFlow::Continue(()),
    )
    .await
    .expect("loads")
}

pub fn greedy(max_tokens: usize) -> GenerationOptions {
    GenerationOptions {
        max_tokens,
        sampler: SamplerOptions {
            temperature: 0.0,
            ..SamplerOptions::default()
        },
        ..GenerationOptions::default()
    }
}

/// Runs a generation to its end: all text and the result.
pub async fn run(mut generation: Generation) -> (String, GenerationResult) {
    let mut text = String::new();
    loop {
        match generation.next().await.expect("runs") {
            Step::Prefill { .. } => {}
            Step::Piece { text: piece, .. } => text.push_str(&piece),
            Step::End(result) => {
                text.push_str(&result.text);
                return (text, result);
            }
        }
    }
}

/// Branches in one pass score what each path scores by itself.
async fn branches_agree(model: &LanguageModel) {
    let trunk: Vec<u32> = (0..5).map(|id| 300 + 17 * id).collect();
    let ends: [&[u32]; 5] = [&[1200], &[1200, 44], &[1200, 45, 46, 47], &[88], &[99, 12]];
    let paths = ends.map(|end| [&trunk, end].concat());
    let asked: Vec<&[u32]> = paths.iter().map(Vec::as_slice).collect();
    let mut together = LanguageScorer::new(model.clone());
    let rows = together.logits(&asked).await.expect("runs");
    assert_eq!(together.cost().forwards, 1);
    let mut worst = 0f32;
    for (path, row) in asked.iter().zip(&rows) {
        let alone = model.logits(path).await.expect("runs");
        let errors = alone.iter().zip(row).map(|(a, b)| (a - b).abs());
        worst = errors.fold(worst, f32::max);
    }
    eprintln!("branches: logits off by at most {worst}");
    assert!(worst < 1e-2, "{worst}");
}

/// Everything that the reference says of the decoder and the encoder, on one device.
pub async fn agrees_with_references(kind: DeviceKind) {
    let device = ComputeDevice::open(kind).await.expect("device opens");
    eprintln!("device: {}", device.adapter());
    let model = smollm2(&device).await;
    let reference: DecoderReference = reference("smollm2-135m-instruct-q4_1.json");
    for case in &reference.tokenizer {
        let ids = model.tokenizer().encode(&case.text, true).expect("encodes");
        assert_eq!(ids, case.ids, "{:?}", case.text);
    }
    branches_agree(&model).await;
    let (mut worst_logit, mut worst_nll) = (0f32, 0f32);
    for case in &reference.prompts {
        let ids = model
            .tokenizer()
            .encode(&case.prompt, true)
            .expect("encodes");
        assert_eq!(ids, case.ids, "{:?}", case.prompt);

        let logits = model.logits(&ids).await.expect("runs");
        let mut order: Vec<u32> = (0..logits.len() as u32).collect();
        order.sort_by(|&a, &b| logits[b as usize].total_cmp(&logits[a as usize]));
        assert_eq!(order[..10], case.last_top10_ids, "{:?}", case.prompt);
        for (&id, &logit) in case.last_top10_ids.iter().zip(&case.last_top10_logits) {
            worst_logit = worst_logit.max((logits[id as usize] - logit).abs());
        }

        let score = model
            .score(&case.prompt)
            .expect("scores")
            .finish()
            .await
            .expect("runs");
        assert_eq!(score.token_nll.len(), case.token_nll.len());
        for (have, want) in score.token_nll.iter().zip(&case.token_nll) {
            worst_nll = worst_nll.max((have - want).abs());
        }

        let generation = model.generate(&case.prompt, greedy(48)).expect("starts");
        let (text, result) = run(generation).await;
        assert_eq!(result.ids, case.greedy_ids, "{:?}", case.prompt);
        assert_eq!(text, case.greedy_text.replace("<|im_end|>", ""));
    }
    chains_write_the_same_text(&model, &reference.prompts[1]).await;
    // Log-probabilities need all logits: the same draw from what the device chose and from all.
    let drawn = async |log_probs| {
        let options = GenerationOptions {
            max_tokens: 12,
            log_probs,
            sampler: SamplerOptions {
                seed: Some(5),
                ..SamplerOptions::default()
            },
            ..GenerationOptions::default()
        };
        let prompt = &reference.prompts[0].prompt;
        run(model.generate(prompt, options).expect("starts"))
            .await
            .0
    };
    assert_eq!(drawn(true).await, drawn(false).await);
    eprintln!("largest distances: logit {worst_logit:.2e}, token_nll {worst_nll:.2e} nats");
    assert!(worst_logit < 0.02, "{worst_logit}");
    assert!(worst_nll < 0.005, "{worst_nll}");
    predicts_a_text_as_well_as_singles(&model).await;
    drop(model);

    let encoder = minilm(&device).await;
    let reference: EncoderReference = self::reference("all-minilm-l6-v2.json");
    let (mut worst, mut apart) = (0f32, 0f32);
    let mut alone = Vec::new();
    for case in &reference.cases {
        assert_eq!(encoder.tokenize(&case.text).expect("encodes"), case.ids);
        let embeddings = encoder.embed(&[&case.text]).await.expect("runs");
        let [embedding] = embeddings.as_slice() else {
            panic!("{} embeddings of one text", embeddings.len());
        };
        assert_eq!(embedding.len(), case.embedding.len());
        for (have, want) in embedding.iter().zip(&case.embedding) {
            worst = worst.max((have - want).abs());
        }
        alone.extend(embeddings);
    }
    // There and back: every text has one of its length to run together with, and not beside it.
    let texts = reference.cases.iter().map(|case| &case.text);
    let texts: Vec<&String> = texts.clone().chain(texts.rev()).collect();
    let together = encoder.embed(&texts).await.expect("runs");
    assert_eq!(together.len(), texts.len());
    for (have, want) in together.iter().zip(alone.iter().chain(alone.iter().rev())) {
        assert_eq!(have.len(), want.len());
        for (have, want) in have.iter().zip(want) {
            apart = apart.max((have - want).abs());
        }
    }
    eprintln!("largest distance of an embedding element: {worst:.2e}, {apart:.2e} to it alone");
    assert!(worst < 1e-4, "{worst}");
    assert!(apart < 1e-6, "{apart}");
    assert!(
        encoder
            .embed(&[] as &[&str])
            .await
            .expect("runs")
            .is_empty()
    );
}

/// Bits per byte of prose, code, numbers and other languages, 713 tokens in one context.
async fn predicts_a_text_as_well_as_singles(model: &LanguageModel) {
    let reference: ScoreReference = reference("smollm2-135m-instruct-q4_1-bits.json");
    let scoring = model.score(&reference.text).expect("scores");
    let score = scoring.finish().await.expect("runs");
    assert_eq!(score.ids, reference.ids);
    let distances = score.token_nll.iter().zip(&reference.token_nll);
    let worst = distances.fold(0f32, |worst, (have, want)| worst.max((have - want).abs()));
    let ratio = score.bits_per_byte / reference.bits_per_byte;
    eprintln!(
        "{:.6} bits per byte, {:.6} in singles; largest distance of a token {worst:.2e} nats",
        score.bits_per_byte, reference.bits_per_byte
    );
    // A tenth of what users are promised (0.5 %).
    assert!((ratio - 1.0).abs() < 5e-4, "{ratio}");
    assert!(worst < 0.05, "{worst}");
}

/// Tokens that the device chooses ahead are those that it chooses one by one, and what it ran beyond
/// an end is forgotten.
async fn chains_write_the_same_text(model: &LanguageModel, case: &PromptReference) {
    for (lookahead, max_tokens) in [(4, 6), (16, 48), (3, 5)] {
        let options = GenerationOptions {
            lookahead: Some(lookahead),
            ..greedy(max_tokens)
        };
        let generation = model.generate(&case.prompt, options).expect("starts");
        let (_, result) = run(generation).await;
        let expected = &case.greedy_ids[..max_tokens.min(case.greedy_ids.len())];
        assert_eq!(result.ids, expected, "{lookahead} tokens at once");
    }
    // In the middle of a chain.
    let options = GenerationOptions {
        lookahead: Some(16),
        ..greedy(48)
    };
    let mut generation = model.generate(&case.prompt, options).expect("starts");
    while !matches!(generation.next().await.expect("runs"), Step::Piece { .. }) {}
    drop(generation);
    let (text, _) = run(model.generate(&case.prompt, greedy(48)).expect("starts")).await;
    assert_eq!(text, case.greedy_text.replace("<|im_end|>", ""));
}
