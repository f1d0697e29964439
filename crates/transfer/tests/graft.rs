//! SmolLM2 under other vocabularies.

mod common;

use std::ops::ControlFlow;

use common::{bits_per_byte, gguf_vocabulary, greedy, rows, smollm2, source, tokenizer};
use lexigraft_models::device::read_f32;
use lexigraft_text::Tokenizer;
use lexigraft_transfer::initialise::FirstPieceOptions;
use lexigraft_transfer::{
    Aids, Context, Head, Method, Origin, Overlap, TokenTable, check_room, graft,
};

const TEXT: &str = "The river that runs through the old town is crossed by three bridges, and the \
    oldest of them was built of stone. People who live on its banks say that the water is clear \
    in spring, when the snow of the mountains melts, and brown in autumn.";

/// A text with tokens that the model does not have.
const FOREIGN: &str = "In 1987 und 2004 bauten die Bürgermeister von Überlingen 1,250 Häuser; \
    la bibliothèque municipale possède aujourd'hui 38,417 volumes. Предварительная подготовка \
    данных занимает большую часть времени.\n\tif (!initialized) { shouldReconfigure(); }";

#[test]
fn a_self_transplant_changes_no_bit() {
    let model = smollm2();
    let source = source(model.tokenizer());
    let (_, overlap, vocabulary) = rows(&source, model.tokenizer(), "zero", Aids::default());
    assert_eq!(overlap.new_ids().count(), 0);
    assert_eq!(vocabulary.input.blocks(), source.input().blocks());
    let grafted =
        pollster::block_on(graft(&model, model.tokenizer(), &vocabulary)).expect("grafts");
    let ids = model.tokenizer().encode(TEXT, true).expect("encodes");
    let logits = |model: &lexigraft_decode::LanguageModel| {
        let logits = pollster::block_on(model.logits(&ids)).expect("runs");
        logits.iter().map(|x| x.to_bits()).collect::<Vec<u32>>()
    };
    assert_eq!(logits(&grafted), logits(&model));
    assert_eq!(grafted.info().parameters, model.info().parameters);
    assert_eq!(grafted.info().resident_bytes, model.info().resident_bytes);
}

#[test]
fn permuted_ids_give_permuted_logits() {
    let model = smollm2();
    let size = model.tokenizer().vocab_size() as u32;
    // 7919 is prime to 49152, so this is a permutation.
    let order: Vec<u32> = (0..size).map(|id| (id * 7919 + 5) % size).collect();
    let permuted = Tokenizer::from_gguf(gguf_vocabulary(&order)).expect("is a tokenizer");
    let source = source(model.tokenizer());
    let (_, overlap, vocabulary) = rows(&source, &permuted, "zero", Aids::default());
    assert_eq!(overlap.new_ids().count(), 0);
    let grafted = pollster::block_on(graft(&model, &permuted, &vocabulary)).expect("grafts");
    let ids = model.tokenizer().encode(TEXT, true).expect("encodes");
    let new = permuted.encode(TEXT, true).expect("encodes");
    let back: Vec<u32> = new.iter().map(|id| order[*id as usize]).collect();
    assert_eq!(back, ids);
    let before = pollster::block_on(model.logits(&ids)).expect("runs");
    let after = pollster::block_on(grafted.logits(&new)).expect("runs");
    for (logit, old) in after.iter().zip(&order) {
        assert_eq!(logit.to_bits(), before[*old as usize].to_bits(), "{old}");
    }
    let (text, _) = greedy(&model, TEXT, 24);
    assert_eq!(greedy(&grafted, TEXT, 24).0, text);
}

#[test]
fn llama3_rows_are_the_models_own_and_their_means_beat_the_floors() {
    let model = smollm2();
    let source = source(model.tokenizer());
    let tokenizer = tokenizer("llama3");
    let original = bits_per_byte(&model, FOREIGN);
    let mut found = vec![];
    for method in ["zero", "mean", "fvt"] {
        let (target, overlap, vocabulary) = rows(&source, &tokenizer, method, Aids::default());
        assert_eq!(vocabulary.input.len(), target.len());
        for id in 0..target.len() as u32 {
            if let Origin::Shared(old) | Origin::Special(old) = overlap.origin(id) {
                let (new, old) = (
                    vocabulary.input.row_blocks(id),
                    source.input().row_blocks(old),
                );
                assert_eq!(new, old, "{method} {id}");
            }
        }
        let grafted = pollster::block_on(graft(&model, &tokenizer, &vocabulary)).expect("grafts");
        found.push(bits_per_byte(&grafted, FOREIGN));
        eprintln!(
            "{method}: {:.3} bits per byte, original {original:.3}",
            found[found.len() - 1]
        );
    }
    let [zero, mean, fvt] = found[..] else {
        unreachable!()
    };
    assert!(original < fvt && fvt < mean && mean < zero, "{found:?}");
}

#[test]
fn the_mean_of_pieces_is_the_mean_of_pieces() {
    let model = smollm2();
    let source = source(model.tokenizer());
    let (target, overlap, vocabulary) = rows(&source, &tokenizer("qwen3"), "fvt", Aids::default());
    let mut checked = 0;
    for id in overlap.new_ids().step_by(997) {
        let pieces = source.pieces(target.bytes(id).expect("is a token"));
        let rows: Vec<Vec<f32>> = pieces
            .iter()
            .map(|piece| source.input().gather(&[*piece]).expect("is a row"))
            .collect();
        if rows.is_empty() {
            continue;
        }
        let found = vocabulary.input.gather(&[id]).expect("is a row");
        for (column, x) in found.iter().enumerate() {
            let sum: f64 = rows.iter().map(|row| f64::from(row[column])).sum();
            // Q8_0 rounds to 1/254 of the largest of 32, and its scale to 11 bits.
            let block = &found[column / 32 * 32..][..32];
            let step = block.iter().fold(0f32, |max, x| max.max(x.abs())) / 127.0;
            let distance = (f64::from(*x) - sum / rows.len() as f64).abs();
            assert!(distance <= f64::from(step) * 0.57 + 1e-6, "{id} {column}");
        }
        checked += 1;
    }
    assert!(checked > 50, "{checked}");
}

/// The model's vocabulary with 300 longer tokens, each of two that it has.
fn longer(tokenizer: &Tokenizer) -> Tokenizer {
    let order: Vec<u32> = (0..tokenizer.vocab_size() as u32).collect();
    let mut vocabulary = gguf_vocabulary(&order);
    let types = vocabulary.token_types.as_mut().expect("has types");
    let merges = vocabulary.merges.as_mut().expect("has merges");
    for at in 0..300 {
        let [left, right] = [5000 + at * 37, 300 + at * 11].map(|id| vocabulary.tokens[id].clone());
        let joined = format!("{left}{right}");
        if !vocabulary.tokens.contains(&joined) {
            vocabulary.tokens.push(joined);
            types.push(1);
            merges.push(format!("{left} {right}"));
        }
    }
    Tokenizer::from_gguf(vocabulary).expect("is a tokenizer")
}

#[test]
fn a_head_of_its_own_is_what_it_says() {
    let model = smollm2();
    let source = source(model.tokenizer());
    let tokenizer = longer(model.tokenizer());
    let aids = Aids {
        decoder: Some(model.decoder()),
        ..Aids::default()
    };
    let (target, overlap, vocabulary) = rows(&source, &tokenizer, "fvt+first-piece", aids);
    let output = vocabulary.output.as_ref().expect("has a head");
    let bias = vocabulary.bias.as_ref().expect("has a bias");
    assert_eq!(bias.len(), target.len());
    assert!(bias.iter().all(|bias| bias.is_finite() && *bias <= 0.0));
    let options = FirstPieceOptions::default();
    // A word of several pieces, by hand: one context at a time through the model itself.
    let new = overlap
        .new_ids()
        .filter(|id| source.pieces(target.bytes(*id).unwrap()).len() == 2);
    let mut checked = 0;
    for id in new.step_by(29) {
        let pieces = source.pieces(target.bytes(id).expect("is a token"));
        let logits = pollster::block_on(model.logits(&pieces[..1])).expect("runs");
        let max = logits.iter().copied().fold(f32::MIN, f32::max);
        let total = max + logits.iter().map(|x| (x - max).exp()).sum::<f32>().ln();
        let expected = (options.bias * (logits[pieces[1] as usize] - total)).max(options.least);
        let found = bias[id as usize];
        assert!((found - expected).abs() < 1e-2, "{id}: {found} {expected}");
        // Half the first piece, half the mean of both.
        let [first, second] =
            [0, 1].map(|at| source.output().gather(&pieces[at..=at]).expect("row"));
        let row = output.gather(&[id]).expect("is a row");
        for ((x, first), second) in row.iter().zip(&first).zip(&second) {
            let expected = options.row * first + (1.0 - options.row) * (first + second) / 2.0;
            assert!((x - expected).abs() < 5e-3, "{id}: {x} {expected}");
        }
        checked += 1;
    }
    assert!(checked >= 5, "{checked}");
    for (new, old) in overlap.shared().step_by(997) {
        assert_eq!(bias[new as usize], 0.0);
        assert_eq!(output.row_blocks(new), source.output().row_blocks(old));
    }
}

#[test]
fn tokens_run_together_are_each_alone() {
    let model = smollm2();
    let decoder = model.decoder();
    let ids = [504u32, 28, 9000, 2, 40123, 0, 1000];
    let hidden = pollster::block_on(decoder.forward_alone(&ids)).expect("runs");
    let together = pollster::block_on(read_f32(decoder.logits(hidden))).expect("reads");
    for (id, together) in ids.iter().zip(together.chunks_exact(49152)) {
        let alone = pollster::block_on(model.logits(&[*id])).expect("runs");
        let worst = alone
            .iter()
            .zip(together)
            .fold(0f32, |worst, (a, b)| worst.max((a - b).abs()));
        assert!(worst < 1e-2, "{id}: {worst}");
    }
    assert!(pollster::block_on(decoder.forward_alone(&[])).is_err());
    assert!(pollster::block_on(decoder.forward_alone(&[49152])).is_err());
}

#[test]
fn a_vocabulary_beyond_the_device_is_refused_before_it_is_made() {
    let model = smollm2();
    let source = source(model.tokenizer());
    let room = |tokens, method: &str| {
        check_room(
            &model,
            &source,
            tokens,
            method.parse().expect("is a method"),
        )
    };
    room(300_000, "hypernetwork").expect("there is room");
    let refused = room(usize::MAX, "fvt").expect_err("there is none");
    assert_eq!(refused.code(), "out-of-memory");
}

#[test]
fn methods_say_whether_they_untie_the_head() {
    let model = smollm2();
    let source = source(model.tokenizer());
    let target = TokenTable::new(model.tokenizer()).expect("reads");
    let overlap = Overlap::new(source.tokens(), &target);
    let context = Context {
        source: &source,
        target: &target,
        overlap: &overlap,
    };
    let aids = Aids {
        decoder: Some(model.decoder()),
        ..Aids::default()
    };
    let keep_on = |_, _| ControlFlow::Continue(());
    for name in ["zero", "fvt", "mean+first-piece"] {
        let method: Method = name.parse().expect("is a method");
        let prepared = pollster::block_on(method.prepare(context, aids, keep_on));
        let head = prepared.expect("prepares").head();
        assert_eq!(method.unties(), head != Head::AsSource, "{name}");
    }
    let method: Method = "hypernetwork".parse().expect("is a method");
    assert!(method.unties());
}
