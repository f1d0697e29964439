//! Real models and the fixtures made by the reference implementations.

// Each test binary uses its own part of this.
#![allow(dead_code)]

use std::path::PathBuf;
use std::sync::OnceLock;

use lexigraft_checkpoint::{Checkpoint, FileSource};
use lexigraft_text::{GgufVocabulary, Tokenizer};
use serde_json::Value;

/// The four tokenizers that `cargo xtask models` fetches as `tokenizer.json` alone.
pub const NAMES: [&str; 4] = ["llama3", "qwen3", "gpt4o", "gemma3"];

/// A file of the model directory: `LEXIGRAFT_MODELS`, else the cache.
pub fn model_path(relative: &str) -> PathBuf {
    let from_env = std::env::var_os("LEXIGRAFT_MODELS").map(PathBuf::from);
    let cache = || {
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let cache = cache.or_else(|| std::env::home_dir().map(|home| home.join(".cache")));
        cache.unwrap_or_default().join("lexigraft/models")
    };
    let path = from_env.unwrap_or_else(cache).join(relative);
    assert!(
        path.exists(),
        "{} is missing; run `cargo xtask models` or set LEXIGRAFT_MODELS",
        path.display()
    );
    path
}

pub fn model_file(relative: &str) -> Vec<u8> {
    std::fs::read(model_path(relative)).expect("the model file can be read")
}

pub fn json_bytes(name: &str) -> Vec<u8> {
    model_file(&match name {
        "minilm" => "all-minilm-l6-v2/tokenizer.json".to_owned(),
        name => format!("tokenizers/{name}/tokenizer.json"),
    })
}

pub fn from_json(name: &str) -> Tokenizer {
    Tokenizer::from_json(&json_bytes(name)).expect("the tokenizer loads")
}

/// Every real tokenizer, each loaded once in a test binary.
pub fn all() -> &'static [(&'static str, Tokenizer)] {
    static ALL: OnceLock<Vec<(&str, Tokenizer)>> = OnceLock::new();
    ALL.get_or_init(|| {
        let mut all: Vec<_> = (NAMES.into_iter().chain(["minilm"]))
            .map(|name| (name, from_json(name)))
            .collect();
        all.push(("smollm2", smollm2()));
        for (add_space_prefix, tokenizer) in sentencepiece() {
            let name = if add_space_prefix {
                "spm prefix"
            } else {
                "spm"
            };
            all.push((name, tokenizer));
        }
        all
    })
}

pub fn smollm2_vocabulary() -> GgufVocabulary {
    let path = model_path("smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf");
    let source = FileSource::open(path).expect("the GGUF file opens");
    let checkpoint = pollster::block_on(Checkpoint::open(source)).expect("the GGUF file is valid");
    let metadata = checkpoint.metadata();
    let text = |key: &str| metadata.get_str(key).expect("a string").map(str::to_owned);
    let list = |key: &str| {
        let list = metadata.get_str_array(key).expect("a list of strings");
        list.map(<[String]>::to_vec)
    };
    let id = |name: &str| {
        metadata
            .get_u32(&format!("tokenizer.ggml.{name}_token_id"))
            .expect("an id")
    };
    let flag = |key: &str| metadata.get_bool(key).expect("a flag");
    GgufVocabulary {
        model: text("tokenizer.ggml.model").expect("a tokenizer"),
        pre: text("tokenizer.ggml.pre"),
        tokens: list("tokenizer.ggml.tokens").expect("tokens"),
        token_types: metadata
            .get_u32_array("tokenizer.ggml.token_type")
            .expect("types"),
        scores: metadata
            .get_f32_array("tokenizer.ggml.scores")
            .expect("scores"),
        merges: list("tokenizer.ggml.merges"),
        bos: id("bos"),
        eos: id("eos"),
        unk: id("unknown"),
        pad: id("padding"),
        add_bos: flag("tokenizer.ggml.add_bos_token"),
        add_eos: flag("tokenizer.ggml.add_eos_token"),
        add_space_prefix: flag("tokenizer.ggml.add_space_prefix"),
        chat_template: text("tokenizer.chat_template"),
    }
}

pub fn smollm2() -> Tokenizer {
    Tokenizer::from_gguf(smollm2_vocabulary()).expect("the vocabulary loads")
}

pub fn fixture(name: &str) -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name);
    let text = std::fs::read_to_string(path).expect("the fixture can be read");
    serde_json::from_str(&text).expect("the fixture is JSON")
}

/// An expected output of a reference implementation, from `tests/reference`.
pub fn reference(name: &str) -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/reference")
        .join(name);
    let text = std::fs::read_to_string(path).expect("the reference can be read");
    serde_json::from_str(&text).expect("the reference is JSON")
}

pub fn texts() -> Vec<String> {
    serde_json::from_value(fixture("texts.json")).expect("a list of texts")
}

pub fn parse<T: serde::de::DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).expect("the fixture has this form")
}

pub fn ids(value: &Value) -> Vec<u32> {
    parse(value)
}

/// The vocabularies of `sentencepiece.json`, with whether they add a space at the start.
pub fn sentencepiece_vocabularies() -> Vec<(bool, GgufVocabulary, Value)> {
    let fixture = fixture("sentencepiece.json");
    let list: Vec<Value> = parse(&fixture["vocabularies"]);
    list.into_iter()
        .map(|entry| {
            let add_space_prefix = parse(&entry["add_space_prefix"]);
            let vocabulary = GgufVocabulary {
                model: "llama".to_owned(),
                tokens: parse(&entry["tokens"]),
                token_types: Some(parse(&entry["types"])),
                scores: Some(parse(&entry["scores"])),
                bos: Some(1),
                eos: Some(2),
                unk: Some(0),
                add_bos: Some(true),
                add_space_prefix: Some(add_space_prefix),
                ..GgufVocabulary::default()
            };
            (add_space_prefix, vocabulary, entry["cases"].clone())
        })
        .collect()
}

pub fn sentencepiece() -> Vec<(bool, Tokenizer)> {
    sentencepiece_vocabularies()
        .into_iter()
        .map(|(prefix, vocabulary, _)| {
            let tokenizer = Tokenizer::from_gguf(vocabulary).expect("the vocabulary loads");
            (prefix, tokenizer)
        })
        .collect()
}
