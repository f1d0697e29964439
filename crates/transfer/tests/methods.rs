//! Each method against the slow way, between two small vocabularies and an untied model.

use std::collections::HashMap;
use std::future::ready;
use std::ops::ControlFlow;

use lexigraft_checkpoint::DType;
use lexigraft_text::Tokenizer;
use lexigraft_transfer::initialise::{
    Combined, Focus, Fvt, Initialise, Mean, Omp, Rows, TextVectors, TokenAdapt, TokenAdaptOptions,
    VectorsFuture, Wechsel, Zero,
};
use lexigraft_transfer::report::{Splits, stochastok};
use lexigraft_transfer::vectors::UnitVectors;
use lexigraft_transfer::{
    Context, Method, Origin, Overlap, SourceModel, StoredRows, TokenTable, transplant,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const HIDDEN: usize = 12;

/// Letters, then these tokens, each with a merge of its first letters and its last.
fn tokenizer(words: &[&str]) -> Tokenizer {
    let mut vocab: Vec<String> = ('a'..='f').map(String::from).collect();
    let mut merges = Vec::new();
    for word in words {
        for len in 2..=word.len() {
            let token = word[..len].to_owned();
            if !vocab.contains(&token) {
                merges.push(format!("{} {}", &token[..len - 1], &token[len - 1..]));
                vocab.push(token);
            }
        }
    }
    let entries: HashMap<&str, usize> = vocab.iter().map(String::as_str).zip(0..).collect();
    let size = vocab.len();
    let json = serde_json::json!({
        "added_tokens": [{"id": size, "content": "</s>", "special": true, "single_word": false,
            "lstrip": false, "rstrip": false, "normalized": false}],
        "decoder": {"type": "ByteLevel"},
        "model": {"type": "BPE", "vocab": entries, "merges": merges},
    });
    Tokenizer::from_json(json.to_string().as_bytes()).expect("is a tokenizer")
}

fn random(len: usize, seed: u64) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..len).map(|_| random.random_range(-1f32..1.0)).collect()
}

fn stored(values: &[f32], columns: usize) -> StoredRows {
    let mut rows = StoredRows::new(DType::F32, columns, values.len() / columns).expect("fits");
    rows.push_values(values).expect("are numbers");
    rows
}

struct Small {
    source: SourceModel,
    target: TokenTable,
    overlap: Overlap,
}

impl Small {
    fn new() -> Self {
        let old = tokenizer(&["abc", "de", "fa", "bd"]);
        let new = tokenizer(&["abc", "abd", "def", "fad", "cc"]);
        let rows = |seed| stored(&random(old.vocab_size() * HIDDEN, seed), HIDDEN);
        let source = SourceModel::new(&old, rows(1), Some(rows(2))).expect("fits");
        let target = TokenTable::new(&new).expect("reads");
        let overlap = Overlap::new(source.tokens(), &target);
        Self {
            source,
            target,
            overlap,
        }
    }

    fn context(&self) -> Context<'_> {
        Context {
            source: &self.source,
            target: &self.target,
            overlap: &self.overlap,
        }
    }

    fn new_ids(&self) -> Vec<u32> {
        self.overlap.new_ids().collect()
    }

    fn rows(&self, method: &mut dyn Initialise) -> Rows {
        pollster::block_on(method.rows(&self.new_ids())).expect("makes rows")
    }

    /// `weights` of each new token times both matrices, in doubles.
    fn assert_sums(&self, found: &Rows, weights: &[Vec<(u32, f64)>]) {
        let output = found.output.as_ref().expect("the head is its own");
        for (rows, found) in [
            (self.source.input(), &found.input),
            (self.source.output(), output),
        ] {
            assert_eq!(found.len(), weights.len() * HIDDEN);
            for (weights, found) in weights.iter().zip(found.chunks(HIDDEN)) {
                let mut expected = vec![0f64; HIDDEN];
                for (id, weight) in weights {
                    let row = rows.gather(&[*id]).expect("is a row");
                    for (expected, x) in expected.iter_mut().zip(row) {
                        *expected += weight * f64::from(x);
                    }
                }
                for (found, expected) in found.iter().zip(&expected) {
                    assert!(
                        (f64::from(*found) - expected).abs() < 1e-4,
                        "{found} {expected}"
                    );
                }
            }
        }
        assert_eq!(found.bias, None);
    }
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter()
            .zip(b)
            .map(|(x, y)| f64::from(*x) * f64::from(*y))
            .sum()
    };
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

fn softmax(values: &[f64], temperature: f64) -> Vec<f64> {
    let all: f64 = values.iter().map(|x| (x / temperature).exp()).sum();
    values
        .iter()
        .map(|x| (x / temperature).exp() / all)
        .collect()
}

#[test]
fn tokens_are_shared_special_or_new() {
    let small = Small::new();
    let bytes = |id: u32| String::from_utf8_lossy(small.target.bytes(id).unwrap()).into_owned();
    let new: Vec<String> = small.new_ids().into_iter().map(bytes).collect();
    assert_eq!(new, ["abd", "def", "fad", "cc"]);
    let end = small.target.find_special(b"</s>").unwrap();
    let old = small.source.tokens().find_special(b"</s>").unwrap();
    assert_eq!(small.overlap.origin(end), Origin::Special(old));
    assert_eq!(small.overlap.shared().count(), small.target.len() - 5);
}

#[test]
fn zero_mean_and_fvt() {
    let small = Small::new();
    let zero = small.rows(&mut Zero::new(small.context()));
    assert!(zero.input.iter().all(|x| *x == 0.0) && zero.output.is_some());
    let size = small.source.tokens().len() as u32;
    let all: Vec<(u32, f64)> = (0..size).map(|id| (id, 1.0 / f64::from(size))).collect();
    let mean = small.rows(&mut Combined::new(small.context(), Mean));
    small.assert_sums(&mean, &vec![all; 4]);
    let fvt = small.rows(&mut Combined::new(small.context(), Fvt));
    let id = |text: &str| small.source.tokens().find(text.as_bytes()).expect(text);
    let expected = [["ab", "d"], ["de", "f"], ["fa", "d"], ["c", "c"]];
    let expected = expected.map(|pieces| pieces.iter().map(|piece| (id(piece), 0.5)).collect());
    small.assert_sums(&fvt, &expected);
}

#[test]
fn focus_is_the_sparsemax_over_shared_tokens() {
    let small = Small::new();
    let mut values = random(small.target.len() * 5, 7);
    let [.., lacking] = small.new_ids()[..] else {
        panic!()
    };
    values[lacking as usize * 5..][..5].fill(0.0);
    let vectors = UnitVectors::new(values.clone(), 5);
    let focus = Focus::new(small.context(), vectors);
    let found = small.rows(&mut Combined::new(small.context(), focus));
    let row = |id: u32| &values[id as usize * 5..][..5];
    let mut expected = Vec::new();
    for id in small.new_ids() {
        if id == lacking {
            // Without a vector: the mean of its pieces, c and c.
            expected.push(vec![(small.source.tokens().find(b"c").unwrap(), 1.0)]);
            continue;
        }
        let shared: Vec<(u32, f64)> = small
            .overlap
            .shared()
            .map(|(new, old)| (old, cosine(row(new), row(id))))
            .collect();
        let (mut low, mut high) = (-2.0, 1.0);
        for _ in 0..100 {
            let middle = (low + high) / 2.0;
            let sum: f64 = shared.iter().map(|(_, x)| f64::max(x - middle, 0.0)).sum();
            if sum > 1.0 {
                low = middle
            } else {
                high = middle
            }
        }
        expected.push(
            shared
                .iter()
                .map(|(old, x)| (*old, f64::max(x - low, 0.0)))
                .collect(),
        );
    }
    small.assert_sums(&found, &expected);
}

#[test]
fn wechsel_aligns_and_takes_the_nearest() {
    let small = Small::new();
    let columns = 4;
    let source = random(small.source.tokens().len() * columns, 3);
    // The target's space is the source's, turned; shared tokens are where they were.
    let (sin, cos) = 0.8f32.sin_cos();
    let turn = |v: &[f32]| {
        [
            cos * v[0] - sin * v[2],
            v[1],
            sin * v[0] + cos * v[2],
            -v[3],
        ]
    };
    let mut target = random(small.target.len() * columns, 4);
    let mut expected = Vec::new();
    let tokens = small.source.tokens();
    for (new, old) in small.overlap.shared() {
        let row = turn(&source[old as usize * columns..][..columns]);
        target[new as usize * columns..][..columns].copy_from_slice(&row);
    }
    for id in small.new_ids() {
        let query = &target[id as usize * columns..][..columns];
        let all = tokens.text_ids().map(|old| {
            let row = turn(&source[old as usize * columns..][..columns]);
            (old, cosine(&row, query))
        });
        let mut all: Vec<(u32, f64)> = all.collect();
        all.sort_by(|a, b| b.1.total_cmp(&a.1));
        all.truncate(10);
        let weights = softmax(&all.iter().map(|(_, x)| *x).collect::<Vec<f64>>(), 0.1);
        expected.push(
            all.iter()
                .map(|(old, _)| *old)
                .zip(weights)
                .collect::<Vec<(u32, f64)>>(),
        );
    }
    let source = UnitVectors::new(source, columns);
    let target = UnitVectors::new(target, columns);
    let wechsel = Wechsel::new(small.context(), &source, target).expect("aligns");
    let found = small.rows(&mut Combined::new(small.context(), wechsel));
    // The alignment is as exact as single precision.
    small.assert_sums(&found, &expected);
    let other = UnitVectors::new(vec![0.0; 9], 3);
    let error = Wechsel::new(small.context(), &source, other).expect_err("two lengths");
    assert_eq!(error.code(), "tokenizer-mismatch");
}

/// Vectors drawn anew for each text.
struct Drawn;

fn drawn(text: &str) -> Vec<f32> {
    let seed = text
        .bytes()
        .fold(7u64, |seed, byte| seed * 31 + u64::from(byte));
    random(6, seed)
}

impl TextVectors for Drawn {
    fn embed<'a>(&'a self, texts: &'a [String]) -> VectorsFuture<'a> {
        Box::pin(ready(Ok(texts.iter().map(|text| drawn(text)).collect())))
    }
}

#[test]
fn token_adapt_weighs_pieces_and_neighbours() {
    let small = Small::new();
    let options = TokenAdaptOptions::default();
    let keep_on = |_, _| ControlFlow::Continue(());
    let made = TokenAdapt::new(small.context(), &Drawn, options, keep_on);
    let found = small.rows(&mut pollster::block_on(made).expect("embeds"));
    let tokens = small.source.tokens();
    let text = |id: u32| std::str::from_utf8(tokens.bytes(id).unwrap()).unwrap();
    let mut expected = Vec::new();
    for id in small.new_ids() {
        let word = std::str::from_utf8(small.target.bytes(id).unwrap()).unwrap();
        let pieces = small.source.decompose(word.as_bytes());
        let alike: Vec<f64> = pieces
            .iter()
            .map(|piece| cosine(&drawn(text(*piece)), &drawn(word)))
            .collect();
        let both: Vec<f64> = softmax(&alike, 1.0)
            .iter()
            .zip(&pieces)
            .map(|(s, piece)| (s + text(*piece).len() as f64 / word.len() as f64) / 2.0)
            .collect();
        let mut weights: Vec<(u32, f64)> = pieces
            .iter()
            .copied()
            .zip(softmax(&both, 0.3))
            .map(|(id, w)| (id, 0.7 * w))
            .collect();
        let all = tokens
            .text_ids()
            .map(|old| (old, cosine(&drawn(text(old)), &drawn(word))));
        let mut all: Vec<(u32, f64)> = all.collect();
        all.sort_by(|a, b| b.1.total_cmp(&a.1));
        let alike = all
            .iter()
            .take(3)
            .filter(|(_, cosine)| *cosine >= 0.5)
            .count();
        all.truncate(alike.max(1));
        let global = softmax(&all.iter().map(|(_, x)| *x).collect::<Vec<f64>>(), 0.3);
        weights.extend(all.iter().zip(global).map(|((old, _), w)| (*old, 0.3 * w)));
        expected.push(weights);
    }
    small.assert_sums(&found, &expected);
}

#[test]
fn omp_carries_a_linear_relation_over() {
    let small = Small::new();
    // The donor's rows, and the model's as a linear image of them: a full pursuit finds the image.
    let columns = 9;
    let donor_rows = random(small.target.len() * columns, 11);
    let maps = [random(columns * HIDDEN, 12), random(columns * HIDDEN, 13)];
    let image = |row: &[f32], map: &[f32]| -> Vec<f32> {
        (0..HIDDEN)
            .map(|at| {
                row.iter()
                    .zip(map.chunks(HIDDEN))
                    .map(|(x, map)| x * map[at])
                    .sum()
            })
            .collect()
    };
    let donor_row = |id: u32| &donor_rows[id as usize * columns..][..columns];
    let matrices = maps.each_ref().map(|map| {
        let mut values = random(small.source.tokens().len() * HIDDEN, 14);
        for (new, old) in small.overlap.shared() {
            values[old as usize * HIDDEN..][..HIDDEN].copy_from_slice(&image(donor_row(new), map));
        }
        stored(&values, HIDDEN)
    });
    let [input, output] = matrices;
    let source =
        SourceModel::new(small.source.tokens().tokenizer(), input, Some(output)).expect("fits");
    let context = Context {
        source: &source,
        ..small.context()
    };
    let donor = SourceModel::new(small.target.tokenizer(), stored(&donor_rows, columns), None);
    let donor = donor.expect("fits");
    let mut omp = Omp::new(context, &donor, 64).expect("is the target's");
    let found = small.rows(&mut omp);
    for (at, id) in small.new_ids().into_iter().enumerate() {
        let outputs = found.output.as_ref().expect("the head is its own");
        for (found, map) in [&found.input, outputs].into_iter().zip(&maps) {
            let expected = image(donor_row(id), map);
            for (found, expected) in found[at * HIDDEN..][..HIDDEN].iter().zip(&expected) {
                assert!((found - expected).abs() < 1e-2, "{found} {expected}");
            }
        }
    }
    let error = Omp::new(context, &source, 64)
        .err()
        .expect("another tokenizer");
    assert_eq!(error.code(), "tokenizer-mismatch");
}

#[test]
fn a_transplant_stops_when_it_is_told_to() {
    let small = Small::new();
    let mut method = Zero::new(small.context());
    let stopped = transplant(small.context(), &mut method, |_, _| ControlFlow::Break(()));
    assert_eq!(
        pollster::block_on(stopped).expect_err("stops").code(),
        "aborted"
    );
}

#[test]
fn methods_have_names() {
    for name in [
        "zero",
        "mean",
        "fvt",
        "wechsel",
        "focus",
        "token-adapt",
        "omp",
        "fvt+first-piece",
    ] {
        let method: Method = name.parse().expect(name);
        assert_eq!(method.to_string(), name);
    }
    for name in ["", "fvt+", "best", "fvt+fvt", "first-piece"] {
        assert_eq!(
            name.parse::<Method>().expect_err(name).code(),
            "invalid-argument"
        );
    }
    let small = Small::new();
    let keep_on = |_, _| ControlFlow::Continue(());
    for name in ["wechsel", "focus", "token-adapt", "omp", "fvt+first-piece"] {
        let method: Method = name.parse().expect(name);
        let made = method.prepare(small.context(), Default::default(), keep_on);
        let error = pollster::block_on(made).err().expect("lacks an aid");
        assert_eq!(error.code(), "invalid-argument", "{name}");
    }
}

#[test]
fn rows_that_do_not_fit_are_refused() {
    let small = Small::new();
    let tokenizer = small.source.tokens().tokenizer();
    let few = stored(&random(3 * HIDDEN, 1), HIDDEN);
    let error = SourceModel::new(tokenizer, few, None).expect_err("fewer rows than tokens");
    assert_eq!(error.code(), "tokenizer-mismatch");
    assert!(StoredRows::new(DType::Q8_0, 31, 1).is_err());
    let mut rows = stored(&random(HIDDEN, 1), HIDDEN);
    assert!(rows.push_values(&[0.0; HIDDEN + 1]).is_err());
    assert!(rows.push_values(&[f32::NAN; HIDDEN]).is_err());
    assert!(rows.gather(&[1]).is_err());
}

#[test]
fn stochastok_keeps_the_bytes() {
    let small = Small::new();
    let table = &small.target;
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let text: Vec<u32> = table.text_ids().collect();
    for seed in 0..50 {
        let ids: Vec<u32> = (0..40)
            .map(|_| text[random.random_range(0..text.len())])
            .collect();
        let splits = Splits::new(table, &ids);
        let mut split = ids.clone();
        stochastok(&mut split, &splits, 0.5, seed);
        let bytes = |ids: &[u32]| -> Vec<u8> {
            ids.iter()
                .flat_map(|id| table.bytes(*id).unwrap())
                .copied()
                .collect()
        };
        assert_eq!(bytes(&split), bytes(&ids));
        assert!(split.len() > ids.len());
        let mut none = ids.clone();
        stochastok(&mut none, &splits, 0.0, seed);
        assert_eq!(none, ids);
    }
}
