//! Any text and any bytes come back from their tokens, and which normaliser keeps them from it.

mod common;

use common::all;
use lexigraft_text::{ByteDecomposer, ByteVocabulary, Tokenizer};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{TestCaseError, TestRunner};
use serde_json::{Value, json};
use tokenizers::{
    NormalizedString, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer,
    PreTokenizerWrapper,
};

/// Texts that tokenizers treat in ways of their own, among characters of any kind.
const FRAGMENTS: [&str; 32] = [
    " ",
    "  ",
    "\n",
    "\r\n",
    "\t",
    "\u{a0}",
    "\u{3000}",
    "\u{2581}",
    "\u{0}",
    "\u{4}",
    "\u{7f}",
    "\u{feff}",
    "\u{fffd}",
    "\u{301}",
    "e\u{301}",
    "\u{338}",
    "\u{1100}\u{1161}",
    "👩‍🚀",
    "日本",
    "नमस्ते",
    "the",
    "don't",
    "'S",
    "WORLDs",
    "1234",
    "½",
    "...",
    "/",
    "<",
    "|",
    ">",
    "<0x41>",
];

fn text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        2 => any::<char>().prop_map(String::from),
        3 => proptest::sample::select(&FRAGMENTS[..]).prop_map(str::to_owned),
    ];
    proptest::collection::vec(part, 0..24).prop_map(|parts| parts.concat())
}

/// Bytes of any kind, runs of text among them, so that characters are cut and surrounded.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..6),
        text().prop_map(|text| text.into_bytes().into_iter().take(9).collect()),
    ];
    proptest::collection::vec(part, 0..5).prop_map(|parts| parts.concat())
}

/// A failure is shown with its smallest input; no file is written beside the source.
fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases)
    }
}

fn run<S: Strategy>(
    name: &str,
    cases: u32,
    strategy: &S,
    test: impl Fn(S::Value) -> Result<(), TestCaseError>,
) {
    TestRunner::new(config(cases))
        .run(strategy, test)
        .unwrap_or_else(|error| panic!("{name}: {error}"));
}

/// The bytes of tokens, one after another.
fn joined(tokenizer: &Tokenizer, ids: &[u32]) -> Vec<u8> {
    let bytes = |id: &u32| tokenizer.token_bytes(*id).expect("the id is known");
    ids.iter().flat_map(bytes).copied().collect()
}

/// What a tokenizer keeps of a text: NFC composes characters (Qwen 3), a mark in place of spaces
/// is read as one (Gemma 3, SentencePiece), and bytes without a token are left out (SmolLM2).
/// `None` for WordPiece, which forgets case, accents and blanks.
fn kept(name: &str, tokenizer: &Tokenizer, text: &str) -> Option<Vec<u8>> {
    Some(match name {
        "minilm" => return None,
        "qwen3" => {
            let mut normalized = NormalizedString::from(text);
            normalized.nfc();
            normalized.get().as_bytes().to_vec()
        }
        "gemma3" | "spm" => text.replace('\u{2581}', " ").into_bytes(),
        "spm prefix" if text.is_empty() => Vec::new(),
        "spm prefix" => format!(" {text}").replace('\u{2581}', " ").into_bytes(),
        _ => {
            let missing = tokenizer.missing_bytes();
            let kept = |byte: &u8| !missing.contains(byte);
            text.bytes().filter(kept).collect()
        }
    })
}

#[test]
fn any_text_comes_back_from_its_ids() {
    for (name, tokenizer) in all() {
        run(name, 600, &text(), |text| {
            let ids = tokenizer.encode(&text, false)?;
            prop_assert!(ids.iter().all(|id| tokenizer.token_bytes(*id).is_some()));
            let decoded = tokenizer.decode(&ids, false)?;
            let Some(kept) = kept(name, tokenizer, &text) else {
                return Ok(());
            };
            prop_assert_eq!(&joined(tokenizer, &ids), &kept);
            let kept = String::from_utf8_lossy(&kept);
            let own = usize::from(*name == "spm prefix" && !kept.is_empty());
            prop_assert_eq!(decoded, &kept[own..]);
            Ok(())
        });
    }
}

/// Whether the text is written as it stands: neither normalised nor with bytes left out.
fn is_kept(name: &str, tokenizer: &Tokenizer, text: &str) -> bool {
    kept(name, tokenizer, text).is_some_and(|kept| kept == text.as_bytes())
}

#[test]
fn any_bytes_are_the_bytes_of_their_tokens() {
    for (name, tokenizer) in all() {
        let Ok(vocabulary) = ByteVocabulary::new(tokenizer) else {
            assert_eq!(*name, "minilm");
            continue;
        };
        let missing = tokenizer.missing_bytes();
        run(name, 600, &bytes(), |bytes| {
            let ids = match vocabulary.encode(&bytes) {
                Ok(ids) => ids,
                Err(error) => {
                    prop_assert_eq!(error.code(), "invalid-argument");
                    prop_assert!(bytes.iter().any(|byte| missing.contains(byte)));
                    return Ok(());
                }
            };
            prop_assert!(ids.iter().all(|id| !tokenizer.is_special(*id)));
            prop_assert_eq!(joined(tokenizer, &ids), bytes.as_slice());
            prop_assert_eq!(vocabulary.is_canonical(&ids), Ok(true));
            // Streamed, broken characters come out as the standard library reads the whole.
            let mut stream = tokenizer.stream_decoder(false).continuing();
            let mut streamed = String::new();
            for id in &ids {
                streamed.push_str(&stream.push(*id)?);
            }
            streamed.push_str(&stream.finish());
            prop_assert_eq!(streamed, String::from_utf8_lossy(&bytes));
            // The engine agrees wherever there is a text for it.
            if let Ok(text) = std::str::from_utf8(&bytes)
                && is_kept(name, tokenizer, text)
            {
                prop_assert_eq!(tokenizer.encode(text, false)?, ids);
            }
            Ok(())
        });
    }
}

#[test]
fn the_model_alone_cuts_any_bytes_and_loses_none() {
    for (name, tokenizer) in all() {
        let pieces = ByteDecomposer::new(tokenizer).expect("has parts of words");
        run(name, 600, &bytes(), |bytes| {
            let mut back = Vec::new();
            for id in pieces.decompose(&bytes) {
                match pieces.uncovered_byte(id) {
                    Some(byte) => back.push(byte),
                    None => back.extend(tokenizer.bytes_after(id).expect("the id is known")),
                }
            }
            prop_assert_eq!(back, bytes);
            Ok(())
        });
    }
}

/// The names of control tokens are texts like any other where bytes are read, and stand for the
/// tokens, and nothing else, where a text is.
#[test]
fn names_of_control_tokens_in_a_text() {
    for (name, tokenizer) in all() {
        let ids = 0..tokenizer.vocab_size() as u32;
        let controls: Vec<(u32, String)> = ids
            .filter(|id| tokenizer.is_special(*id))
            .filter_map(|id| Some((id, tokenizer.token_bytes(id)?.to_vec())))
            .filter_map(|(id, bytes)| Some((id, String::from_utf8(bytes).ok()?)))
            .collect();
        assert!(!controls.is_empty(), "{name}");
        let vocabulary = ByteVocabulary::new(tokenizer).ok();
        let strategy = (text(), proptest::sample::select(controls), text());
        run(name, 300, &strategy, |(before, (id, control), after)| {
            let whole = format!("{before}{control}{after}");
            if let Some(ids) = vocabulary
                .as_ref()
                .and_then(|v| v.encode(whole.as_bytes()).ok())
            {
                prop_assert!(ids.iter().all(|id| !tokenizer.is_special(*id)));
                prop_assert_eq!(joined(tokenizer, &ids), whole.as_bytes());
            }
            // Each part of a text has a leading space of its own there.
            if *name != "spm prefix" {
                let parts = [
                    tokenizer.encode(&before, false)?,
                    vec![id],
                    tokenizer.encode(&after, false)?,
                ];
                prop_assert_eq!(tokenizer.encode(&whole, false)?, parts.concat());
            }
            Ok(())
        });
    }
}

/// Where the engine's own pre-tokenizer ends the pieces of a text.
fn piece_ends(rule: &PreTokenizerWrapper, text: &str) -> Vec<usize> {
    let mut pieces = PreTokenizedString::from(text);
    rule.pre_tokenize(&mut pieces).expect("the text is cut");
    let splits = pieces.get_splits(OffsetReferential::Original, OffsetType::Byte);
    splits.iter().map(|(_, (_, end), _)| *end).collect()
}

/// The pre-tokenizer as the engine has it; SmolLM2's is named in its file, and written down here.
fn pre_tokenizer(name: &str) -> PreTokenizerWrapper {
    let rule = match name {
        "smollm2" => json!({"type": "Sequence", "pretokenizers": [
            {"type": "Digits", "individual_digits": true},
            {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        ]}),
        name => {
            let file: Value = serde_json::from_slice(&common::json_bytes(name)).expect("is JSON");
            file["pre_tokenizer"].clone()
        }
    };
    serde_json::from_value(rule).expect("the engine knows it")
}

/// Texts are written piece by piece; a text that is cut between two pieces is written as its
/// halves are, but for blanks, which are cut differently at the end of a text.
#[test]
fn texts_join_where_the_pre_tokenizer_cuts() {
    // WordPiece cuts what its normaliser has made of a text; to Gemma 3 and SentencePiece a text is
    // one piece.
    for (name, tokenizer) in all() {
        if ["minilm", "gemma3", "spm", "spm prefix"].contains(name) {
            continue;
        }
        let rule = pre_tokenizer(name);
        run(name, 600, &(text(), any::<Index>()), |(text, at)| {
            if !is_kept(name, tokenizer, &text) {
                return Ok(());
            }
            let whole = tokenizer.encode(&text, false)?;
            let ends = piece_ends(&rule, &text);
            let starts = std::iter::once(0).chain(ends.iter().copied());
            let mut piecewise = Vec::new();
            for (start, end) in starts.zip(ends.iter().copied().chain([text.len()])) {
                piecewise.extend(tokenizer.encode(&text[start..end], false)?);
            }
            prop_assert_eq!(&piecewise, &whole);
            if !ends.is_empty() {
                let (left, right) = text.split_at(*at.get(&ends));
                if !left.ends_with(char::is_whitespace) {
                    let left = tokenizer.encode(left, false)?;
                    let halves = [left, tokenizer.encode(right, false)?];
                    prop_assert_eq!(halves.concat(), whole);
                }
            }
            Ok(())
        });
    }
}
