//! What a hypernetwork is trained by, on the real model.

#![cfg(feature = "train")]

mod common;

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use lexigraft_checkpoint::{Checkpoint, MemorySource};
use lexigraft_models::hypernetwork::{Hypernetwork, fingerprint, memory_keys};
use lexigraft_transfer::hypernetwork::pieces::PieceVocabulary;
use lexigraft_transfer::hypernetwork::train::context::{
    self, Objective, PRETENDED, Predictor, Stratum,
};
use lexigraft_transfer::hypernetwork::train::frozen::{FrozenModel, piece_vocabulary};
use lexigraft_transfer::hypernetwork::train::ideal::ideal as ideal_loss;
use lexigraft_transfer::hypernetwork::train::memory::Memory;
use lexigraft_transfer::hypernetwork::train::network::Rows;
use lexigraft_transfer::hypernetwork::train::options::Options;
use lexigraft_transfer::hypernetwork::train::ridge::solve;
use lexigraft_transfer::hypernetwork::train::run::Trainer;
use lexigraft_transfer::hypernetwork::train::sides::Side;
use lexigraft_transfer::hypernetwork::train::splits::{Splitter, held_out};
use lexigraft_transfer::hypernetwork::train::target::{Source, Target};
use lexigraft_transfer::hypernetwork::train::whole;
use rand::SeedableRng;
use safetensors::SafeTensors;

use common::{checkpoint, rows, smollm2, source, tokenizer};
use lexigraft_transfer::{Aids, graft};

/// The mean of the pieces for new tokens, and for pretended ones the row that they have.
struct Known<'a>(&'a FrozenModel, &'a Target, &'a Device);

impl Predictor for Known<'_> {
    fn rows(&self, ids: &[u32]) -> Rows {
        let Self(model, target, device) = self;
        let hidden = model.sizes.hidden;
        let mut rows = Vec::new();
        for &id in ids {
            if id & PRETENDED != 0 {
                rows.extend_from_slice(model.row(id ^ PRETENDED));
                continue;
            }
            let Source::Pieces(pieces) = &target.sources[id as usize] else {
                panic!("{id} is not new");
            };
            let share = 1.0 / pieces.len() as f32;
            rows.extend((0..hidden).map(|i| {
                let column = pieces.iter().map(|&piece| model.row(piece)[i]);
                share * column.sum::<f32>()
            }));
        }
        let rows = TensorData::new(rows, [ids.len(), hidden]);
        let rows = Tensor::<2>::from_data(rows, *device);
        Rows {
            input: rows.clone(),
            output: rows,
        }
    }
}

/// A shared token that is taken for a new one and gets its own row back leaves both losses as
/// they are: the normaliser loses its part and gets it back.
#[test]
fn a_pretended_token_with_its_own_row_changes_no_loss() {
    let device = Device::flex();
    let checkpoint = checkpoint();
    let own = smollm2().tokenizer().clone();
    let model = pollster::block_on(FrozenModel::load(&checkpoint, &device)).expect("loads");
    let vocabulary = piece_vocabulary(&checkpoint, &own).expect("reads");
    let target = Target::new("llama3", tokenizer("llama3"), &vocabulary);
    let text = "The archivist photographed 1987 weathered manuscripts, cataloguing each \
                watermark before the humidity could damage them any further.";
    let chosen = context::windows(&own, text, 128).expect("encodes");
    let hidden = model.sizes.hidden;
    let rows = TensorData::new(model.rows.to_vec(), [model.vocab, hidden]);
    let head = Tensor::<2>::from_data(rows, &device).transpose();
    let shared = target.shared(model.vocab);
    let mask: Vec<f32> = shared.iter().map(|&x| if x { 1.0 } else { 0.0 }).collect();
    let mask = Tensor::<2>::from_data(TensorData::new(mask, [model.vocab, 1]), &device);
    let all = Tensor::<2>::ones([model.vocab, 1], &device);
    let read = context::read(&model, &own, &chosen, 2, &head, &[mask, all], &device);
    let windows: Vec<_> = read.iter().collect();
    let ids = own.encode(text, false).expect("encodes");
    let losses = |(target, which), pretence: f64| {
        let objective = Objective {
            middle: 2,
            middle_spread: Tensor::ones([1, hidden], &device),
            negatives: Arc::new([Stratum::default(), Stratum::default()]),
            pretended: Arc::new(ids.iter().copied().collect::<HashSet<u32>>()),
            pretence,
            input_weight: 1.0,
            output_weight: 1.0,
        };
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(3);
        let predictor = Known(&model, target, &device);
        let found = context::loss(
            &predictor,
            &model,
            &objective,
            (target, which),
            &windows,
            &mut rng,
            &device,
        );
        found.expect("has losses").0
    };
    let (plain, pretended) = (losses((&target, 0), 0.0), losses((&target, 0), 1.0));
    assert!(plain.output > 0.5 && plain.input > 1e-4, "{plain:?}");
    assert!(
        (plain.input - pretended.input).abs() < 1e-5,
        "{pretended:?}"
    );
    // The states were kept in half precision, and a likely token's part cannot be taken away
    // beyond a thousandth.
    assert!(
        (plain.output - pretended.output).abs() < 0.02,
        "{plain:?} {pretended:?}"
    );
    // With the source's own tokenizer and its own rows, the loss is the model's.
    let same = Target::new("own", own.clone(), &vocabulary);
    let found = losses((&same, 1), 1.0);
    let ideal = ideal_loss(&model, &vocabulary, &same, &windows, &head, &device);
    let ideal = ideal.expect("has a loss");
    assert!((found.output - ideal).abs() < 0.02, "{found:?} {ideal}");
    assert!(
        (found.whole - ideal).abs() < 0.02 && found.input < 1e-4,
        "{found:?}"
    );
}

/// The rows that a tokenizer shares with the source, `[hidden, shared]`.
fn shared_rows(model: &FrozenModel, target: &Target, device: &Device) -> Tensor<2> {
    let is_shared = target.shared(model.vocab);
    let rows: Vec<f32> = (0u32..)
        .zip(is_shared)
        .filter(|(_, is_shared)| *is_shared)
        .flat_map(|(id, _)| model.row(id))
        .copied()
        .collect();
    let shape = [rows.len() / model.sizes.hidden, model.sizes.hidden];
    Tensor::<2>::from_data(TensorData::new(rows, shape), device).transpose()
}

/// The loss through all blocks is what the engine says of the same model, with its own tokens and
/// with another tokenizer's by FVT, whose normaliser is drawn here and whole there. A replay of it
/// is the same number.
#[test]
fn the_loss_of_the_whole_model_is_the_engines() {
    let device = Device::flex();
    let checkpoint = checkpoint();
    let own = smollm2();
    let model = pollster::block_on(FrozenModel::load(&checkpoint, &device)).expect("loads");
    let vocabulary = piece_vocabulary(&checkpoint, own.tokenizer()).expect("reads");
    let text = "The archivist photographed 1987 weathered manuscripts, cataloguing each \
                watermark before the humidity could damage them any further.";
    let losses = |target: &Target, stratum: Stratum| {
        let predictor = Known(&model, target, &device);
        let side = Side {
            target,
            places: HashMap::new(),
            strata: [stratum, Stratum::default()],
            shared: shared_rows(&model, target, &device),
        };
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(3);
        let found = whole::loss(&predictor, &model, &side, &[text], &mut rng, &device);
        let (loss, kept) = found.expect("has a loss");
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(3);
        let again = whole::replay(&predictor, &side, &kept, &mut rng, &device);
        [loss, again].map(|loss| loss.into_scalar::<f32>())
    };
    let said = |model: &lexigraft_decode::LanguageModel| {
        let score = pollster::block_on(model.score(text).expect("begins").finish());
        let nll = score.expect("scores").token_nll;
        nll.iter().sum::<f32>() / nll.len() as f32
    };
    let same = Target::new("own", own.tokenizer().clone(), &vocabulary);
    let ([loss, again], want) = (losses(&same, Stratum::default()), said(&own));
    assert!((loss - want).abs() < 0.01, "{loss} is not {want}");
    assert!((loss - again).abs() < 1e-4, "{loss} is not {again}");
    let other = Target::new("llama3", tokenizer("llama3"), &vocabulary);
    let all = Stratum {
        ids: other.new.clone(),
        size: other.new.len(),
        draws: 20_000,
    };
    let means = rows(
        &source(own.tokenizer()),
        &other.tokenizer,
        "fvt",
        Aids::default(),
    )
    .2;
    let grafted = pollster::block_on(graft(&own, &other.tokenizer, &means)).expect("grafts");
    let ([loss, again], want) = (losses(&other, all), said(&grafted));
    assert!((loss - want).abs() < 0.05, "{loss} is not {want}");
    assert!((loss - again).abs() < 1e-4, "{loss} is not {again}");
}

#[test]
fn the_commonest_new_strings_are_remembered() {
    let checkpoint = checkpoint();
    let own = smollm2();
    let vocabulary = piece_vocabulary(&checkpoint, own.tokenizer()).expect("reads");
    let other = [Target::new("llama3", tokenizer("llama3"), &vocabulary)];
    let text = "He stood.\nShe sat.\nThey left.\nWe :\n\n stay.\n".to_owned();
    let memory = Memory::choose(4, 10, &other, &[(text, 1.0)]).expect("encodes");
    let strings: Vec<Vec<u8>> = memory
        .keys
        .iter()
        .map(|key| {
            key.iter()
                .flat_map(|&id| vocabulary.bytes(id))
                .copied()
                .collect()
        })
        .collect();
    assert_eq!(strings, [b".\n".to_vec()]);
    assert_eq!(memory.slot(&memory.keys[0]), Some(0));
}

/// A run that begins with a file says of strings what the file says, remembered or not, as long as
/// nothing is trained; and so does one that goes on in the folder of another.
#[test]
fn a_run_goes_on_with_head_and_memory_of_a_file() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let trained = here.join("../../assets/hypernetwork/smollm2-135m.safetensors");
    let docs = ["bytes", "demo", "graft", "hypernetwork", "see"];
    let docs = docs.map(|name| std::fs::read_to_string(here.join(format!("../../docs/{name}.md"))));
    let text: String = docs.into_iter().map(|text| text.expect("reads")).collect();
    let folder = std::env::temp_dir().join(format!("lexigraft-training-{}", std::process::id()));
    let own = smollm2();
    let source = source(own.tokenizer());
    let run = |begin: Option<&Path>| {
        let options = Options {
            folder: folder.clone(),
            polish_seconds: 0.0,
            memory: 300,
            ..Options::default()
        };
        let targets = vec![("llama3".to_owned(), tokenizer("llama3"))];
        let checkpoint = checkpoint();
        let trainer = Trainer::new(&checkpoint, own.tokenizer().clone(), targets, options);
        let mut trainer = pollster::block_on(trainer).expect("loads");
        if let Some(path) = begin {
            trainer.begin_with(path).expect("is a network");
        }
        let texts = [(text.clone(), 1.0)];
        trainer.polish(&texts, &mut |_, _, _| ()).expect("runs");
        let out = folder.join("out.safetensors");
        let base = fingerprint(source.input().blocks());
        trainer.export(base, "SmolLM2", &out).expect("writes");
        std::fs::read(out).expect("reads")
    };
    let (begun, resumed) = (run(Some(&trained)), run(None));
    std::fs::remove_dir_all(&folder).expect("is there");

    let trained = std::fs::read(trained).expect("reads");
    let strings = |bytes: &[u8]| -> HashSet<Vec<u32>> {
        let file = SafeTensors::deserialize(bytes).expect("is a file");
        let pieces = file.tensor("memory.pieces").expect("has a memory");
        let singles = pieces.data().as_chunks::<4>().0.iter();
        let singles: Vec<f32> = singles.map(|x| f32::from_le_bytes(*x)).collect();
        memory_keys(&singles).into_iter().collect()
    };
    let (old, new) = (strings(&trained), strings(&begun));
    assert_eq!(new, strings(&resumed));
    let both = old.intersection(&new).cloned();
    let mut asked: Vec<Vec<u32>> = both.filter(|key| key.len() > 1).take(40).collect();
    assert_eq!(asked.len(), 40, "the file remembers what texts are full of");
    asked.push(vec![504, 1750, 282]);
    assert!(!old.contains(&asked[40]) && !new.contains(&asked[40]));
    let rows = |bytes: &[u8]| {
        pollster::block_on(async {
            let file = MemorySource::new(bytes.to_vec());
            let file = Checkpoint::open(file).await.expect("is a checkpoint");
            let keep_on = &mut |_, _| ControlFlow::Continue(());
            let network = Hypernetwork::load(&file, own.decoder(), keep_on).await;
            let network = network.expect("loads");
            let mut said = Vec::new();
            for key in &asked {
                let pieces = source.input().gather(key).expect("gathers");
                let tokens = std::slice::from_ref(key);
                let rows = network.rows(own.decoder(), tokens, &pieces).await;
                let rows = rows.expect("predicts");
                said.push([rows.input, rows.output].concat());
            }
            said
        })
    };
    let want = rows(&trained);
    for said in [rows(&begun), rows(&resumed)] {
        for ((said, want), key) in said.iter().zip(&want).zip(&asked) {
            for (x, y) in said.iter().zip(want) {
                // Rows are written in blocks of eight bits, and those again.
                assert!((x - y).abs() < 2e-3, "{key:?}: {x} is not {y}");
            }
        }
    }
}

/// Letters, and the merges that make `abcd` and `abc`.
fn vocabulary() -> PieceVocabulary {
    let tokens = ["a", "b", "c", "d", "ab", "cd", "abcd", "abc"];
    let tokens = tokens.map(|token| token.as_bytes().to_vec()).to_vec();
    PieceVocabulary::new(tokens, &[(0, 1), (2, 3), (4, 5), (4, 2)])
}

#[test]
fn pieces_join_to_their_token() {
    let vocabulary = vocabulary();
    let splitter = Splitter::new(&vocabulary).expect("has merges");
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
    for _ in 0..200 {
        let split = splitter.draw(&mut rng);
        let bytes: Vec<u8> = split
            .pieces
            .iter()
            .flat_map(|id| vocabulary.bytes(*id))
            .copied()
            .collect();
        assert_eq!(bytes, vocabulary.bytes(split.token));
        assert!(split.pieces.len() > 1);
        assert!(!held_out(&bytes));
    }
    assert_eq!(vocabulary.decompose(b"abcdcd"), Some(vec![6, 5]));
    assert_eq!(vocabulary.decompose(b"abx"), None);
}

#[test]
fn the_solver_solves() {
    // B Bᵀ + 1 for some B, so positive definite.
    let n = 5;
    let b: Vec<f64> = (0..n * n)
        .map(|i| ((i * 37 % 11) as f64 - 5.0) / 3.0)
        .collect();
    let mut a = vec![0f64; n * n];
    for i in 0..n {
        for j in 0..n {
            let dot: f64 = (0..n).map(|k| b[i * n + k] * b[j * n + k]).sum();
            a[i * n + j] = dot + f64::from(u8::from(i == j));
        }
    }
    let x: Vec<f64> = (0..n * 2).map(|i| i as f64 - 4.0).collect();
    let mut right = vec![0f64; n * 2];
    for i in 0..n {
        for c in 0..2 {
            right[i * 2 + c] = (0..n).map(|k| a[i * n + k] * x[k * 2 + c]).sum();
        }
    }
    let found = solve(&mut a.clone(), right, n, 2);
    for (found, want) in found.iter().zip(&x) {
        assert!((found - want).abs() < 1e-9, "{found} is not {want}");
    }
}
