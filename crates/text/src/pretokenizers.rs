//! The pre-tokenisers that GGUF files name in `tokenizer.ggml.pre`.
//!
//! Each pattern is the one in the model family's published `tokenizer.json`.

use serde_json::{Value, json};

use crate::TextError;

/// Llama 3: words with one leading symbol, up to three digits, punctuation, line ends.
pub(crate) const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// Qwen 2 and 3: as Llama 3 with single digits.
pub(crate) const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// GPT-4o (o200k): words split by case, with their contraction.
pub(crate) const GPT4O: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// A family of pre-tokenisers, with what goes with it in a GGUF vocabulary.
#[derive(Debug)]
pub(crate) struct PreTokenizer {
    /// In the form of a `tokenizer.json`.
    pub(crate) normalizer: Value,
    /// In the form of a `tokenizer.json`.
    pub(crate) pre_tokenizer: Value,
    /// Whether a whole word that is a token is taken without looking at the merges.
    pub(crate) ignore_merges: bool,
    /// Whether BOS is added where the file does not say.
    pub(crate) add_bos: bool,
}

/// The names understood, for messages.
pub(crate) const KNOWN: &str = "gpt-2, smollm, llama-bpe, qwen2, gpt-4o, default";

/// The pre-tokeniser of a name in `tokenizer.ggml.pre`; without a name, GPT-2's.
pub(crate) fn named(name: Option<&str>) -> Result<PreTokenizer, TextError> {
    let plain = |pre_tokenizer| PreTokenizer {
        normalizer: Value::Null,
        pre_tokenizer,
        ignore_merges: false,
        add_bos: false,
    };
    match name.unwrap_or("default") {
        "default" | "gpt-2" | "gpt2" | "phi-2" => Ok(plain(byte_level(true))),
        "smollm" | "starcoder" | "refact" => Ok(plain(sequence(
            json!({"type": "Digits", "individual_digits": true}),
            true,
        ))),
        "llama-bpe" | "llama3" | "llama-v3" => Ok(PreTokenizer {
            ignore_merges: true,
            add_bos: true,
            ..plain(sequence(split(LLAMA3), false))
        }),
        "qwen2" | "deepseek-r1-qwen" => Ok(PreTokenizer {
            normalizer: json!({"type": "NFC"}),
            ..plain(sequence(split(QWEN2), false))
        }),
        "gpt-4o" => Ok(plain(sequence(split(GPT4O), false))),
        other => Err(TextError::tokenizer(format!(
            "the pre-tokenizer '{other}' (tokenizer.ggml.pre) is unknown; known are {KNOWN}; \
             load the model's tokenizer.json beside it"
        ))),
    }
}

fn byte_level(use_regex: bool) -> Value {
    json!({
        "type": "ByteLevel",
        "add_prefix_space": false,
        "trim_offsets": true,
        "use_regex": use_regex,
    })
}

pub(crate) fn split(pattern: &str) -> Value {
    json!({
        "type": "Split",
        "pattern": {"Regex": pattern},
        "behavior": "Isolated",
        "invert": false,
    })
}

fn sequence(first: Value, use_regex: bool) -> Value {
    json!({"type": "Sequence", "pretokenizers": [first, byte_level(use_regex)]})
}
