//! Vocabularies brought to bytes, with real tokenizers and no model.

mod common;

use std::collections::HashMap;

use common::{TOKENIZERS, gguf_vocabulary, tokenizer, wordpiece};
use lexigraft_text::{ByteDecomposer, Tokenizer};
use lexigraft_transfer::{Origin, Overlap, TokenTable, check_lossless};
use proptest::prelude::*;

fn smollm2() -> Tokenizer {
    let order: Vec<u32> = (0..49152).collect();
    Tokenizer::from_gguf(gguf_vocabulary(&order)).expect("is a tokenizer")
}

fn joined(decomposer: &ByteDecomposer, tokenizer: &Tokenizer, pieces: &[u32]) -> Vec<u8> {
    let bytes = pieces
        .iter()
        .flat_map(|id| match decomposer.uncovered_byte(*id) {
            Some(byte) => vec![byte],
            None => tokenizer.bytes_after(*id).expect("is a token"),
        });
    bytes.collect()
}

fn texts() -> Vec<Vec<u8>> {
    let mut texts: Vec<Vec<u8>> = (0..=255u8).map(|byte| vec![byte]).collect();
    texts.push((0..=255u8).collect());
    texts.push((0..=255u8).rev().collect());
    texts.push(vec![0x80; 9]);
    texts.push("a\u{301}👩‍👩‍👧 Привет, 世界\r\n\tᚠ x²".into());
    texts.push(vec![0xf0, 0x9f, 0x98]);
    texts.push(Vec::new());
    texts
}

#[test]
fn pieces_join_to_any_bytes() {
    let names = TOKENIZERS.iter().map(|name| tokenizer(name));
    for tokenizer in names.chain([smollm2(), wordpiece()]) {
        let decomposer = ByteDecomposer::new(&tokenizer).expect("reads");
        for text in texts() {
            let pieces = decomposer.decompose(&text);
            assert_eq!(joined(&decomposer, &tokenizer, &pieces), text, "{pieces:?}");
        }
    }
}

#[test]
fn smollm2_lacks_bytes_and_the_others_lack_none() {
    let tokenizer = smollm2();
    let decomposer = ByteDecomposer::new(&tokenizer).expect("reads");
    let lost = |id: &u32| decomposer.uncovered_byte(*id).is_some();
    let pieces = decomposer.decompose(&(0..=255u8).collect::<Vec<u8>>());
    let found: Vec<u8> = pieces
        .iter()
        .filter(|id| lost(id))
        .map(|id| (id - 49152) as u8)
        .collect();
    assert_eq!(found, tokenizer.missing_bytes());
    assert_eq!(found.len(), 21);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn pieces_join_to_random_bytes(text in proptest::collection::vec(any::<u8>(), 0..60)) {
        thread_local! {
            static READ: (Tokenizer, ByteDecomposer) = {
                let tokenizer = tokenizer("gemma3");
                let decomposer = ByteDecomposer::new(&tokenizer).expect("reads");
                (tokenizer, decomposer)
            };
        }
        READ.with(|(tokenizer, decomposer)| {
            let pieces = decomposer.decompose(&text);
            prop_assert_eq!(joined(decomposer, tokenizer, &pieces), text);
            Ok(())
        })?;
    }
}

/// The slow way: join the best-ranked pair until none is left.
fn merged(symbols: &str, merges: &[&str]) -> Vec<String> {
    let mut parts: Vec<String> = symbols.chars().map(String::from).collect();
    loop {
        let rank = |at: usize| {
            merges
                .iter()
                .position(|m| *m == format!("{} {}", parts[at], parts[at + 1]))
        };
        let best = (0..parts.len().saturating_sub(1))
            .filter_map(|at| rank(at).map(|rank| (rank, at)))
            .min();
        let Some((_, at)) = best else { return parts };
        let right = parts.remove(at + 1);
        parts[at].push_str(&right);
    }
}

#[test]
fn merges_are_applied_across_words_as_by_hand() {
    let merges = ["a b", "ab ab", "Ġ ab", "b a", "abab ab"];
    let mut vocab: Vec<String> = ["a", "b", "Ġ"].map(String::from).to_vec();
    vocab.extend(merges.iter().map(|merge| merge.replace(' ', "")));
    let entries: HashMap<&str, usize> = vocab.iter().map(String::as_str).zip(0..).collect();
    let json = serde_json::json!({
        "decoder": {"type": "ByteLevel"},
        "pre_tokenizer": {
            "type": "ByteLevel", "add_prefix_space": false, "use_regex": true, "trim_offsets": true
        },
        "model": {"type": "BPE", "vocab": entries, "merges": merges},
    });
    let tokenizer = Tokenizer::from_json(json.to_string().as_bytes()).expect("is a tokenizer");
    let decomposer = ByteDecomposer::new(&tokenizer).expect("reads");
    for number in 0..3usize.pow(7) {
        let text: String = (0..7)
            .map(|at| ["a", "b", "Ġ"][number / 3usize.pow(at) % 3])
            .collect();
        let bytes: Vec<u8> = text.replace('Ġ', " ").into();
        let pieces = decomposer.decompose(&bytes);
        let found: Vec<&str> = pieces
            .iter()
            .map(|id| vocab[*id as usize].as_str())
            .collect();
        assert_eq!(found, merged(&text, &merges), "{text}");
    }
}

#[test]
fn vocabularies_overlap_at_the_level_of_bytes() {
    let source = TokenTable::new(&smollm2()).expect("reads");
    for name in TOKENIZERS {
        let target = TokenTable::new(&tokenizer(name)).expect("reads");
        let overlap = Overlap::new(&source, &target);
        let (mut shared, mut used) = (0, std::collections::HashSet::new());
        for (new, old) in overlap.shared() {
            assert_eq!(target.bytes(new), source.bytes(old), "{name} {new}");
            used.insert(old);
            shared += 1;
        }
        let by_hand: std::collections::HashSet<&[u8]> = source
            .text_ids()
            .filter_map(|id| source.bytes(id))
            .collect();
        let expected = target
            .text_ids()
            .filter(|id| by_hand.contains(target.bytes(*id).unwrap()) && !target.is_spare(*id));
        assert_eq!(shared, expected.count(), "{name}");
        // Two tokens with one row would have half of its probability each.
        assert_eq!(shared, used.len(), "{name}");
        eprintln!(
            "{name}: {shared} of {} tokens are SmolLM2's, {} rows",
            target.len(),
            used.len()
        );
        // Every tokenizer begins and ends texts with rows of the model.
        let ends = target.tokenizer().eos().expect("has an end");
        assert!(matches!(overlap.origin(ends), Origin::Special(_)), "{name}");
    }
}

#[test]
fn a_byte_piece_beside_its_letter_gets_no_row_of_the_model() {
    let source = TokenTable::new(&smollm2()).expect("reads");
    let gemma = TokenTable::new(&tokenizer("gemma3")).expect("reads");
    let overlap = Overlap::new(&source, &gemma);
    let id = |name: &str| gemma.tokenizer().id_of(name).expect("is a token");
    for (piece, letter) in [("<0x31>", "1"), ("<0x2E>", "."), ("<0x41>", "A")] {
        assert_eq!(gemma.bytes(id(piece)), gemma.bytes(id(letter)));
        assert!(gemma.is_spare(id(piece)) && !gemma.is_spare(id(letter)));
        assert_eq!(overlap.origin(id(piece)), Origin::Unused);
        assert!(matches!(overlap.origin(id(letter)), Origin::Shared(_)));
        assert_eq!(
            gemma.tokenizer().encode(letter, false),
            Ok(vec![id(letter)])
        );
    }
    // Half a character is written by nothing else.
    assert!(!gemma.is_spare(id("<0xC3>")));
    assert!(matches!(overlap.origin(id("<0xC3>")), Origin::Shared(_)));
    // A model that has both keeps both in a transplant of its own.
    let own = Overlap::new(&gemma, &gemma);
    assert_eq!(own.origin(id("<0x31>")), Origin::Shared(id("<0x31>")));
}

#[test]
fn gemma_and_llama_share_far_more_bytes_than_spellings() {
    // Gemma 2 and Llama 3 share 85,699 (tokenizer-transfer literature); Gemma 3 has a vocabulary of
    // its own, so the figure is near it and not the same.
    let llama = TokenTable::new(&tokenizer("llama3")).expect("reads");
    let gemma = TokenTable::new(&tokenizer("gemma3")).expect("reads");
    let shared = Overlap::new(&llama, &gemma).shared().count();
    eprintln!("{shared} of {} and {}", llama.len(), gemma.len());
    assert!(shared > 60_000, "{shared}");
}

#[test]
fn lossy_tokenizers_are_told_apart() {
    for name in TOKENIZERS {
        check_lossless(&tokenizer(name)).expect(name);
    }
    let error = check_lossless(&wordpiece()).expect_err("lowers letters");
    assert_eq!(error.code(), "unsupported-tokenizer");
    assert!(error.to_string().contains("capital letters"), "{error}");
}

#[test]
fn tokens_decode_to_what_was_encoded_over_all_bytes() {
    let scalars = (0..=0x10ffffu32).step_by(97).filter_map(char::from_u32);
    let mut texts: Vec<String> = scalars.map(|c| format!("x{c} ")).collect();
    texts.extend((0..=0x7fu8).map(|byte| char::from(byte).to_string()));
    texts.push("a\u{301}👩‍👩‍👧 Привет, 世界\r\n\tᚠ x²".to_owned());
    for name in TOKENIZERS {
        let tokenizer = tokenizer(name);
        let table = TokenTable::new(&tokenizer).expect("reads");
        for text in &texts {
            let ids = tokenizer.encode(text, false).expect("encodes");
            let bytes: Vec<u8> = ids
                .iter()
                .flat_map(|id| table.bytes(*id).expect("is a token"))
                .copied()
                .collect();
            // Qwen composes characters first.
            if name != "qwen3" {
                assert_eq!(bytes, text.as_bytes(), "{name}");
            }
            assert_eq!(
                tokenizer.decode(&ids, false).expect("decodes").as_bytes(),
                bytes,
                "{name}"
            );
        }
    }
}
