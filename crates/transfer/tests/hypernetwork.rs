//! Rows from a hypernetwork, on the real model.

mod common;

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::Path;

use common::{checkpoint, smollm2, source, tokenizer};
use lexigraft_checkpoint::{Checkpoint, MemorySource};
use lexigraft_decode::LanguageModel;
use lexigraft_models::ModelError;
use lexigraft_models::decoder::Prefixes;
use lexigraft_models::device::read_f32;
use lexigraft_models::hypernetwork::{
    Hypernetwork, HypernetworkConfig, fingerprint, memory_tensors,
};
use lexigraft_transfer::hypernetwork::Predicted;
use lexigraft_transfer::{
    Aids, Context, Initialise, Method, Overlap, Rows, SourceModel, TokenTable,
};
use safetensors::Dtype;
use safetensors::tensor::TensorView;

const HIDDEN: usize = 576;
const TRAINED: &str = "../../assets/hypernetwork/smollm2-135m.safetensors";

/// A hypernetwork file with this value at each place of the head, row after row.
fn network_file(base: &str, head: impl Fn(usize) -> f32) -> Vec<u8> {
    network_file_with(base, head, None)
}

/// The same with a memory: strings in pieces, and the blocks of their rows.
fn network_file_with(
    base: &str,
    head: impl Fn(usize) -> f32,
    memory: Option<(Vec<f32>, Vec<u8>)>,
) -> Vec<u8> {
    let bytes = |values: Vec<f32>| -> Vec<u8> {
        let bytes = values.into_iter().flat_map(|x| x.to_le_bytes());
        bytes.collect()
    };
    let shape = vec![2 * HIDDEN + 2, 4 * HIDDEN + 32];
    let head = bytes((0..shape[0] * shape[1]).map(head).collect());
    let row = bytes(vec![0.1; HIDDEN]);
    let none = bytes(vec![0.0; 8]);
    let view = |shape, bytes| TensorView::new(Dtype::F32, shape, bytes).expect("fits");
    let mut tensors = vec![
        ("head.weight", view(shape, &head)),
        ("spread", view(vec![HIDDEN], &row)),
        ("bias_direction", view(vec![HIDDEN], &row)),
        ("bias", view(vec![8], &none)),
    ];
    let (pieces, rows) = memory.unzip();
    let strings = pieces.as_ref().map_or(0, |pieces| pieces.len() / 7);
    let pieces = pieces.map(bytes);
    if let Some(pieces) = &pieces {
        tensors.push(("memory.pieces", view(vec![strings, 7], pieces)));
    }
    if let Some(rows) = &rows {
        let shape = vec![strings, rows.len() / strings];
        let rows = TensorView::new(Dtype::U8, shape, rows).expect("fits");
        tensors.push(("memory.rows", rows));
    }
    let config = HypernetworkConfig {
        hidden: HIDDEN,
        layers: 2,
        base: base.to_owned(),
        base_name: "another model".to_owned(),
    };
    let metadata = HashMap::from(config.to_metadata());
    safetensors::serialize(tensors, Some(metadata)).expect("serialises")
}

fn load(bytes: Vec<u8>, model: &LanguageModel) -> Result<Hypernetwork, ModelError> {
    pollster::block_on(async {
        let checkpoint = Checkpoint::open(MemorySource::new(bytes)).await?;
        let keep_on = &mut |_, _| ControlFlow::Continue(());
        Hypernetwork::load(&checkpoint, model.decoder(), keep_on).await
    })
}

fn trained(model: &LanguageModel) -> Hypernetwork {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(TRAINED);
    load(std::fs::read(path).expect("is committed"), model).expect("loads")
}

fn predict(method: &mut dyn Initialise, ids: &[u32]) -> Rows {
    pollster::block_on(method.rows(ids)).expect("predicts")
}

/// Some hundred new tokens of a tokenizer, from all over its vocabulary.
fn some_new(overlap: &Overlap) -> Vec<u32> {
    overlap.new_ids().step_by(701).take(120).collect()
}

fn base_of(source: &SourceModel) -> String {
    fingerprint(source.input().blocks())
}

#[test]
fn a_head_of_noughts_is_fvt() {
    let model = smollm2();
    let source = source(model.tokenizer());
    let target = TokenTable::new(&tokenizer("llama3")).expect("reads");
    let overlap = Overlap::new(source.tokens(), &target);
    let context = Context {
        source: &source,
        target: &target,
        overlap: &overlap,
    };
    let network = load(network_file(&base_of(&source), |_| 0.0), &model).expect("loads");
    let mut predicted = Predicted::new(context, &network, model.decoder()).expect("fits");
    let fvt: Method = "fvt".parse().expect("is a method");
    let keep_on = |_, _| ControlFlow::Continue(());
    let mut fvt =
        pollster::block_on(fvt.prepare(context, Aids::default(), keep_on)).expect("prepares");
    // Beyond seven pieces the means are of other pieces.
    let short = |id: &u32| source.pieces(target.bytes(*id).expect("has bytes")).len() <= 7;
    let ids: Vec<u32> = some_new(&overlap).into_iter().filter(short).collect();
    assert!(ids.len() > 80);
    let (found, want) = (predict(&mut predicted, &ids), predict(fvt.as_mut(), &ids));
    let output = found.output.expect("has a head");
    for (at, want) in want.input.iter().enumerate() {
        // Sums of the same numbers in another order.
        assert!((found.input[at] - want).abs() < 1e-6, "input {at}");
        assert!((output[at] - want).abs() < 1e-6, "output {at}");
    }
}

/// The features against their definition, one by one: with a head that copies one of them to each
/// element of the input row, the row says what the feature was.
#[test]
fn the_head_sees_state_first_last_mean_and_count() {
    let model = smollm2();
    let source = source(model.tokenizer());
    let pieces = [504u32, 1750, 282];
    let rows = source.input().gather(&pieces).expect("gathers");
    let decoder = model.decoder();
    let state =
        pollster::block_on(decoder.last_states(rows.clone(), &Prefixes::new([&pieces[..]]), 2))
            .expect("runs");
    let square = state.iter().map(|x| x * x).sum::<f32>() / HIDDEN as f32;
    let scale = 1.0 / (square + decoder.config().norm_eps as f32).sqrt();
    let mean = |i: usize| (rows[i] + rows[HIDDEN + i] + rows[2 * HIDDEN + i]) / 3.0;
    // The file's spread is 0.1 everywhere.
    let want: [&dyn Fn(usize) -> f32; 5] = [
        &|i| state[i] * scale,
        &|i| rows[i] / 0.1,
        &|i| rows[2 * HIDDEN + i] / 0.1,
        &|i| mean(i) / 0.1,
        &|i| if i == 3 { 1.0 } else { 0.0 },
    ];
    let columns = 4 * HIDDEN + 32;
    for (part, want) in want.into_iter().enumerate() {
        let head = |at: usize| {
            let (row, column) = (at / columns, at % columns);
            let copied = row < HIDDEN && column == part * HIDDEN + row;
            if copied { 1.0 } else { 0.0 }
        };
        let network = load(network_file(&base_of(&source), head), &model).expect("loads");
        let made = pollster::block_on(network.rows(decoder, &[pieces.to_vec()], &rows));
        let made = made.expect("predicts");
        let seen = if part == 4 { 32 } else { HIDDEN };
        for i in 0..seen {
            let found = (made.input[i] - mean(i)) / 0.1;
            // The state is as near as activations that are rounded to eight bits are.
            let allowed = 0.02 * want(i).abs() + 0.06;
            assert!(
                (found - want(i)).abs() < allowed,
                "part {part}, {i}: {found} is not {}",
                want(i)
            );
        }
    }
}

#[test]
fn what_is_remembered_of_a_string_is_added_to_what_the_head_says() {
    let model = smollm2();
    let source = source(model.tokenizer());
    let columns = 2 * HIDDEN + 2;
    let keys = vec![vec![9u32, 9], vec![504, 1750, 282]];
    let value = |row: usize, i: usize| ((row * 5 + i * 3) % 11) as f32 * 0.1 - 0.5;
    let rows: Vec<f32> = (0..2 * columns)
        .map(|at| value(at / columns, at % columns))
        .collect();
    let memory = memory_tensors(columns, &keys, &rows).expect("fits");
    let file = network_file_with(&base_of(&source), |_| 0.0, Some(memory.clone()));
    let network = load(file, &model).expect("loads");
    let pieces = [vec![504u32, 1750, 282], vec![504, 282, 1750]];
    let rows = source.input().gather(&pieces.concat()).expect("gathers");
    let made = network.rows(model.decoder(), &pieces, &rows);
    let made = pollster::block_on(made).expect("predicts");
    for i in 0..HIDDEN {
        let column: Vec<f32> = rows.iter().skip(i).step_by(HIDDEN).copied().collect();
        let mean = |of: &[f32]| of.iter().sum::<f32>() / 3.0;
        // The file's spread and direction are 0.1 everywhere; blocks hold an eighth of a thousandth.
        let input = mean(&column[..3]) + 0.1 * value(1, i);
        let first = column[0] - mean(&column[..3]);
        let output = mean(&column[..3])
            + 0.1 * value(1, HIDDEN + i)
            + value(1, 2 * HIDDEN) * first
            + 0.1 * value(1, 2 * HIDDEN + 1);
        assert!((made.input[i] - input).abs() < 1e-3, "input {i}");
        assert!((made.output[i] - output).abs() < 2e-3, "output {i}");
        // The same pieces in another order are another string.
        assert!((made.input[HIDDEN + i] - mean(&column[3..])).abs() < 1e-6);
    }

    let (keys, mut rows) = memory;
    rows.truncate(rows.len() - 2);
    let file = network_file_with(&base_of(&source), |_| 0.0, Some((keys, rows)));
    let error = load(file, &model).expect_err("is refused");
    assert_eq!(error.code(), "bad-config");
}

#[test]
fn the_order_of_a_batch_changes_nothing() {
    let model = smollm2();
    let source = source(model.tokenizer());
    let target = TokenTable::new(&tokenizer("gemma3")).expect("reads");
    let overlap = Overlap::new(source.tokens(), &target);
    let context = Context {
        source: &source,
        target: &target,
        overlap: &overlap,
    };
    let network = trained(&model);
    let mut predicted = Predicted::new(context, &network, model.decoder()).expect("fits");
    let ids = some_new(&overlap);
    let turned: Vec<u32> = ids.iter().rev().copied().collect();
    let (there, back) = (
        predict(&mut predicted, &ids),
        predict(&mut predicted, &turned),
    );
    let rows = |rows: &[f32]| -> Vec<Vec<u32>> {
        let rows = rows.chunks_exact(HIDDEN);
        rows.map(|row| row.iter().map(|x| x.to_bits()).collect())
            .collect()
    };
    let mut back_rows = rows(&back.input);
    back_rows.reverse();
    assert_eq!(rows(&there.input), back_rows);
    let mut back_rows = rows(&back.output.expect("has a head"));
    back_rows.reverse();
    assert_eq!(rows(&there.output.expect("has a head")), back_rows);
    // Alone in its batch, a token gets the same row.
    let alone = predict(&mut predicted, &ids[7..8]);
    assert_eq!(rows(&alone.input)[0], rows(&there.input)[7]);
}

#[test]
fn a_network_of_another_model_is_refused() {
    let model = smollm2();
    let source = source(model.tokenizer());
    let target = TokenTable::new(&tokenizer("qwen3")).expect("reads");
    let overlap = Overlap::new(source.tokens(), &target);
    let context = Context {
        source: &source,
        target: &target,
        overlap: &overlap,
    };
    let network = load(network_file("0123456789abcdef", |_| 0.0), &model).expect("loads");
    let error = Predicted::new(context, &network, model.decoder()).expect_err("is refused");
    assert_eq!(error.code(), "wrong-base-model");
    assert!(error.to_string().contains("another model"));

    let other = safetensors::serialize(Vec::<(String, TensorView<'_>)>::new(), None);
    let error = load(other.expect("serialises"), &model).expect_err("is refused");
    assert_eq!(error.code(), "bad-config");
}

/// Held-out tokens of the source itself, from the two pieces that its last merge joins: their rows
/// are known. Held out are one in twenty by FNV-1a of the bytes, as in training.
#[test]
fn rows_of_held_out_tokens_are_nearer_than_fvts() {
    let model = smollm2();
    let source = source(model.tokenizer());
    let network = trained(&model);
    let held_out = |bytes: &[u8]| {
        let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        (hash >> 20) % 20 == 0
    };
    let (mut pieces, mut wanted) = (Vec::new(), Vec::new());
    for merge in checkpoint()
        .metadata()
        .get_str_array("tokenizer.ggml.merges")
        .expect("reads")
        .expect("is there")
    {
        let (left, right) = merge.split_once(' ').expect("is a pair");
        let find = |token: &str| model.tokenizer().id_of(token).expect("is a token");
        let whole = find(&format!("{left}{right}"));
        if held_out(source.tokens().bytes(whole).expect("has bytes")) {
            pieces.push(vec![find(left), find(right)]);
            wanted.push(whole);
        }
    }
    assert!(wanted.len() > 1500);
    let gathered = source.input().gather(&pieces.concat()).expect("gathers");
    let rows = pollster::block_on(network.rows(model.decoder(), &pieces, &gathered));
    let rows = rows.expect("predicts").input;
    let wanted = source.input().gather(&wanted).expect("gathers");
    let cosine = |a: &[f32], b: &[f32]| {
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
    };
    let (mut found, mut fvt, mut count) = (0.0, 0.0, 0.0);
    for (at, wanted) in wanted.chunks_exact(HIDDEN).enumerate() {
        let two = &gathered[at * 2 * HIDDEN..(at + 1) * 2 * HIDDEN];
        let (left, right) = two.split_at(HIDDEN);
        let mean: Vec<f32> = left.iter().zip(right).map(|(a, b)| (a + b) / 2.0).collect();
        found += cosine(&rows[at * HIDDEN..(at + 1) * HIDDEN], wanted);
        fvt += cosine(&mean, wanted);
        count += 1.0;
    }
    println!(
        "cosine: fvt {:.4}, hypernetwork {:.4}",
        fvt / count,
        found / count
    );
    assert!(found / count > fvt / count + 0.08);
}

/// The oracle of the batched path is the decoder itself: all blocks and the last norm, one sequence
/// at a time. The batched path has a beginning that sequences share once.
#[test]
fn states_of_sequences_are_those_of_the_decoder() {
    let model = smollm2();
    let decoder = model.decoder();
    let source = source(model.tokenizer());
    let checkpoint = checkpoint();
    let norm = checkpoint.tensor("output_norm.weight").expect("is there");
    let norm = checkpoint.read_f32(norm, |_| ControlFlow::Continue(()));
    let norm = pollster::block_on(norm).expect("reads");
    let sequences: [&[u32]; 6] = [
        &[504, 1750, 282, 260],
        &[504, 1750, 512],
        &[28, 339, 512, 100, 9],
        &[504, 339],
        &[504, 1750],
        &[9, 9, 4000, 31],
    ];
    let prefixes = Prefixes::new(sequences);
    assert_eq!(prefixes.len(), 4 + 1 + 5 + 1 + 4);
    let ids = sequences.concat();
    let places: Vec<u32> = prefixes.firsts().iter().map(|at| ids[*at]).collect();
    let rows = source.input().gather(&places).expect("gathers");
    let layers = decoder.config().layers;
    let states = pollster::block_on(decoder.last_states(rows, &prefixes, layers)).expect("runs");
    assert_eq!(states.len(), sequences.len() * HIDDEN);
    for (sequence, state) in sequences.iter().zip(states.chunks_exact(HIDDEN)) {
        let mut cache = decoder.new_cache(sequence.len()).expect("fits");
        let hidden = decoder.forward(sequence, &mut cache).expect("runs");
        let want = pollster::block_on(read_f32(hidden)).expect("reads");
        let want = &want[(sequence.len() - 1) * HIDDEN..];
        let square = state.iter().map(|x| x * x).sum::<f32>() / HIDDEN as f32;
        let scale = 1.0 / (square + decoder.config().norm_eps as f32).sqrt();
        let found: Vec<f32> = state
            .iter()
            .zip(&norm)
            .map(|(x, w)| x * scale * w)
            .collect();
        let difference: f32 = found.iter().zip(want).map(|(a, b)| (a - b) * (a - b)).sum();
        let length: f32 = want.iter().map(|x| x * x).sum();
        // Activations are rounded in the products, and the cache holds keys in its own precision.
        assert!((difference / length).sqrt() < 0.02, "{sequence:?}");
    }
}
