//! Prompts with joined tokens, on the real model.

mod common;

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::Path;

use common::{greedy, smollm2, source};
use lexigraft_checkpoint::{Checkpoint, FileSource};
use lexigraft_decode::{
    EndReason, Generation, GenerationOptions, LanguageModel, LoadOptions, SamplerOptions, Step,
};
use lexigraft_models::hypernetwork::Hypernetwork;
use lexigraft_models::{ComputeDevice, DeviceKind};
use lexigraft_transfer::SourceModel;
use lexigraft_transfer::dynamic::{DynamicEmbedding, Merged, RowMaker, merge_batch};
use lexigraft_transfer::hypernetwork::Predictor;

const TEXT: &str = "Die Kryptographie schützt Nachrichten. Kryptographische Verfahren beruhen auf \
    Kryptographie, und wer Kryptographie versteht, versteht Nachrichten ohne Verfahren";

fn rows(source: &SourceModel, maker: RowMaker<'_>, merged: &Merged) -> Vec<f32> {
    let room = NonZeroUsize::new(64).expect("is no zero");
    let mut embedding = DynamicEmbedding::new(source, maker, room);
    let mut rows = pollster::block_on(embedding.rows(merged)).expect("has rows");
    rows.remove(0)
}

fn run(mut generation: Generation) -> (String, EndReason) {
    let mut text = String::new();
    loop {
        match pollster::block_on(generation.next()).expect("runs") {
            Step::Prefill { .. } => panic!("the prompt is there"),
            Step::Piece { text: piece, .. } => text.push_str(&piece),
            Step::End(result) => return (text + &result.text, result.reason),
        }
    }
}

fn options(max_tokens: usize) -> GenerationOptions {
    GenerationOptions {
        max_tokens,
        sampler: SamplerOptions {
            temperature: 0.0,
            ..SamplerOptions::default()
        },
        ..GenerationOptions::default()
    }
}

#[test]
fn without_joins_nothing_changes() {
    let model = smollm2();
    let source = source(model.tokenizer());
    let ids = model.tokenizer().encode(TEXT, true).expect("encodes");
    let merged = merge_batch(source.tokens(), std::slice::from_ref(&ids), 0).expect("merges");
    assert_eq!(merged.texts(), std::slice::from_ref(&ids));
    let rows = rows(&source, RowMaker::Mean, &merged);
    let prefill = || pollster::block_on(model.prefill(&rows, ids.clone())).expect("runs");
    let plain = pollster::block_on(model.logits(&ids)).expect("runs");
    assert_eq!(prefill().logits(), plain, "not one bit");

    let (text, _) = greedy(&model, TEXT, 12);
    let generation = prefill().generate(options(12)).expect("starts");
    assert_eq!(run(generation).0, text);

    let rest = " und ihre Geschichte, die lang ist, aber nicht ohne Verfahren, die wir noch nicht \
        verstehen, und so weiter und so fort.";
    let score = model.score(&format!("{TEXT}{rest}")).expect("scores");
    let score = pollster::block_on(score.finish()).expect("runs");
    let after = &score.ids[ids.len()..];
    assert!(score.ids.starts_with(&ids) && after.len() > 33);
    let nll = pollster::block_on(prefill().score(after)).expect("runs");
    assert_eq!(nll.len(), after.len());
    for (found, want) in nll.iter().zip(&score.token_nll[ids.len() - 1..]) {
        assert!((found - want).abs() < 1e-4, "{found} is not {want}");
    }
}

#[test]
fn a_shorter_prompt_is_gone_on_from() {
    let model = smollm2();
    let source = source(model.tokenizer());
    let ids = model.tokenizer().encode(TEXT, true).expect("encodes");
    let merged =
        merge_batch(source.tokens(), std::slice::from_ref(&ids), usize::MAX).expect("merges");
    assert!(
        merged.len() * 3 < ids.len() * 2,
        "{} of {}",
        merged.len(),
        ids.len()
    );
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../assets/hypernetwork/smollm2-135m.safetensors");
    let network = pollster::block_on(async {
        let checkpoint = Checkpoint::open(FileSource::open(&path)?).await?;
        let keep_on = &mut |_, _| ControlFlow::Continue(());
        Hypernetwork::load(&checkpoint, model.decoder(), keep_on).await
    });
    let network = network.expect("loads");
    let predictor = Predictor::new(&source, &network, model.decoder()).expect("fits");
    let rows = rows(&source, RowMaker::Hypernetwork(predictor), &merged);

    // A joined token has the row that the hypernetwork gives it alone.
    let hidden = source.hidden();
    let joined = |at: &usize| merged.joined(merged.texts()[0][*at]);
    let at = (0..merged.len()).find(|at| joined(at).is_some());
    let at = at.expect("has a joined token");
    let bytes = joined(&at).expect("is joined");
    let alone = pollster::block_on(predictor.rows(&[bytes])).expect("predicts");
    let row = &rows[at * hidden..][..hidden];
    for (found, want) in row.iter().zip(&alone.input) {
        // Sums of a product may be taken in another order beside other tokens.
        assert!((found - want).abs() < 1e-4);
    }

    let plain = greedy(&model, TEXT, 8);
    let prefilled = pollster::block_on(model.prefill(&rows, ids.clone())).expect("runs");
    assert_eq!(prefilled.places(), merged.len());
    let mut generation = prefilled.generate(options(8)).expect("starts");
    let first = pollster::block_on(generation.next()).expect("runs");
    assert!(matches!(first, Step::Piece { .. }), "{first:?}");
    let (_, reason) = run(generation);
    assert!(matches!(
        reason,
        EndReason::MaxTokens | EndReason::StopToken
    ));
    // Places that stand for several tokens must not pass for a prompt of tokens.
    assert_eq!(greedy(&model, TEXT, 8), plain);
}

#[test]
fn rows_are_run_on_wgpu_too() {
    let model = pollster::block_on(async {
        let device = ComputeDevice::open(DeviceKind::Wgpu).await.expect("opens");
        let (options, keep_on) = (
            LoadOptions::default(),
            &mut |_, _| ControlFlow::Continue(()),
        );
        LanguageModel::load(&common::checkpoint(), options, &device, keep_on).await
    });
    let model = model.expect("loads");
    let source = source(model.tokenizer());
    // More than one chunk, and one token alone.
    let text = TEXT.get(..97).expect("is a border");
    for text in [text, "Die"] {
        let ids = model.tokenizer().encode(text, true).expect("encodes");
        let merged = merge_batch(source.tokens(), std::slice::from_ref(&ids), 0).expect("merges");
        let rows = rows(&source, RowMaker::Mean, &merged);
        let prefilled = pollster::block_on(model.prefill(&rows, ids.clone())).expect("runs");
        let plain = pollster::block_on(model.logits(&ids)).expect("runs");
        assert_eq!(prefilled.logits(), plain, "not one bit");
        let after = [ids.as_slice(), &[1750]].concat();
        let plain = pollster::block_on(model.logits(&after)).expect("runs");
        let nll = pollster::block_on(prefilled.score(&[1750, 282])).expect("runs");
        let top = plain.iter().copied().fold(f32::MIN, f32::max);
        let sum: f32 = plain.iter().map(|logit| (logit - top).exp()).sum();
        let want = top + sum.ln() - plain[282];
        assert!((nll[1] - want).abs() < 1e-3, "{} is not {want}", nll[1]);
    }
}

#[test]
fn the_context_is_full_when_its_places_are() {
    let model = pollster::block_on(async {
        let device = ComputeDevice::open(DeviceKind::Cpu).await.expect("opens");
        let options = LoadOptions {
            context_length: Some(48),
            ..LoadOptions::default()
        };
        let keep_on = &mut |_, _| ControlFlow::Continue(());
        LanguageModel::load(&common::checkpoint(), options, &device, keep_on).await
    });
    let model = model.expect("loads");
    let source = source(model.tokenizer());
    let ids = model.tokenizer().encode(TEXT, true).expect("encodes");
    assert!(ids.len() > 48, "the plain prompt does not fit");
    let merged =
        merge_batch(source.tokens(), std::slice::from_ref(&ids), usize::MAX).expect("merges");
    let rows = rows(&source, RowMaker::Mean, &merged);
    let prefill = || pollster::block_on(model.prefill(&rows, ids.clone())).expect("runs");
    let left = 48 - merged.len();
    assert!(left > 2);
    let (_, reason) = run(prefill().generate(options(1000)).expect("starts"));
    assert!(matches!(reason, EndReason::Context | EndReason::StopToken));
    let long = vec![1; left + 2];
    let error = pollster::block_on(prefill().score(&long)).expect_err("does not fit");
    assert_eq!(error.code(), "prompt-too-long");
    assert_eq!(
        pollster::block_on(prefill().score(&long[1..]))
            .expect("fits")
            .len(),
        left + 1
    );
    let error = pollster::block_on(prefill().score(&[1, 49152, 2])).expect_err("is no token");
    assert_eq!(error.code(), "invalid-argument");

    let refused = |rows: &[f32], ids: &[u32]| {
        let prefilled = pollster::block_on(model.prefill(rows, ids.to_vec()));
        prefilled.expect_err("is refused").code()
    };
    assert_eq!(refused(&[], &ids), "invalid-argument");
    assert_eq!(refused(&rows[1..], &ids), "invalid-argument");
    assert_eq!(refused(&rows, &ids[..3]), "invalid-argument");
    let hidden = source.hidden();
    assert_eq!(refused(&vec![0.0; 48 * hidden], &ids), "prompt-too-long");
}
