//! What cannot be used says so with a code, and never panics.

mod common;

use lexigraft_text::{GgufVocabulary, TextError, Tokenizer};
use proptest::prelude::*;
use serde_json::{Value, json};

/// A sound byte-pair `tokenizer.json` of five tokens.
fn sound() -> Value {
    json!({
        "version": "1.0",
        "truncation": {"max_length": 1, "strategy": "LongestFirst", "stride": 0, "direction": "Right"},
        "padding": {"strategy": {"Fixed": 9}, "direction": "Right", "pad_to_multiple_of": null,
                    "pad_id": 0, "pad_type_id": 0, "pad_token": "a"},
        "added_tokens": [added(4, "<|x|>")],
        "normalizer": null,
        "pre_tokenizer": null,
        "post_processor": null,
        "decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true},
        "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "c": 2, "ab": 3}, "merges": ["a b"]},
    })
}

fn added(id: u64, content: &str) -> Value {
    json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
           "normalized": false, "special": true})
}

fn load(json: &Value) -> Result<Tokenizer, TextError> {
    Tokenizer::from_json(json.to_string().as_bytes())
}

#[test]
fn the_sound_file_is_sound() {
    let tokenizer = load(&sound()).expect("it loads");
    let ids = tokenizer.encode("abc<|x|>a", true);
    assert_eq!(ids, Ok(vec![3, 2, 4, 0]), "neither cut nor padded");
    assert_eq!(tokenizer.vocab_size(), 5);
}

#[test]
fn bad_tokenizer_json_is_refused() {
    // What stands at a JSON pointer, and what the message must mention.
    let model = "/model";
    let changes: Vec<(&str, Value, &str)> = vec![
        (model, Value::Null, "model"),
        (model, json!([1, 2]), "model"),
        (model, json!({}), "model"),
        ("/model/type", json!("Mystery"), "Mystery"),
        ("/model/type", json!(7), "model"),
        ("/model/vocab", json!({}), "merge"),
        ("/model/vocab", json!({"a": -1}), "vocabulary"),
        ("/model/vocab", json!({"a": 1.5}), "vocabulary"),
        ("/model/vocab", json!({"a": 4_294_967_296u64}), "vocabulary"),
        ("/model/vocab", json!(["a", "b"]), "vocabulary"),
        ("/model/vocab", Value::Null, "vocab"),
        (
            "/model/vocab",
            json!({"a": 0, "b": 0, "c": 1, "ab": 2}),
            "share the id 0",
        ),
        (
            "/model/vocab",
            json!({"a": 0, "b": 1, "c": 2, "ab": 4_000_000_000u32}),
            "sparse",
        ),
        (
            "/model/vocab",
            json!({"a": 0, "b": 1, "c": 4, "ab": 3}),
            "another token",
        ),
        ("/model/merges", json!(["a q"]), "merge"),
        ("/model/merges", json!(["ab ab"]), "merge 0"),
        ("/model/merges", json!([["c", "a"]]), "merges"),
        ("/model/merges", json!(["ab"]), "merges"),
        ("/model/merges", json!(["a b c"]), "merges"),
        ("/model/merges", json!([["a", "b", "c"]]), "merges"),
        ("/model/merges", json!([["a"]]), "merges"),
        ("/model/merges", json!([5]), "merge"),
        ("/model/merges", json!({"a": "b"}), "merges"),
        ("/model/unk_token", json!("<unk>"), "<unk>"),
        ("/model/continuing_subword_prefix", json!("##"), "merge 0"),
        ("/added_tokens", json!({}), "cannot be read"),
        ("/added_tokens", json!([{"id": 4}]), "cannot be read"),
        ("/added_tokens", json!([added(1, "<|x|>")]), "another token"),
        ("/added_tokens", json!([added(2, "a")]), "another token"),
        (
            "/added_tokens",
            json!([added(4_000_000_000, "<|x|>")]),
            "sparse",
        ),
        (
            "/added_tokens",
            json!([added(4, "<|x|>"), added(5, "<|x|>")]),
            "claims",
        ),
        ("/normalizer", json!({"type": "Mystery"}), "normalizer"),
        (
            "/normalizer",
            json!({"type": "Precompiled", "precompiled_charsmap": ""}),
            "Precompiled",
        ),
        (
            "/normalizer",
            json!({"type": "Sequence", "normalizers": [
            {"type": "Precompiled", "precompiled_charsmap": "AAAA"}]}),
            "Precompiled",
        ),
        (
            "/pre_tokenizer",
            json!({"type": "Mystery"}),
            "pre-tokenizer",
        ),
        (
            "/pre_tokenizer",
            json!({"type": "Split", "pattern": {"Regex": "(["},
            "behavior": "Isolated", "invert": false}),
            "pre-tokenizer",
        ),
        (
            "/pre_tokenizer",
            json!({"type": "FixedLength", "length": 0}),
            "FixedLength",
        ),
        (
            "/decoder",
            json!({"type": "CTC", "pad_token": "a", "word_delimiter_token": "b",
            "cleanup": true}),
            "decoder",
        ),
        (
            "/decoder",
            json!({"type": "Strip", "content": " ", "start": 0, "stop": 1}),
            "Strip",
        ),
        (
            "/decoder",
            json!({"type": "Replace", "pattern": {"String": "ab"}, "content": " "}),
            "one character",
        ),
        ("/decoder", json!(3), "decoder"),
        (
            "/post_processor",
            json!({"type": "Mystery"}),
            "post-processor",
        ),
        (
            "/post_processor",
            json!({"type": "BertProcessing", "sep": ["a", 99], "cls": ["b", 1]}),
            "id 99",
        ),
        (
            "/post_processor",
            json!({"type": "BertProcessing"}),
            "'cls'",
        ),
        (
            "/post_processor",
            json!({"type": "TemplateProcessing", "pair": [],
            "single": [{"Sequence": {"id": "B", "type_id": 0}}], "special_tokens": {}}),
            "single",
        ),
        (
            "/post_processor",
            json!({"type": "TemplateProcessing", "pair": [], "single": [],
            "special_tokens": {}}),
            "single",
        ),
        (
            "/post_processor",
            json!({"type": "TemplateProcessing", "pair": [], "single": [
            {"SpecialToken": {"id": "q", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "special_tokens": {}}),
            "'q'",
        ),
    ];
    assert!(changes.len() > 40);
    for (pointer, value, mention) in changes {
        let mut json = sound();
        match json.pointer_mut(pointer) {
            Some(place) => *place = value.clone(),
            None => {
                let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
                json.pointer_mut(parent).expect("it exists")[key] = value.clone();
            }
        }
        let error = load(&json).expect_err(&format!("{pointer} = {value}"));
        assert_eq!(error.code(), "bad-tokenizer", "{pointer} = {value}");
        assert!(
            error.to_string().contains(mention),
            "{pointer} = {value}: {error}"
        );
    }
}

#[test]
fn bytes_that_are_no_tokenizer_json_are_refused() {
    let real = common::json_bytes("minilm");
    let twice = r#"{"decoder": {"type": "ByteLevel"},
        "model": {"type": "BPE", "vocab": {"a": 0, "a": 1}, "merges": []}}"#;
    let huge_number =
        r#"{"model": {"type": "WordLevel", "vocab": {"a": 1e999}, "unk_token": "a"}}"#;
    let deep = "[".repeat(200_000);
    let empty = r#"{"model": {"type": "BPE", "vocab": {}, "merges": []}}"#;
    let no_unknown = r###"{"model": {"type": "WordPiece", "vocab": {"a": 0}, "unk_token": "[UNK]",
        "continuing_subword_prefix": "##", "max_input_chars_per_word": 100}}"###;
    let unigram = |vocab: &str, unk: &str| {
        format!(r#"{{"model": {{"type": "Unigram", "vocab": {vocab}, "unk_id": {unk}}}}}"#)
    };
    let unk_beyond = unigram(r#"[["a", 0.5]]"#, "7");
    let unigram_empty = unigram(r#"[["", 0.5]]"#, "0");
    let unigram_words = unigram(r#"{"a": 1}"#, "0");
    let cases: [&[u8]; 17] = [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"tokenizer",
        b"{\"model\":",
        b"\xff\xfe{\"model\": {}}",
        &real[..real.len() / 2],
        &real[..real.len() - 1],
        twice.as_bytes(),
        huge_number.as_bytes(),
        deep.as_bytes(),
        empty.as_bytes(),
        no_unknown.as_bytes(),
        unk_beyond.as_bytes(),
        unigram_empty.as_bytes(),
        unigram_words.as_bytes(),
    ];
    for case in cases {
        let start = String::from_utf8_lossy(&case[..case.len().min(60)]);
        let error = Tokenizer::from_json(case).expect_err(&start);
        assert_eq!(error.code(), "bad-tokenizer", "{start}: {error}");
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn gguf(model: &str) -> GgufVocabulary {
    GgufVocabulary {
        model: model.to_owned(),
        tokens: words(&["<unk>", "<s>", "a", "b", "ab"]),
        token_types: Some(vec![2, 3, 1, 1, 1]),
        scores: Some(vec![0.0, 0.0, -1.0, -2.0, -3.0]),
        merges: Some(words(&["a b"])),
        ..GgufVocabulary::default()
    }
}

#[test]
fn bad_gguf_vocabularies_are_refused() {
    type Change = fn(&mut GgufVocabulary);
    let gpt2: Vec<(Change, &str)> = vec![
        (|v| v.model = "rwkv".into(), "rwkv"),
        (|v| v.model = String::new(), "known are"),
        (|v| v.pre = Some("mystery".into()), "smollm"),
        (|v| v.pre = Some(String::new()), "smollm"),
        (|v| v.tokens.clear(), "no tokens"),
        (|v| v.token_types = Some(vec![1; 4]), "token_type"),
        (|v| v.token_types = Some(vec![]), "token_type"),
        (|v| v.token_types = Some(vec![9; 5]), "type 9"),
        (|v| v.scores = Some(vec![0.0; 6]), "scores"),
        (|v| v.merges = None, "merges"),
        (|v| v.merges = Some(words(&["a q"])), "merge"),
        (|v| v.merges = Some(words(&["b a"])), "merge"),
        (|v| v.merges = Some(words(&["ab ab ab"])), "space between"),
        (|v| v.merges = Some(words(&["ab"])), "space between"),
        (|v| v.merges = Some(words(&["unknown<s> a"])), "merge 0"),
        (|v| v.tokens[3] = "a".into(), "twice"),
        (|v| v.bos = Some(5), "bos_token_id"),
        (|v| v.eos = Some(u32::MAX), "eos_token_id"),
        (|v| v.unk = Some(99), "unknown_token_id"),
        (|v| v.pad = Some(99), "padding_token_id"),
        (|v| v.add_eos = Some(true), "add_eos_token"),
        (
            |v| {
                v.add_bos = Some(true);
                v.tokens[1] = "<t>".into()
            },
            "add_bos_token",
        ),
    ];
    let llama: Vec<(Change, &str)> = vec![
        (|v| v.scores = None, "scores"),
        (|v| v.scores = Some(vec![f32::NAN; 5]), "score of token"),
        (
            |v| v.scores = Some(vec![f32::INFINITY; 5]),
            "score of token",
        ),
        (|v| v.token_types = Some(vec![2, 3, 6, 1, 1]), "<0xNN>"),
        (|v| v.tokens[4] = "a".repeat(100_000), "bytes long"),
        (|v| v.tokens.clear(), "no tokens"),
    ];
    let all = (gpt2.into_iter().map(|case| ("gpt2", case)))
        .chain(llama.into_iter().map(|case| ("llama", case)));
    for (index, (model, (change, mention))) in all.enumerate() {
        let mut vocabulary = gguf(model);
        Tokenizer::from_gguf(vocabulary.clone()).expect("the unchanged vocabulary is sound");
        change(&mut vocabulary);
        let error = Tokenizer::from_gguf(vocabulary).expect_err(mention);
        assert_eq!(error.code(), "bad-tokenizer", "{index} {mention}");
        assert!(error.to_string().contains(mention), "{index}: {error}");
    }
}

#[test]
fn empty_tokens_are_padding() {
    let mut vocabulary = gguf("gpt2");
    vocabulary.tokens.extend(words(&["", ""]));
    vocabulary.token_types = None;
    vocabulary.scores = None;
    let tokenizer = Tokenizer::from_gguf(vocabulary).expect("it loads");
    assert_eq!(tokenizer.vocab_size(), 7);
    assert_eq!(tokenizer.token_bytes(6), Some(&b""[..]));
    assert_eq!(tokenizer.decode(&[4, 5, 6, 2], true).as_deref(), Ok("aba"));
}

#[test]
fn damaged_files_never_panic() {
    // Every byte of the sound file replaced by a few others: an error or a tokenizer that works.
    let sound = sound().to_string().into_bytes();
    for at in 0..sound.len() {
        for byte in [b'"', b'0', b'9', b'{', b' ', 0xff] {
            let mut damaged = sound.clone();
            damaged[at] = byte;
            match Tokenizer::from_json(&damaged) {
                Err(error) => assert_eq!(error.code(), "bad-tokenizer"),
                Ok(tokenizer) => {
                    if let Ok(ids) = tokenizer.encode("abc <|x|> cab", true) {
                        assert!(tokenizer.decode(&ids, false).is_ok());
                    }
                }
            }
        }
    }
}

/// Vocabularies of tokens and merges that fit each other only by chance.
fn any_vocabulary() -> impl Strategy<Value = GgufVocabulary> {
    let token = prop_oneof!["[ab\u{2581}]{1,3}", "<0x[0-9A-F]{2}>", "\\PC{0,3}"];
    let tokens = proptest::collection::vec(token, 1..12);
    let pre = proptest::option::of(proptest::sample::select(vec![
        "smollm",
        "llama-bpe",
        "qwen2",
        "gpt-4o",
        "gpt-2",
    ]));
    let model = proptest::sample::select(vec!["gpt2", "llama"]);
    let id = || proptest::option::of(0u32..12);
    let rest = (
        id(),
        id(),
        id(),
        any::<Option<bool>>(),
        any::<Option<bool>>(),
    );
    (model, tokens, pre, rest).prop_flat_map(|(model, tokens, pre, (bos, eos, unk, add, space))| {
        let count = tokens.len();
        let types = proptest::collection::vec(1u32..7, count);
        let scores = proptest::collection::vec(-9.0f32..0.0, count);
        let half = proptest::sample::select(tokens.clone());
        let merge = (half.clone(), half).prop_map(|(left, right)| format!("{left} {right}"));
        let merges = proptest::collection::vec(merge, 0..3);
        (proptest::option::of(types), scores, merges).prop_map(
            move |(token_types, scores, merges)| GgufVocabulary {
                model: model.to_owned(),
                pre: pre.map(str::to_owned),
                tokens: tokens.clone(),
                token_types,
                scores: Some(scores),
                merges: Some(merges),
                bos,
                eos,
                unk,
                add_bos: add,
                add_space_prefix: space,
                ..GgufVocabulary::default()
            },
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_gguf_vocabulary_is_refused_or_works(
        vocabulary in any_vocabulary(),
        text in "[ab \u{2581}<>0xé日\n]{0,12}",
    ) {
        match Tokenizer::from_gguf(vocabulary) {
            Err(error) => prop_assert_eq!(error.code(), "bad-tokenizer"),
            Ok(tokenizer) => {
                let ids = tokenizer.encode(&text, true).expect("these models write all text");
                prop_assert!(tokenizer.decode(&ids, false).is_ok());
                prop_assert!(tokenizer.encode_truncated(&text, 9).is_ok_and(|ids| ids.len() <= 9));
            }
        }
    }
}
