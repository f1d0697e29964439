//! Canonical sequences of real tokenizers, against encoding anew.

mod common;

use lexigraft_text::{ByteVocabulary, Tokenizer};
use std::time::Instant;

/// A small generator, so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % bound
    }
}

const PARTS: [&str; 34] = [
    "the",
    "don't",
    "'re",
    "'S",
    "can'",
    "Hello",
    "ABc",
    "WORLDs",
    " ",
    "  ",
    "    ",
    "\n",
    "\r\n",
    "\t",
    "\u{a0}",
    "\u{3000}",
    "1",
    "23",
    "4567",
    "½",
    "中文字",
    "日本",
    "привет",
    "नमस्ते",
    "é",
    "e\u{301}",
    "😀",
    "👩‍👩",
    ".",
    "...",
    "/",
    "(x)",
    "\n\n\n",
    "ʰA",
];

fn text(random: &mut Random) -> String {
    let len = 1 + random.below(7);
    (0..len).map(|_| PARTS[random.below(PARTS.len())]).collect()
}

/// A random way to cut `bytes` into tokens, mostly long ones.
fn any_tokens(vocabulary: &ByteVocabulary, bytes: &[u8], random: &mut Random) -> Option<Vec<u32>> {
    let trie = vocabulary.trie();
    let (mut ids, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let mut node = trie.root();
        let mut options = Vec::new();
        for byte in &bytes[at..] {
            let Some(next) = trie.child(node, *byte) else {
                break;
            };
            node = next;
            options.extend(
                trie.ending(node)
                    .map(|place| (trie.id(place), node.depth())),
            );
        }
        let pick = match random.below(3) {
            0 => random.below(options.len().max(1)),
            _ => options.len().checked_sub(1)?,
        };
        let (id, len) = options.get(pick)?;
        ids.push(*id);
        at += len;
    }
    Some(ids)
}

fn check(name: &str, tokenizer: &Tokenizer, count: usize) {
    let start = Instant::now();
    let vocabulary = ByteVocabulary::new(tokenizer).expect("is byte-level");
    eprintln!(
        "{name}: built in {:?}, {} bytes",
        start.elapsed(),
        vocabulary.heap_bytes()
    );
    let mut random = Random(7);
    let (mut yes, mut no) = (0, 0);
    for _ in 0..count {
        let text = text(&mut random);
        let ids = tokenizer.encode(&text, false).expect("encodes");
        let bytes: Vec<u8> = ids
            .iter()
            .flat_map(|id| tokenizer.token_bytes(*id).unwrap())
            .copied()
            .collect();
        if bytes != text.as_bytes() {
            continue; // Normalised.
        }
        assert_eq!(
            vocabulary.encode(&bytes).as_deref(),
            Ok(ids.as_slice()),
            "{name}: {text:?}"
        );
        assert_eq!(vocabulary.is_canonical(&ids), Ok(true), "{name}: {text:?}");
        if let Some(other) = any_tokens(&vocabulary, &bytes, &mut random) {
            let same = other == ids;
            assert_eq!(
                vocabulary.is_canonical(&other),
                Ok(same),
                "{name}: {text:?} {other:?} {ids:?}"
            );
            if same { yes += 1 } else { no += 1 }
        }
    }
    eprintln!("{name}: {yes} canonical, {no} not, {:?}", start.elapsed());
    assert!(no > count / 10);
}

#[test]
fn smollm2_sequences_are_those_of_encoding_anew() {
    check("smollm2", &common::smollm2(), 10_000);
}

#[test]
fn llama3_sequences_are_those_of_encoding_anew() {
    check("llama3", &common::from_json("llama3"), 10_000);
}

#[test]
fn gpt4o_sequences_are_those_of_encoding_anew() {
    check("gpt4o", &common::from_json("gpt4o"), 10_000);
}

#[test]
fn qwen3_sequences_are_those_of_encoding_anew() {
    check("qwen3", &common::from_json("qwen3"), 10_000);
}

#[test]
fn gemma3_sequences_are_those_of_encoding_anew() {
    check("gemma3", &common::from_json("gemma3"), 10_000);
}
