//! Joins of a batch against the slow way, and the rules that they keep.

mod common;

use std::collections::HashMap;
use std::num::NonZeroUsize;

use common::gguf_vocabulary;
use lexigraft_checkpoint::DType;
use lexigraft_text::Tokenizer;
use lexigraft_transfer::dynamic::{
    CacheCounts, DynamicEmbedding, Merged, RowMaker, may_join, merge_batch,
};
use lexigraft_transfer::{SourceModel, StoredRows, TokenTable};
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// In GPT-2's spelling: letters, a digit, signs, blanks, the two bytes of `é`, and longer tokens.
const TOKENS: [&str; 15] = [
    "a", "b", "1", ".", "Ġ", "Ċ", "Ã", "©", "ab", "Ġa", "aba", "ĠĠ", "Ã©", "Ċa", "..",
];
const MERGES: [&str; 6] = ["a b", "Ġ a", "ab a", "Ġ Ġ", "Ã ©", ". ."];
const END: u32 = TOKENS.len() as u32;

fn tokenizer() -> Tokenizer {
    let entries: HashMap<&str, usize> = TOKENS.into_iter().zip(0..).collect();
    let json = serde_json::json!({
        "added_tokens": [{"id": END, "content": "</s>", "special": true, "single_word": false,
            "lstrip": false, "rstrip": false, "normalized": false}],
        "pre_tokenizer": {
            "type": "ByteLevel", "add_prefix_space": false, "use_regex": true, "trim_offsets": true
        },
        "decoder": {"type": "ByteLevel"},
        "model": {"type": "BPE", "vocab": entries, "merges": MERGES},
    });
    Tokenizer::from_json(json.to_string().as_bytes()).expect("is a tokenizer")
}

fn table() -> TokenTable {
    TokenTable::new(&tokenizer()).expect("reads")
}

/// `None` is a control token.
type Slow = Option<Vec<u8>>;

fn bytes_of(id: u32) -> Slow {
    let spelt = TOKENS.get(id as usize)?;
    let byte = |c| match c {
        'Ġ' => b' ',
        'Ċ' => b'\n',
        'Ã' => 0xc3,
        '©' => 0xa9,
        c => c as u8,
    };
    Some(spelt.chars().map(byte).collect())
}

/// The rules over this alphabet, with GPT-2's pattern spelt out: one optional space and then
/// letters, digits or signs alone, or blanks alone.
fn slow_may_join(left: &Slow, right: &Slow) -> bool {
    let (Some(left), Some(right)) = (left, right) else {
        return false;
    };
    let joined = [left.as_slice(), right].concat();
    let blank = |b: &u8| *b == b' ' || *b == b'\n';
    let all_blank = joined.iter().all(blank);
    if joined.iter().skip(1).any(blank) && !all_blank {
        return false;
    }
    let newlines = joined.iter().zip(joined.iter().skip(1));
    if newlines.clone().any(|(a, b)| *a == b'\n' && *b == b'\n') {
        return false;
    }
    let Ok(text) = std::str::from_utf8(&joined) else {
        return true;
    };
    let rest = text.strip_prefix(' ').unwrap_or(text);
    let is = |kind: fn(char) -> bool| !rest.is_empty() && rest.chars().all(kind);
    all_blank || is(|c| "abé".contains(c)) || is(|c| c == '1') || is(|c| c == '.')
}

struct SlowMerged {
    texts: Vec<Vec<Slow>>,
    merges: usize,
    /// Whether some join was one of several that were as frequent.
    tied: bool,
}

/// Counts everything anew for every join.
fn slow_merge(texts: &[Vec<u32>], merges: usize) -> SlowMerged {
    let mut texts: Vec<Vec<Slow>> = texts
        .iter()
        .map(|text| text.iter().map(|id| bytes_of(*id)).collect())
        .collect();
    let (mut done, mut tied) = (0, false);
    while done < merges {
        let mut seen: Vec<([Slow; 2], usize)> = Vec::new();
        for text in &texts {
            for pair in text.windows(2) {
                if !slow_may_join(&pair[0], &pair[1]) {
                    continue;
                }
                match seen.iter_mut().find(|(known, _)| known == pair) {
                    Some((_, count)) => *count += 1,
                    None => seen.push(([pair[0].clone(), pair[1].clone()], 1)),
                }
            }
        }
        let Some(most) = seen.iter().map(|(_, count)| *count).max() else {
            break;
        };
        let mut best = seen.iter().filter(|(_, count)| *count == most);
        let (pair, _) = best.next().expect("is there");
        tied |= best.next().is_some();
        for text in &mut texts {
            let mut at = 0;
            while at + 1 < text.len() {
                if text[at..at + 2] == *pair {
                    let right = text.remove(at + 1).expect("has bytes");
                    text[at].as_mut().expect("has bytes").extend(right);
                }
                at += 1;
            }
        }
        done += 1;
    }
    SlowMerged {
        texts,
        merges: done,
        tied,
    }
}

fn as_bytes(merged: &Merged) -> Vec<Vec<Slow>> {
    let token = |id: &u32| match merged.joined(*id) {
        Some(bytes) => Some(bytes.to_vec()),
        None => bytes_of(*id),
    };
    let texts = merged.texts().iter();
    texts.map(|text| text.iter().map(token).collect()).collect()
}

fn random_batch(random: &mut ChaCha8Rng) -> Vec<Vec<u32>> {
    // Few different tokens make many joins, all of them make many kinds of neighbours.
    let kinds = random.random_range(1..=END + 1);
    let texts = random.random_range(0..5);
    let mut text = || -> Vec<u32> {
        let len = random.random_range(0..26);
        (0..len)
            .map(|_| (random.random_range(0..kinds) * 7) % (END + 1))
            .collect()
    };
    (0..texts).map(|_| text()).collect()
}

#[test]
fn joins_are_those_of_the_slow_way() {
    let table = table();
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let (mut joins, mut ties, mut exhausted) = (0, 0, 0);
    for _ in 0..1500 {
        let batch = random_batch(&mut random);
        let merges = random.random_range(0..20);
        let merged = merge_batch(&table, &batch, merges).expect("merges");
        let slow = slow_merge(&batch, merges);
        assert_eq!(as_bytes(&merged), slow.texts, "{merges} joins of {batch:?}");
        assert_eq!(merged.merges(), slow.merges, "{merges} joins of {batch:?}");
        joins += slow.merges;
        ties += usize::from(slow.tied);
        exhausted += usize::from(slow.merges < merges);
        for (text, merged_text) in batch.iter().zip(merged.texts()) {
            let bytes = |ids: &[u32]| -> Vec<u8> {
                let bytes = ids.iter().map(|id| match merged.joined(*id) {
                    Some(bytes) => bytes,
                    None => table.bytes(*id).expect("is a token"),
                });
                bytes.collect::<Vec<_>>().concat()
            };
            assert_eq!(bytes(text), bytes(merged_text), "the bytes stay the same");
            for id in merged_text {
                let bytes = merged.joined(*id);
                // What the vocabulary has is never given a new id.
                assert!(bytes.is_none_or(|bytes| table.find(bytes).is_none()));
                assert_eq!(bytes.is_none(), *id <= END);
            }
        }
    }
    assert!(joins > 3000 && ties > 200 && exhausted > 200);
}

#[test]
fn without_ties_the_order_of_texts_is_of_no_account() {
    let table = table();
    let mut random = ChaCha8Rng::seed_from_u64(2);
    let mut compared = 0;
    for _ in 0..3000 {
        let batch = random_batch(&mut random);
        let merges = random.random_range(1..4);
        if slow_merge(&batch, merges).tied {
            continue;
        }
        let mut order: Vec<usize> = (0..batch.len()).collect();
        order.shuffle(&mut random);
        let shuffled: Vec<Vec<u32>> = order.iter().map(|at| batch[*at].clone()).collect();
        let want = as_bytes(&merge_batch(&table, &batch, merges).expect("merges"));
        let found = as_bytes(&merge_batch(&table, &shuffled, merges).expect("merges"));
        for (found, at) in found.iter().zip(&order) {
            assert_eq!(
                found, &want[*at],
                "{merges} joins of {batch:?} as {order:?}"
            );
        }
        compared += usize::from(batch.len() > 1 && merges > 0);
    }
    assert!(compared > 300, "{compared}");
}

#[test]
fn of_pairs_as_frequent_the_one_that_is_seen_first_is_joined() {
    let table = table();
    // `b1` may not be joined; `bb` and `11` occur once each.
    let (first, second) = (vec![1, 1], vec![2, 2]);
    let merged = |batch: &[Vec<u32>]| as_bytes(&merge_batch(&table, batch, 1).expect("merges"));
    let text = |text: &str| Some(text.as_bytes().to_vec());
    let found = merged(&[first.clone(), second.clone()]);
    assert_eq!(found, [vec![text("bb")], vec![text("1"), text("1")]]);
    let found = merged(&[second, first]);
    assert_eq!(found, [vec![text("11")], vec![text("b"), text("b")]]);
}

#[test]
fn a_real_tokenizer_joins_within_its_words() {
    let order: Vec<u32> = (0..49152).collect();
    let tokenizer = Tokenizer::from_gguf(gguf_vocabulary(&order)).expect("is a tokenizer");
    let table = TokenTable::new(&tokenizer).expect("reads");
    let ids = |text: &str| tokenizer.encode(text, false).expect("encodes");
    let joins = |left: &[u8], right: &[u8]| {
        let find = |bytes| table.find(bytes).expect("is a token");
        may_join(&table, find(left), find(right)).expect("is known")
    };
    assert!(joins(b" walk", b"able"));
    assert!(joins(b" ", b"walk"));
    assert!(joins(b"\xc3", b"\xbc"));
    // No UTF-8 by itself.
    assert!(joins(b"a", b"\xc3"));
    assert!(!joins(b" walk", b" able"));
    assert!(!joins(b"1", b"2"), "digits are pre-tokens of their own");
    assert!(!joins(b"walk", b"."));
    assert!(!joins(b"\n", b"\n"));
    assert!(!joins(b"\n", b"walk"));
    let end = tokenizer.id_of("<|im_end|>").expect("is there");
    let walk = table.find(b" walk").expect("is there");
    for (left, right) in [(end, walk), (walk, end), (end, end), (walk, 49152)] {
        assert!(!may_join(&table, left, right).expect("is known"));
    }

    let text = "Die Donaudampfschifffahrtsgesellschaft fährt.  Grüße, 2024!\n\n\tfür die Grüße.";
    let merged = merge_batch(&table, &[ids(text)], usize::MAX).expect("merges");
    let token = |id: &u32| merged.joined(*id).or_else(|| table.bytes(*id));
    let found: Vec<&[u8]> = merged.texts()[0].iter().filter_map(token).collect();
    assert_eq!(found.concat(), text.as_bytes());
    let want = [
        "Die",
        " Donaudampfschifffahrtsgesellschaft",
        " fährt",
        ".",
        " ",
        " Grüße",
        ",",
        " ",
        "2",
        "0",
        "2",
        "4",
        "!",
        "\n\n",
        "\t",
        "für",
        " die",
        " Grüße",
        ".",
    ];
    let want: Vec<&[u8]> = want.iter().map(|token| token.as_bytes()).collect();
    assert_eq!(found, want);
}

const HIDDEN: usize = 4;

fn small_source() -> (SourceModel, Vec<f32>) {
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let values: Vec<f32> = (0..(END as usize + 1) * HIDDEN)
        .map(|_| random.random_range(-1f32..1.0))
        .collect();
    let mut rows = StoredRows::new(DType::F32, HIDDEN, values.len() / HIDDEN).expect("fits");
    rows.push_values(&values).expect("are numbers");
    let source = SourceModel::new(&tokenizer(), rows, None).expect("fits");
    (source, values)
}

#[test]
fn rows_are_own_rows_or_means_and_the_cache_is_bounded_and_counted() {
    let (source, values) = small_source();
    let mut random = ChaCha8Rng::seed_from_u64(4);
    let (mut hits, mut evicted) = (0, 0);
    for capacity in [1usize, 2, 3, 5, 40] {
        let room = NonZeroUsize::new(capacity).expect("is no zero");
        let mut embedding = DynamicEmbedding::new(&source, RowMaker::Mean, room);
        // The slow cache: the last used is last.
        let mut held: Vec<Vec<u8>> = Vec::new();
        let mut want = CacheCounts::default();
        for _ in 0..60 {
            let batch = random_batch(&mut random);
            let merges = random.random_range(0..12);
            let merged = merge_batch(source.tokens(), &batch, merges).expect("merges");
            let rows = pollster::block_on(embedding.rows(&merged)).expect("has rows");
            assert_eq!(rows.len(), batch.len());
            for (text, rows) in merged.texts().iter().zip(&rows) {
                assert_eq!(rows.len(), text.len() * HIDDEN);
                for (id, row) in text.iter().zip(rows.chunks_exact(HIDDEN)) {
                    let Some(bytes) = merged.joined(*id) else {
                        assert_eq!(row, &values[*id as usize * HIDDEN..][..HIDDEN]);
                        continue;
                    };
                    let pieces = source.decompose(bytes);
                    for i in 0..HIDDEN {
                        let of = |id: &u32| f64::from(values[*id as usize * HIDDEN + i]);
                        let mean = pieces.iter().map(of).sum::<f64>() / pieces.len() as f64;
                        assert!((f64::from(row[i]) - mean).abs() < 1e-6);
                    }
                    match held.iter().position(|known| known == bytes) {
                        Some(at) => {
                            want.hits += 1;
                            let known = held.remove(at);
                            held.push(known);
                        }
                        None => {
                            want.misses += 1;
                            held.push(bytes.to_vec());
                        }
                    }
                    if held.len() > capacity {
                        held.remove(0);
                        evicted += 1;
                    }
                }
            }
            assert_eq!(embedding.counts(), want);
            assert_eq!(embedding.held(), held.len());
            assert!(embedding.held() <= capacity);
        }
        hits += want.hits;
    }
    assert!(hits > 100 && evicted > 100, "{hits} {evicted}");
}
