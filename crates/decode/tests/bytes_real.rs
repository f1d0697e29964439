//! Byte distributions of SmolLM2.

mod bytes_common;
mod common;

use std::sync::OnceLock;

use bytes_common::{Random, ToyScorer};
use common::smollm2;
use lexigraft_decode::bytes::{
    Beam, ByteEnd, ByteGeneration, ByteGenerationOptions, ByteModel, Combination, Context,
    Ensemble, Estimand, LanguageScorer, NextByte, Precision, READ_AHEAD, STOP, TokenGeneration,
    TokenMethod, TokenScorer,
};
use lexigraft_decode::{LanguageModel, SamplerOptions};
use lexigraft_models::{ComputeDevice, DeviceKind};
use lexigraft_text::ByteVocabulary;
use pollster::block_on;

fn language_model() -> &'static (LanguageModel, ByteVocabulary) {
    static MODEL: OnceLock<(LanguageModel, ByteVocabulary)> = OnceLock::new();
    MODEL.get_or_init(|| {
        let device = block_on(ComputeDevice::open(DeviceKind::Cpu)).expect("opens");
        let model = block_on(smollm2(&device));
        let vocabulary = ByteVocabulary::new(model.tokenizer()).expect("has bytes");
        (model, vocabulary)
    })
}

fn byte_model(estimand: Estimand) -> ByteModel<LanguageScorer> {
    let (model, vocabulary) = language_model();
    let context = Context::start(model.tokenizer()).expect("has a start");
    let scorer = LanguageScorer::new(model.clone()).with_caches(4);
    ByteModel::new(vocabulary.clone(), scorer, estimand, context).expect("is a byte model")
}

const TEXTS: [&str; 4] = [
    "The capital of France is Paris, which lies on the Seine.",
    "def fibonacci(n):\n    return n if n < 2 else fibonacci(n - 1)",
    "It's 1,204 km  to Zürich;\n\nwe'll need 3 días – or 4.",
    "Ein naïver Versuch: 日本語 and emoji 👍 end here.",
];

#[test]
fn bytes_do_not_depend_on_where_the_prompt_was_cut() {
    let (mut cuts, mut worst, mut worst_at) = (0, 0f64, String::new());
    for text in TEXTS {
        let bytes = text.as_bytes();
        let mut on = byte_model(Estimand::Canonical);
        let whole = block_on(on.score(b"", bytes)).expect("scores");
        for cut in 0..bytes.len() {
            // A model without anything in its cache reads the prompt in one go.
            let mut anew = byte_model(Estimand::Canonical);
            let next = block_on(anew.next_byte(&bytes[..cut], None, Precision::Exact)).unwrap();
            let have = next.log_prob(bytes[cut].into());
            let off = f64::from((have - whole.per_byte[cut]).abs());
            if off > worst {
                (worst, worst_at) = (
                    off,
                    format!(
                        "{:?}",
                        &text.as_bytes()[..cut]
                            .utf8_chunks()
                            .next()
                            .map(|c| c.valid().to_owned())
                    ),
                );
            }
            let sum: f64 = (0..=STOP)
                .map(|slot| f64::from(next.log_prob(slot)).exp())
                .sum();
            assert!((sum - 1.0).abs() < 1e-5, "{sum}");
            cuts += 1;
        }
    }
    eprintln!("{cuts} cuts, log-probability off by at most {worst:.2e} nats ({worst_at})");
    assert!(cuts >= 200);
    assert!(worst < 0.02, "{worst} {worst_at}");
}

#[test]
fn a_text_that_is_known_takes_few_passes() {
    for text in TEXTS {
        let bytes = text.as_bytes();
        let mut ahead = byte_model(Estimand::Canonical);
        let score = block_on(ahead.score(b"", bytes)).expect("scores");
        let mut on = byte_model(Estimand::Canonical);
        for (cut, byte) in bytes.iter().enumerate() {
            let next = block_on(on.next_byte(&bytes[..cut], None, Precision::Exact)).unwrap();
            assert_eq!(next.log_prob((*byte).into()), score.per_byte[cut], "{cut}");
        }
        let (together, alone) = (ahead.cost(), on.cost());
        eprintln!("{} bytes: {together:?}, one by one {alone:?}", bytes.len());
        assert_eq!(together.evaluations, alone.evaluations);
        assert!(together.forwards <= bytes.len().div_ceil(READ_AHEAD) * 2);
        assert!(together.forwards * 6 < alone.forwards);
    }
}

#[test]
fn paths_at_once_score_as_one_by_one() {
    let (model, _) = language_model();
    let mut random = Random(11);
    let mut path = |parent: &[u32]| -> Vec<u32> {
        let more = 1 + random.below(4);
        let new = (0..more).map(|_| 20 + random.below(20_000) as u32);
        parent.iter().copied().chain(new).collect()
    };
    let mut paths: Vec<Vec<u32>> = vec![path(&[])];
    for _ in 0..60 {
        let parent = paths[paths.len() / 2].clone();
        paths.push(path(&parent));
    }
    paths.push(paths[3].clone());
    for caches in [1, 3] {
        let mut together = LanguageScorer::new(model.clone()).with_caches(caches);
        let asked: Vec<&[u32]> = paths.iter().map(Vec::as_slice).collect();
        let all = block_on(together.logits(&asked)).unwrap();
        let mut alone = LanguageScorer::new(model.clone());
        for (path, have) in asked.iter().zip(&all) {
            let want = block_on(alone.logits(&[path])).unwrap().remove(0);
            assert_eq!(have, &want, "{path:?}");
        }
        assert!(together.cost().forwards * 4 < alone.cost().forwards);
        // What is left in the caches is what the scorer believes to be there.
        let again = block_on(together.logits(&asked[40..])).unwrap();
        assert_eq!(again, all[40..]);
    }
}

#[test]
fn the_trunk_is_the_beginning_of_the_encoding() {
    // The tree has the same nodes whatever the model says, so a toy model will do.
    let (model, vocabulary) = language_model();
    let scorer = ToyScorer::new(1, model.tokenizer().vocab_size());
    let context = Context::start(model.tokenizer()).unwrap();
    let mut bytes =
        ByteModel::new(vocabulary.clone(), scorer, Estimand::Canonical, context).unwrap();
    let (mut checked, mut longest) = (0, 0);
    for text in TEXTS {
        for end in 0..=text.len() {
            let prefix = &text.as_bytes()[..end];
            block_on(bytes.next_byte(prefix, None, Precision::Within(0.99))).unwrap();
            // What the text becomes is not known yet; its trunk must stand in every future.
            for future in ["", " x", "s", "7", "\n", "é", "'s "] {
                let whole = [prefix, future.as_bytes()].concat();
                let Ok(whole) = std::str::from_utf8(&whole) else {
                    continue;
                };
                let ids = model.tokenizer().encode(whole, false).unwrap();
                assert!(ids.starts_with(bytes.trunk()), "{whole:?}");
                checked += 1;
            }
            let (nodes, _) = bytes.tree_size();
            longest = longest.max(nodes);
        }
    }
    eprintln!("{checked} futures; at most {longest} nodes in a tree");
    assert!(checked > 500);
}

#[test]
fn all_tokenizations_weigh_at_least_the_canonical_one() {
    let (model, vocabulary) = language_model();
    let context = Context::start(model.tokenizer()).unwrap();
    for text in ["The cat", "x = 10", "naïve"] {
        let mut all = byte_model(Estimand::All { beam: None });
        let score = block_on(all.score(b"", text.as_bytes())).unwrap();
        let ids = vocabulary.encode(text.as_bytes()).unwrap();
        let path = [context.tokens(), &ids].concat();
        let mut canonical = 0.0;
        let mut scorer = LanguageScorer::new(model.clone());
        for at in context.tokens().len()..path.len() {
            let logits = block_on(scorer.logits(&[&path[..at]])).unwrap().remove(0);
            let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let total: f64 = logits.iter().map(|l| f64::from(l - top).exp()).sum();
            canonical += f64::from(logits[path[at] as usize] - top) - total.ln();
        }
        eprintln!(
            "{text:?}: all {:.4}, canonical tokens {canonical:.4}",
            score.log_prob
        );
        assert!(score.log_prob > canonical - 1e-3);

        let wide = Estimand::All {
            beam: Some(Beam {
                width: 1000,
                threshold: 0.0,
            }),
        };
        let wide = block_on(byte_model(wide).score(b"", text.as_bytes())).unwrap();
        assert!(
            (wide.log_prob - score.log_prob).abs() < 0.02,
            "{}",
            wide.log_prob
        );
    }
}

fn greedy(max_bytes: usize) -> ByteGenerationOptions {
    ByteGenerationOptions {
        max_bytes,
        sampler: SamplerOptions {
            temperature: 0.0,
            ..SamplerOptions::default()
        },
        ..ByteGenerationOptions::default()
    }
}

fn exact(prompt: &str, max_bytes: usize) -> String {
    let mut model = byte_model(Estimand::Canonical);
    let run = ByteGeneration::new(&mut model, prompt.as_bytes(), greedy(max_bytes), Vec::new());
    let result = block_on(run.unwrap().finish()).unwrap();
    String::from_utf8(result.bytes).unwrap()
}

fn tokens(prompt: &str, method: TokenMethod, max_bytes: usize) -> String {
    let (model, vocabulary) = language_model();
    let mut scorer = LanguageScorer::new(model.clone());
    let context = Context::start(model.tokenizer()).unwrap();
    let run = TokenGeneration::new(
        &mut scorer,
        vocabulary,
        &context,
        prompt.as_bytes(),
        method,
        &greedy(max_bytes),
        Vec::new(),
    );
    String::from_utf8_lossy(&block_on(run.unwrap().finish()).unwrap().bytes).into_owned()
}

#[test]
fn a_cut_prompt_is_continued_as_the_whole_one() {
    let whole = tokens("The capital of France is", TokenMethod::Plain, 7);
    assert_eq!(whole, " Paris.");
    // A trailing space and half a word.
    assert_eq!(exact("The capital of France is ", 6), "Paris.");
    assert_eq!(exact("The capital of France is Pa", 4), "ris.");
    for method in [TokenMethod::Healing, TokenMethod::Alignment { tokens: 3 }] {
        assert_eq!(tokens("The capital of France is ", method, 6), "Paris.");
    }
    // The likeliest tokens that cover the prompt, then tokens.
    let mut model = byte_model(Estimand::Canonical);
    let covers = block_on(model.covers(b"The capital of France is Pa")).unwrap();
    assert_eq!(covers[0].beyond, b"ris");
    let prompt = b"The capital of France is ";
    let options = greedy(6);
    let run = TokenGeneration::covering(&mut model, prompt, &options, Vec::new());
    let result = block_on(block_on(run).unwrap().finish()).unwrap();
    assert_eq!(result.bytes, b"Paris.");
    assert_ne!(
        tokens("The capital of France is ", TokenMethod::Plain, 6),
        "Paris."
    );
}

#[test]
fn greedy_bytes_are_the_same_without_evaluating_everything() {
    let prompt = "Once upon a time, there was a li";
    let mut model = byte_model(Estimand::Canonical);
    let run = ByteGeneration::new(&mut model, prompt.as_bytes(), greedy(40), Vec::new());
    let lazy = block_on(run.unwrap().finish()).unwrap();
    let mut model = byte_model(Estimand::Canonical);
    let mut text = prompt.as_bytes().to_vec();
    for _ in 0..40 {
        let next = block_on(model.next_byte(&text, None, Precision::Exact)).unwrap();
        text.push(u8::try_from(next.likeliest()).unwrap());
    }
    let full = model.cost();
    assert_eq!(lazy.bytes, text[prompt.len()..]);
    assert_eq!(lazy.reason, ByteEnd::MaxBytes);
    eprintln!(
        "{:?}: lazily {:?}, exactly {full:?}",
        String::from_utf8_lossy(&lazy.bytes),
        lazy.cost
    );
    assert!(lazy.cost.evaluations * 2 < full.evaluations);
    // About one evaluation a token, four bytes long.
    assert!(lazy.cost.evaluations <= 25, "{:?}", lazy.cost);
}

#[test]
fn a_model_with_itself_is_itself_and_a_seed_repeats_a_run() {
    let prompt = "The weather tod";
    let alone = block_on(byte_model(Estimand::Canonical).next_byte(
        prompt.as_bytes(),
        None,
        Precision::Exact,
    ))
    .unwrap();
    let copies = || -> Vec<Box<dyn NextByte>> {
        (0..2)
            .map(|_| Box::new(byte_model(Estimand::Canonical)) as _)
            .collect()
    };
    for combination in [Combination::Mixture, Combination::Product] {
        let mut pair = Ensemble::new(copies(), combination).unwrap();
        let together = block_on(pair.next_byte(prompt.as_bytes(), None, Precision::Exact)).unwrap();
        for (a, b) in together.log_probs.iter().zip(&alone.log_probs) {
            assert!(a == b || (a - b).abs() < 1e-4, "{combination:?}: {a} {b}");
        }
    }
    let draw = |seed| {
        let mut random = Random(seed);
        let options = ByteGenerationOptions {
            max_bytes: 24,
            sampler: SamplerOptions {
                seed: Some(random.next() >> 11),
                ..SamplerOptions::default()
            },
            ..ByteGenerationOptions::default()
        };
        let mut model = byte_model(Estimand::Canonical);
        let run = ByteGeneration::new(&mut model, prompt.as_bytes(), options, Vec::new());
        block_on(run.unwrap().finish()).unwrap().bytes
    };
    let first = draw(3);
    assert_eq!(first, draw(3));
    assert!(std::str::from_utf8(&first).is_ok());
}
