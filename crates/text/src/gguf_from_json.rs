//! A `tokenizer.json` as the vocabulary of a GGUF file.

use serde::Deserialize;
use serde_json::Value;
use tokenizers::AddedToken;

use crate::byte_level::SplitRule;
use crate::bytes::{Spelling, fallback_byte};
use crate::decoder::Decoder;
use crate::json_parts::{Merges, Tokens};
use crate::{GgufVocabulary, TextError, Tokenizer};

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    added_tokens: Vec<Added>,
    #[serde(default)]
    normalizer: Value,
    #[serde(default)]
    pre_tokenizer: Value,
    #[serde(default)]
    decoder: Value,
    model: Model,
}

#[derive(Deserialize)]
struct Added {
    id: u32,
    #[serde(flatten)]
    token: AddedToken,
}

#[derive(Deserialize)]
struct Model {
    #[serde(rename = "type")]
    kind: Option<String>,
    vocab: Option<Tokens>,
    merges: Option<Merges>,
    unk_token: Option<String>,
}

const NORMAL: u32 = 1;
const UNKNOWN: u32 = 2;
const CONTROL: u32 = 3;
const USER_DEFINED: u32 = 4;
const UNUSED: u32 = 5;
const BYTE: u32 = 6;

/// Texts that the two forms must agree on.
const PROBES: [&str; 6] = [
    "The quick brown fox's 12345 jumps, over\n\n\tthe  lazy dog.",
    "fn main() { println!(\"{}\", x[0]); }\r\n    return;",
    "Über señor naïve Zürich 3,14159",
    "Предварительная подготовка данных",
    "日本語の文章、中文字符。한국어",
    "👩‍👩‍👧 a\u{301} \u{0} ᚠ",
];

impl GgufVocabulary {
    /// The same tokenizer as a GGUF file keeps it: byte-level BPE as `gpt2` with its merges,
    /// SentencePiece's BPE as `llama` with scores in the order of its merges.
    ///
    /// The result is read back and held to the original over texts of many scripts.
    ///
    /// # Errors
    /// `bad-tokenizer` for a file that cannot be read; `unsupported-tokenizer` for another model or
    /// way to split text, which a GGUF file has no name for, and where the two forms disagree.
    pub fn from_json(tokenizer_json: &[u8]) -> Result<Self, TextError> {
        let original = Tokenizer::from_json(tokenizer_json)?;
        let file: File = serde_json::from_slice(tokenizer_json).map_err(|error| {
            TextError::tokenizer(format!("tokenizer.json: {error}; load another file"))
        })?;
        let (Some(Tokens(entries)), Some(Merges(merges)), Some("BPE") | None) = (
            file.model.vocab,
            file.model.merges,
            file.model.kind.as_deref(),
        ) else {
            return Err(unsupported("its model is no byte-pair encoder"));
        };
        let spelling = Decoder::from_json(&file.decoder)?.spelling;
        let rule = SplitRule::of(&file.normalizer, &file.pre_tokenizer);
        let (model, pre) = match (spelling, rule) {
            (Spelling::ByteLevel, Some(SplitRule::Gpt2 { digits: false })) => ("gpt2", "gpt-2"),
            (Spelling::ByteLevel, Some(SplitRule::Gpt2 { digits: true })) => ("gpt2", "smollm"),
            (Spelling::ByteLevel, Some(SplitRule::Llama3 { digits: 3 })) => ("gpt2", "llama-bpe"),
            (Spelling::ByteLevel, Some(SplitRule::Llama3 { digits: 1 })) => ("gpt2", "qwen2"),
            (Spelling::ByteLevel, Some(SplitRule::Gpt4o)) => ("gpt2", "gpt-4o"),
            (Spelling::Marked { .. }, Some(SplitRule::Whole)) => ("llama", "default"),
            _ => {
                return Err(unsupported(
                    "it splits text in a way that a GGUF file has no name for",
                ));
            }
        };
        let sentencepiece = model == "llama";
        let size = original.vocab_size();
        // An id without a token is padding that no text comes to.
        let mut tokens: Vec<String> = (0..size).map(|id| format!("[PAD{id}]")).collect();
        let mut types = vec![UNUSED; size];
        let mut place = |id: u32, token: &str, kind: u32| {
            if let (Some(slot), Some(known)) =
                (tokens.get_mut(id as usize), types.get_mut(id as usize))
            {
                *slot = token.to_owned();
                *known = kind;
            }
        };
        for (token, id) in &entries {
            let byte = sentencepiece && fallback_byte(token).is_some();
            place(*id, token, if byte { BYTE } else { NORMAL });
        }
        for added in &file.added_tokens {
            let token = added.token.content.as_str();
            let unknown = file.model.unk_token.as_deref() == Some(token);
            place(
                added.id,
                token,
                match (unknown, added.token.special) {
                    (true, _) => UNKNOWN,
                    (false, true) => CONTROL,
                    (false, false) => USER_DEFINED,
                },
            );
        }
        let ids = original.ids_before();
        let vocabulary = Self {
            model: model.to_owned(),
            pre: Some(pre.to_owned()),
            scores: sentencepiece.then(|| scores(&tokens, &merges)),
            tokens,
            token_types: Some(types),
            merges: (!sentencepiece).then(|| joined(&merges)),
            bos: original.bos(),
            eos: original.eos(),
            unk: file
                .model
                .unk_token
                .and_then(|token| original.id_of(&token)),
            pad: None,
            add_bos: Some(original.bos().is_some_and(|bos| ids.contains(&bos))),
            add_eos: Some(false),
            add_space_prefix: Some(sentencepiece && prepends(&file.normalizer)),
            chat_template: None,
        };
        agree(&original, &vocabulary)?;
        Ok(vocabulary)
    }
}

fn joined(merges: &[(String, String)]) -> Vec<String> {
    merges
        .iter()
        .map(|(left, right)| format!("{left} {right}"))
        .collect()
}

/// Minus the rank of the first merge that makes a token; tokens that none makes come last.
fn scores(tokens: &[String], merges: &[(String, String)]) -> Vec<f32> {
    let mut ranks: std::collections::HashMap<String, usize> = std::collections::HashMap::new();
    for (rank, (left, right)) in merges.iter().enumerate() {
        ranks.entry(format!("{left}{right}")).or_insert(rank);
    }
    let last = merges.len();
    tokens
        .iter()
        .map(|token| -(ranks.get(token).copied().unwrap_or(last) as f32))
        .collect()
}

fn prepends(normalizer: &Value) -> bool {
    let is = |value: &Value| value.get("type").and_then(Value::as_str) == Some("Prepend");
    let parts = normalizer.get("normalizers").and_then(Value::as_array);
    is(normalizer) || parts.is_some_and(|parts| parts.iter().any(is))
}

fn agree(original: &Tokenizer, vocabulary: &GgufVocabulary) -> Result<(), TextError> {
    let back = Tokenizer::from_gguf(vocabulary.clone())?;
    for text in PROBES {
        if original.encode(text, true)? != back.encode(text, true)? {
            return Err(unsupported(&format!(
                "a GGUF file would split {text:?} in another way"
            )));
        }
    }
    Ok(())
}

fn unsupported(why: &str) -> TextError {
    TextError::UnsupportedTokenizer(format!(
        "this tokenizer cannot be kept in a GGUF file: {why}; write safetensors and its \
         tokenizer.json instead"
    ))
}
