//! Streaming: the pieces are whole characters and make up what decoding all at once gives.

mod common;

use common::{all, texts};
use lexigraft_text::Tokenizer;
use proptest::prelude::*;

/// Ids of real tokens, with bytes that are no whole character more often than chance has them.
fn id_sequence(tokenizer: &Tokenizer) -> impl Strategy<Value = Vec<u32>> + use<> {
    let known: Vec<u32> = (0..tokenizer.vocab_size() as u32)
        .filter(|id| tokenizer.token_bytes(*id).is_some())
        .collect();
    let broken: Vec<u32> = known
        .iter()
        .copied()
        .filter(|id| {
            let bytes = tokenizer.token_bytes(*id).expect("the id is known");
            std::str::from_utf8(bytes).is_err()
        })
        .collect();
    let special: Vec<u32> = known
        .iter()
        .copied()
        .filter(|id| tokenizer.is_special(*id))
        .collect();
    let or_known = |some: Vec<u32>| if some.is_empty() { known.clone() } else { some };
    let id = prop_oneof![
        3 => proptest::sample::select(known.clone()),
        3 => proptest::sample::select(or_known(broken)),
        1 => proptest::sample::select(or_known(special)),
    ];
    proptest::collection::vec(id, 0..24)
}

fn check(name: &str, tokenizer: &Tokenizer, ids: &[u32], skip_special: bool) {
    let whole = tokenizer
        .decode(ids, skip_special)
        .expect("all ids are known");
    let mut stream = tokenizer.stream_decoder(skip_special);
    let mut text = String::new();
    let mut bytes = Vec::new();
    for &id in ids {
        let piece = stream.push(id).expect("the id is known");
        text.push_str(&piece);
        // What came out so far never changes.
        assert!(whole.starts_with(&text), "{name} {ids:?}");
        if !(skip_special && tokenizer.is_special(id)) {
            bytes.extend_from_slice(tokenizer.token_bytes(id).expect("the id is known"));
        }
    }
    text.push_str(&stream.finish());
    assert_eq!(text, whole, "{name} {ids:?}");
    // Independently: the bytes of the tokens, joined, in the standard library's reading.
    if name != "minilm" {
        let joined = String::from_utf8_lossy(&bytes);
        let joined = match name {
            "spm prefix" => joined.strip_prefix(' ').unwrap_or(&joined),
            _ => &joined,
        };
        assert_eq!(whole, joined, "{name} {ids:?}");
    }
}

fn run(index: usize) {
    let (name, tokenizer) = &all()[index];
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(400));
    runner
        .run(&(id_sequence(tokenizer), any::<bool>()), |(ids, skip)| {
            check(name, tokenizer, &ids, skip);
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    for text in texts() {
        let ids = tokenizer.encode(&text, true).expect("the text encodes");
        check(name, tokenizer, &ids, true);
        check(name, tokenizer, &ids, false);
    }
}

#[test]
fn streams_of_every_tokenizer_add_up() {
    for index in 0..all().len() {
        run(index);
    }
}

/// The decoders of the `tokenizers` crate, where they mean the same.
#[test]
fn decoding_agrees_with_hugging_face() {
    for (name, tokenizer) in all().iter().take(5) {
        let theirs = tokenizers::Tokenizer::from_bytes(common::json_bytes(name))
            .expect("the tokenizer loads");
        let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(300));
        runner
            .run(&(id_sequence(tokenizer), any::<bool>()), |(ids, skip)| {
                let ours = tokenizer.decode(&ids, skip).expect("all ids are known");
                let theirs = theirs.decode(&ids, skip).expect("their decoder works");
                // For bytes that are no character, theirs writes one U+FFFD a token where the
                // vocabulary has byte pieces; ours one for each broken character.
                if !(*name == "gemma3" && theirs.contains('\u{fffd}')) {
                    prop_assert_eq!(ours, theirs);
                }
                Ok(())
            })
            .unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn unknown_ids_are_errors_and_leave_the_decoder_usable() {
    for (name, tokenizer) in all() {
        let beyond = tokenizer.vocab_size() as u32;
        for id in [beyond, u32::MAX] {
            let error = tokenizer.decode(&[0, id], false).expect_err("no such id");
            assert_eq!(error.code(), "invalid-argument", "{name}");
            assert!(error.to_string().contains(&id.to_string()));
        }
        let ids = tokenizer
            .encode("plain words", false)
            .expect("the text encodes");
        let mut stream = tokenizer.stream_decoder(true);
        let mut text = String::new();
        for id in ids {
            assert!(stream.push(beyond).is_err());
            text.push_str(&stream.push(id).expect("the id is known"));
        }
        text.push_str(&stream.finish());
        assert_eq!(text, "plain words", "{name}");
    }
}
