//! Building a tokenizer from the metadata of a GGUF file.

use serde_json::{Value, json};
use tokenizers::AddedToken;

use crate::TextError;
use crate::byte_level::SplitRule;
use crate::bytes::{SPACE_MARK, Spelling, fallback_byte};
use crate::decoder::{Decoder, Joining};
use crate::encoder::{BpeOptions, Encoder, bpe};
use crate::json_parts::split_merge;
use crate::postprocess::Frame;
use crate::pretokenizers;
use crate::sentencepiece::merges_from_scores;
use crate::tokenizer::Parts;
use crate::vocabulary::{Kind, Vocabulary};

/// The `tokenizer.*` metadata of a GGUF file, as it stands there.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GgufVocabulary {
    /// `tokenizer.ggml.model`: `gpt2` (byte-level BPE) or `llama` (SentencePiece).
    pub model: String,
    /// `tokenizer.ggml.pre`: how a `gpt2` vocabulary splits text before the merges.
    pub pre: Option<String>,
    /// `tokenizer.ggml.tokens`, by id.
    pub tokens: Vec<String>,
    /// `tokenizer.ggml.token_type`: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused,
    /// 6 byte.
    pub token_types: Option<Vec<u32>>,
    /// `tokenizer.ggml.scores`, needed by `llama`.
    pub scores: Option<Vec<f32>>,
    /// `tokenizer.ggml.merges`, needed by `gpt2`: two tokens with a space between them.
    pub merges: Option<Vec<String>>,
    /// `tokenizer.ggml.bos_token_id`.
    pub bos: Option<u32>,
    /// `tokenizer.ggml.eos_token_id`.
    pub eos: Option<u32>,
    /// `tokenizer.ggml.unknown_token_id`.
    pub unk: Option<u32>,
    /// `tokenizer.ggml.padding_token_id`.
    pub pad: Option<u32>,
    /// `tokenizer.ggml.add_bos_token`.
    pub add_bos: Option<bool>,
    /// `tokenizer.ggml.add_eos_token`.
    pub add_eos: Option<bool>,
    /// `tokenizer.ggml.add_space_prefix`.
    pub add_space_prefix: Option<bool>,
    /// `tokenizer.chat_template`; kept here for [`ChatTemplate`](crate::ChatTemplate).
    pub chat_template: Option<String>,
}

const UNKNOWN: u32 = 2;
const CONTROL: u32 = 3;
const USER_DEFINED: u32 = 4;
const BYTE: u32 = 6;

/// What differs between the two kinds of vocabulary.
struct Plan {
    normalizer: Value,
    pre_tokenizer: Value,
    merges: Vec<(String, String)>,
    options: BpeOptions,
    decoder: Decoder,
    add_bos: bool,
}

pub(crate) fn read(vocab: GgufVocabulary) -> Result<Parts, TextError> {
    // The kind first: a vocabulary of another kind need not have what these two have.
    let plan_of = match vocab.model.as_str() {
        "gpt2" => plan_gpt2,
        "llama" => plan_llama,
        other => {
            return Err(TextError::tokenizer(format!(
                "the tokenizer model '{other}' (tokenizer.ggml.model) is unknown; known are gpt2 \
                 and llama; load the model's tokenizer.json beside it"
            )));
        }
    };
    check(&vocab)?;
    let map: tokenizers::models::bpe::Vocab = named_tokens(&vocab)
        .map(|(token, id)| (token.to_owned(), id))
        .collect();
    if map.len() != named_tokens(&vocab).count() {
        return Err(duplicate(&vocab));
    }
    let plan = plan_of(&vocab)?;
    let spelling = plan.decoder.spelling;
    let entries = (0u32..).zip(&vocab.tokens).map(|(id, token)| {
        let kind = kind_of(&vocab, id);
        let bytes = match (kind, spelling) {
            (Kind::Text, _) | (_, Spelling::Marked { .. }) => spelling.bytes_of(token),
            _ => token.clone().into_bytes(),
        };
        (id, kind, bytes.into())
    });
    let vocabulary = Vocabulary::new(vocab.tokens.len(), entries)?;
    let added = named_tokens(&vocab)
        .filter_map(|(token, id)| match kind_of(&vocab, id) {
            Kind::Special => Some((token, true)),
            Kind::Added => Some((token, false)),
            _ => None,
        })
        .map(|(token, special)| AddedToken::from(token, special).normalized(false))
        .collect();
    let (model, merges) = bpe(map, plan.merges, plan.options)?;
    let split = SplitRule::of(&plan.normalizer, &plan.pre_tokenizer);
    let encoder = Encoder::new(model, plan.normalizer, plan.pre_tokenizer, added)?;

    let frame_part = |wanted: bool, id: Option<u32>| match (wanted, id) {
        (true, Some(id)) => vec![id],
        _ => Vec::new(),
    };
    let bos = vocab.bos.or_else(|| control_named(&vocab, "<s>"));
    let eos = vocab.eos.or_else(|| control_named(&vocab, "</s>"));
    Ok(Parts {
        frame: Frame {
            before: frame_part(vocab.add_bos.unwrap_or(plan.add_bos), bos),
            after: frame_part(vocab.add_eos.unwrap_or(false), eos),
        },
        encoder,
        vocabulary,
        decoder: plan.decoder,
        bos,
        eos,
        merges: Some(merges),
        split,
    })
}

fn plan_gpt2(vocab: &GgufVocabulary) -> Result<Plan, TextError> {
    let pre = pretokenizers::named(vocab.pre.as_deref())?;
    let merges = vocab.merges.as_ref().ok_or_else(|| {
        TextError::tokenizer("the GGUF vocabulary has no merges (tokenizer.ggml.merges)")
    })?;
    let merges = merges
        .iter()
        .map(|merge| match split_merge(merge) {
            Some((left, right)) => Ok((left.to_owned(), right.to_owned())),
            None => Err(TextError::tokenizer(format!(
                "the merge '{merge}' is not two tokens with a space between them; \
                 convert the model again"
            ))),
        })
        .collect::<Result<_, _>>()?;
    Ok(Plan {
        normalizer: pre.normalizer,
        pre_tokenizer: pre.pre_tokenizer,
        merges,
        options: BpeOptions {
            ignore_merges: pre.ignore_merges,
            ..BpeOptions::default()
        },
        decoder: Decoder::byte_level(),
        add_bos: pre.add_bos,
    })
}

fn plan_llama(vocab: &GgufVocabulary) -> Result<Plan, TextError> {
    let scores = vocab.scores.as_ref().ok_or_else(|| {
        TextError::tokenizer(
            "the GGUF vocabulary has no scores (tokenizer.ggml.scores), which 'llama' needs",
        )
    })?;
    let pieces = named_tokens(vocab).filter_map(|(token, id)| {
        let score = scores.get(id as usize).copied()?;
        // Byte pieces stand for bytes that no piece covers; text never merges into one.
        let ordinary = kind_of(vocab, id) == Kind::Text && fallback_byte(token).is_none();
        ordinary.then_some((token, id, score))
    });
    let merges = merges_from_scores(pieces)?;
    let byte_fallback = vocab
        .tokens
        .iter()
        .any(|token| fallback_byte(token).is_some());
    let unknown = vocab
        .unk
        .or_else(|| {
            (0..)
                .zip(&vocab.tokens)
                .find_map(|(id, _)| (type_of(vocab, id) == UNKNOWN).then_some(id))
        })
        .and_then(|id| vocab.tokens.get(id as usize));
    let add_space_prefix = vocab.add_space_prefix.unwrap_or(true);
    let replace = json!({
        "type": "Replace",
        "pattern": {"String": " "},
        "content": SPACE_MARK.to_string(),
    });
    let normalizer = if add_space_prefix {
        let prepend = json!({"type": "Prepend", "prepend": SPACE_MARK.to_string()});
        json!({"type": "Sequence", "normalizers": [prepend, replace]})
    } else {
        replace
    };
    Ok(Plan {
        normalizer,
        pre_tokenizer: Value::Null,
        merges,
        options: BpeOptions {
            unk_token: unknown.cloned(),
            fuse_unk: true,
            byte_fallback,
            ..BpeOptions::default()
        },
        decoder: Decoder {
            spelling: Spelling::Marked {
                mark: SPACE_MARK,
                byte_fallback,
            },
            joining: Joining::Bytes {
                strip: usize::from(add_space_prefix),
            },
        },
        add_bos: true,
    })
}

/// Everything that lists must agree on before anything is built.
fn check(vocab: &GgufVocabulary) -> Result<(), TextError> {
    let count = vocab.tokens.len();
    if count == 0 {
        return Err(TextError::tokenizer(
            "the GGUF vocabulary has no tokens (tokenizer.ggml.tokens); load a file that \
             carries its tokenizer, or a tokenizer.json beside it",
        ));
    }
    let lists = [
        ("token_type", vocab.token_types.as_ref().map(Vec::len)),
        ("scores", vocab.scores.as_ref().map(Vec::len)),
    ];
    for (name, len) in lists {
        if let Some(len) = len.filter(|len| *len != count) {
            return Err(TextError::tokenizer(format!(
                "the GGUF vocabulary has {count} tokens but {len} entries in \
                 tokenizer.ggml.{name}; the file is damaged"
            )));
        }
    }
    let named = [
        ("bos", vocab.bos),
        ("eos", vocab.eos),
        ("unknown", vocab.unk),
        ("padding", vocab.pad),
    ];
    for (name, id) in named {
        if let Some(id) = id.filter(|id| *id as usize >= count) {
            return Err(TextError::tokenizer(format!(
                "tokenizer.ggml.{name}_token_id is {id}, but the vocabulary has {count} tokens"
            )));
        }
    }
    let wanted = [
        ("bos", vocab.add_bos, vocab.bos, "<s>"),
        ("eos", vocab.add_eos, vocab.eos, "</s>"),
    ];
    for (name, add, id, usual) in wanted {
        if add == Some(true) && id.is_none() && control_named(vocab, usual).is_none() {
            return Err(TextError::tokenizer(format!(
                "tokenizer.ggml.add_{name}_token is set, but there is no \
                 tokenizer.ggml.{name}_token_id"
            )));
        }
    }
    for (id, token) in (0u32..).zip(&vocab.tokens) {
        let kind = type_of(vocab, id);
        if !(0..=BYTE).contains(&kind) {
            return Err(TextError::tokenizer(format!(
                "token {id} has the type {kind}; types run from 0 to {BYTE}"
            )));
        }
        if kind == BYTE && vocab.model == "llama" && fallback_byte(token).is_none() {
            return Err(TextError::tokenizer(format!(
                "token {id} ('{token}') is marked as a byte but is not spelt <0xNN>"
            )));
        }
    }
    Ok(())
}

/// Tokens with their ids; empty ones, which some converters leave as padding, have no name.
fn named_tokens(vocab: &GgufVocabulary) -> impl Iterator<Item = (&str, u32)> {
    vocab
        .tokens
        .iter()
        .map(String::as_str)
        .zip(0u32..)
        .filter(|(token, _)| !token.is_empty())
}

fn type_of(vocab: &GgufVocabulary, id: u32) -> u32 {
    let types = vocab.token_types.as_ref();
    types
        .and_then(|types| types.get(id as usize))
        .copied()
        .unwrap_or(1)
}

fn kind_of(vocab: &GgufVocabulary, id: u32) -> Kind {
    match type_of(vocab, id) {
        CONTROL | UNKNOWN => Kind::Special,
        USER_DEFINED => Kind::Added,
        _ => Kind::Text,
    }
}

fn control_named(vocab: &GgufVocabulary, name: &str) -> Option<u32> {
    named_tokens(vocab)
        .find(|(token, id)| *token == name && kind_of(vocab, *id) == Kind::Special)
        .map(|(_, id)| id)
}

fn duplicate(vocab: &GgufVocabulary) -> TextError {
    let mut seen = std::collections::HashMap::new();
    for (token, id) in named_tokens(vocab) {
        if let Some(before) = seen.insert(token, id) {
            return TextError::tokenizer(format!(
                "the token '{token}' stands twice in the GGUF vocabulary, as {before} and {id}; \
                 convert the model again"
            ));
        }
    }
    TextError::tokenizer("a token stands twice in the GGUF vocabulary")
}
