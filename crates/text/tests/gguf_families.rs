//! A GGUF vocabulary made of a real `tokenizer.json` gives the same ids.

mod common;

use common::{json_bytes, parse, texts};
use lexigraft_text::{GgufVocabulary, Tokenizer};
use serde_json::Value;

/// What a converter writes for this `tokenizer.json`.
fn converted(name: &str, pre: &str) -> GgufVocabulary {
    let json: Value = serde_json::from_slice(&json_bytes(name)).expect("the file is JSON");
    let vocab: std::collections::BTreeMap<String, usize> = parse(&json["model"]["vocab"]);
    let added: Vec<Value> = parse(&json["added_tokens"]);
    let last_added = added.iter().map(|token| parse::<usize>(&token["id"])).max();
    let size = 1 + vocab
        .values()
        .copied()
        .max()
        .max(last_added)
        .expect("tokens");
    // Converters fill holes with tokens of their own, marked as unused.
    let mut tokens: Vec<String> = (0..size).map(|id| format!("[PAD{id}]")).collect();
    let mut types = vec![5; size];
    for (token, id) in vocab {
        tokens[id] = token;
        types[id] = 1;
    }
    for token in added {
        let id: usize = parse(&token["id"]);
        tokens[id] = parse(&token["content"]);
        types[id] = if parse(&token["special"]) { 3 } else { 4 };
    }
    let merges: Vec<Value> = parse(&json["model"]["merges"]);
    let merges = merges.iter().map(|merge| match merge {
        Value::String(merge) => merge.clone(),
        pair => parse::<Vec<String>>(pair).join(" "),
    });
    GgufVocabulary {
        model: "gpt2".to_owned(),
        pre: Some(pre.to_owned()),
        tokens,
        token_types: Some(types),
        merges: Some(merges.collect()),
        add_bos: Some(false),
        ..GgufVocabulary::default()
    }
}

#[test]
fn llama_bpe_qwen2_and_gpt_4o_agree_with_tokenizer_json() {
    for (name, pre) in [
        ("llama3", "llama-bpe"),
        ("qwen3", "qwen2"),
        ("gpt4o", "gpt-4o"),
    ] {
        let (_, from_json) = (common::all().iter())
            .find(|(known, _)| *known == name)
            .expect("the tokenizer is there");
        let from_gguf = Tokenizer::from_gguf(converted(name, pre)).expect("it loads");
        assert_eq!(from_gguf.vocab_size(), from_json.vocab_size());
        assert_eq!(from_gguf.stop_ids(), from_json.stop_ids(), "{name}");
        for text in texts() {
            let expected = from_json.encode(&text, false);
            assert_eq!(from_gguf.encode(&text, false), expected, "{name}: {text:?}");
        }
        for id in 0..from_json.vocab_size() as u32 {
            if let Some(bytes) = from_json.token_bytes(id) {
                assert_eq!(from_gguf.token_bytes(id), Some(bytes), "{name} {id}");
            }
        }
    }
}

#[test]
fn every_name_of_a_family_splits_alike() {
    let families = [
        &["gpt-2", "default", "phi-2", "gpt2"][..],
        &["smollm", "starcoder", "refact"],
        &["llama-bpe", "llama3", "llama-v3"],
        &["qwen2", "deepseek-r1-qwen"],
    ];
    for family in families {
        let ids = |pre: &str| -> Vec<Vec<u32>> {
            let mut vocabulary = common::smollm2_vocabulary();
            vocabulary.pre = Some(pre.to_owned());
            vocabulary.add_bos = Some(false);
            let tokenizer = Tokenizer::from_gguf(vocabulary).expect("it loads");
            let encode = |text: &String| tokenizer.encode(text, true).expect("it encodes");
            texts().iter().map(encode).collect()
        };
        let first = ids(family[0]);
        for name in &family[1..] {
            assert_eq!(ids(name), first, "{name}");
        }
    }
}

#[test]
fn begin_of_text_follows_the_family_and_the_file() {
    let first = |pre: &str, add_bos: Option<bool>| {
        let mut vocabulary = common::smollm2_vocabulary();
        vocabulary.pre = Some(pre.to_owned());
        vocabulary.add_bos = add_bos;
        let tokenizer = Tokenizer::from_gguf(vocabulary).expect("it loads");
        tokenizer.encode("x", true).expect("it encodes")[0]
    };
    assert_eq!(first("llama-bpe", None), 1);
    assert_eq!(first("smollm", None), 104);
    assert_eq!(first("llama-bpe", Some(false)), 104);
    assert_eq!(first("smollm", Some(true)), 1);
    let mut vocabulary = common::smollm2_vocabulary();
    vocabulary.add_eos = Some(true);
    let tokenizer = Tokenizer::from_gguf(vocabulary).expect("it loads");
    assert_eq!(tokenizer.encode("x", true), Ok(vec![104, 2]));
    assert_eq!(tokenizer.encode_truncated("x y z", 2), Ok(vec![104, 2]));
}
