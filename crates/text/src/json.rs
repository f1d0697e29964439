//! Reading a Hugging Face `tokenizer.json`.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tokenizers::models::ModelWrapper;
use tokenizers::{AddedToken, Model};

use crate::TextError;
use crate::byte_level::SplitRule;
use crate::bytes::Spelling;
use crate::decoder::{Decoder, Joining};
use crate::encoder::{BpeOptions, Encoder, MergeList, bpe};
use crate::json_parts::{Merges, Tokens};
use crate::postprocess::Frame;
use crate::tokenizer::Parts;
use crate::vocabulary::{Kind, Vocabulary};

/// The file; the large part stays unparsed until its kind is known. Truncation and padding
/// are not read at all.
#[derive(Deserialize)]
struct File<'a> {
    #[serde(default)]
    added_tokens: Vec<Added>,
    #[serde(default)]
    normalizer: Value,
    #[serde(default)]
    pre_tokenizer: Value,
    #[serde(default)]
    post_processor: Value,
    #[serde(default)]
    decoder: Value,
    #[serde(borrow)]
    model: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Added {
    id: u32,
    #[serde(flatten)]
    token: AddedToken,
}

/// Enough of any model to tell its kind, and the settings of BPE.
#[derive(Deserialize)]
struct AnyModel<'a> {
    #[serde(rename = "type")]
    kind: Option<String>,
    unk_token: Option<String>,
    continuing_subword_prefix: Option<String>,
    end_of_word_suffix: Option<String>,
    fuse_unk: Option<bool>,
    byte_fallback: Option<bool>,
    ignore_merges: Option<bool>,
    max_input_chars_per_word: Option<u64>,
    #[serde(borrow)]
    vocab: Option<&'a RawValue>,
    #[serde(borrow)]
    merges: Option<&'a RawValue>,
}

pub(crate) fn read(json: &[u8]) -> Result<Parts, TextError> {
    let text = std::str::from_utf8(json).map_err(|error| bad("it is not UTF-8", &error))?;
    let file: File =
        serde_json::from_str(text).map_err(|error| bad("it cannot be read", &error))?;
    let model = file
        .model
        .ok_or_else(|| TextError::tokenizer("tokenizer.json has no 'model'; load another file"))?;
    let head: AnyModel =
        serde_json::from_str(model.get()).map_err(|error| bad("its model", &error))?;

    let decoder = Decoder::from_json(&file.decoder)?;
    let frame = Frame::from_json(&file.post_processor)?;
    let mut added = file.added_tokens;
    added.retain(|added| !added.token.content.is_empty());
    // The engine numbers tokens that the model lacks in the order given.
    added.sort_by_key(|added| added.id);

    let kind = kind_of(&head)?;
    let (entries, model, merges) = match kind {
        "BPE" => {
            let (entries, (model, merges)) = read_bpe(head, &added)?;
            (entries, model, Some(merges))
        }
        _ => {
            let (entries, model) = read_other(model, kind)?;
            (entries, model, None)
        }
    };
    if entries.is_empty() && added.is_empty() {
        return Err(TextError::tokenizer(
            "tokenizer.json: the vocabulary is empty; load another file",
        ));
    }
    let vocabulary = table(entries, &added, decoder.spelling)?;
    let tokens: Vec<AddedToken> = added.iter().map(|added| added.token.clone()).collect();
    let split = SplitRule::of(&file.normalizer, &file.pre_tokenizer);
    let encoder = Encoder::new(model, file.normalizer, file.pre_tokenizer, tokens)?;
    for Added { id, token } in &added {
        let given = encoder.id_of(&token.content);
        if given != Some(*id) {
            return Err(TextError::tokenizer(format!(
                "tokenizer.json: the added token '{}' claims id {id}, but its place is {given:?}; \
                 ids must go on without holes after the model's",
                token.content
            )));
        }
    }
    if let Some(id) =
        (frame.before.iter().chain(&frame.after)).find(|&&id| vocabulary.kind(id) == Kind::Hole)
    {
        return Err(TextError::tokenizer(format!(
            "tokenizer.json: the post-processor adds id {id}, which has no token"
        )));
    }
    let bos = frame.before.first().copied();
    let eos = match decoder.joining {
        Joining::WordPiece { .. } => frame.after.last().copied(),
        _ => None,
    };
    Ok(Parts {
        encoder,
        vocabulary,
        decoder,
        frame,
        bos,
        eos,
        merges,
        split,
    })
}

fn kind_of(head: &AnyModel) -> Result<&'static str, TextError> {
    let known = ["BPE", "WordPiece", "WordLevel", "Unigram"];
    if let Some(kind) = &head.kind {
        return known
            .into_iter()
            .find(|known| known == kind)
            .ok_or_else(|| {
                TextError::tokenizer(format!(
                    "tokenizer.json: the model type '{kind}' is unknown; known are {}",
                    known.join(", ")
                ))
            });
    }
    // Files from before 2021 do not name the type.
    let is_list = |raw: &&RawValue| raw.get().trim_start().starts_with('[');
    Ok(if head.merges.is_some() {
        "BPE"
    } else if head.vocab.as_ref().is_some_and(is_list) {
        "Unigram"
    } else if head.max_input_chars_per_word.is_some() {
        "WordPiece"
    } else {
        "WordLevel"
    })
}

type Entries = Vec<(String, u32)>;

fn read_bpe(
    head: AnyModel,
    added: &[Added],
) -> Result<(Entries, (ModelWrapper, MergeList)), TextError> {
    let vocab = head
        .vocab
        .ok_or_else(|| TextError::tokenizer("tokenizer.json: its BPE model has no 'vocab'"))?;
    let Tokens(entries) =
        serde_json::from_str(vocab.get()).map_err(|error| bad("its vocabulary", &error))?;
    let merges = match head.merges {
        None => Vec::new(),
        Some(merges) => {
            let Merges(merges) =
                serde_json::from_str(merges.get()).map_err(|error| bad("its merges", &error))?;
            merges
        }
    };
    let mut map: tokenizers::models::bpe::Vocab = entries.iter().cloned().collect();
    if map.len() != entries.len() {
        return Err(duplicate(&entries));
    }
    // The engine gives added tokens that the model lacks the next free ids. Where the file
    // leaves a hole instead, they go into the model under their own ids: no merge leads there.
    let beside = added
        .iter()
        .filter(|added| !map.contains_key(&added.token.content));
    let missing: Vec<(String, u32)> = beside
        .map(|added| (added.token.content.clone(), added.id))
        .collect();
    let in_order = (map.len()..).zip(&missing);
    let fits = in_order.clone().all(|(next, (_, id))| next == *id as usize);
    if !fits {
        map.extend(missing);
    }
    let options = BpeOptions {
        unk_token: head.unk_token,
        continuing_subword_prefix: head.continuing_subword_prefix,
        end_of_word_suffix: head.end_of_word_suffix,
        fuse_unk: head.fuse_unk.unwrap_or(false),
        byte_fallback: head.byte_fallback.unwrap_or(false),
        ignore_merges: head.ignore_merges.unwrap_or(false),
    };
    Ok((entries, bpe(map, merges, options)?))
}

fn read_other(model: &RawValue, kind: &str) -> Result<(Entries, ModelWrapper), TextError> {
    let mut value: Value =
        serde_json::from_str(model.get()).map_err(|error| bad("its model", &error))?;
    if let Some(model) = value.as_object_mut() {
        model.insert("type".to_owned(), Value::from(kind));
        // Sampling between segmentations is for training; here ids must not vary.
        model.remove("alpha");
        model.remove("nbest_size");
    }
    let model: ModelWrapper =
        serde_json::from_value(value).map_err(|error| bad("its model", &error))?;
    let (entries, unknown): (Entries, Option<&str>) = match &model {
        ModelWrapper::Unigram(unigram) => {
            let tokens = unigram.iter().map(|(token, _)| token.clone());
            let entries: Entries = tokens.zip(0..).collect();
            if entries.iter().any(|(token, _)| token.is_empty()) {
                return Err(TextError::tokenizer(
                    "tokenizer.json: an empty token cannot be part of a Unigram vocabulary",
                ));
            }
            (entries, None)
        }
        ModelWrapper::WordPiece(model) => (
            model.get_vocab().into_iter().collect(),
            Some(&model.unk_token),
        ),
        ModelWrapper::WordLevel(model) => (
            model.get_vocab().into_iter().collect(),
            Some(&model.unk_token),
        ),
        ModelWrapper::BPE(model) => (model.get_vocab().into_iter().collect(), None),
    };
    if let Some(unknown) = unknown
        && !entries.iter().any(|(token, _)| token == unknown)
    {
        return Err(TextError::tokenizer(format!(
            "tokenizer.json: the unknown token '{unknown}' is not in the vocabulary"
        )));
    }
    Ok((entries, model))
}

/// The table of bytes, with the checks that ids and tokens belong to each other one to one.
fn table(entries: Entries, added: &[Added], spelling: Spelling) -> Result<Vocabulary, TextError> {
    let mut all: Vec<(u32, Kind, String)> = Vec::with_capacity(entries.len() + added.len());
    let kind_of = |added: &Added| match added.token.special {
        true => Kind::Special,
        false => Kind::Added,
    };
    all.extend(
        entries
            .into_iter()
            .map(|(token, id)| (id, Kind::Text, token)),
    );
    all.sort_by_key(|(id, ..)| *id);
    for (one, other) in all.iter().zip(all.iter().skip(1)) {
        if one.0 == other.0 {
            return Err(TextError::tokenizer(format!(
                "tokenizer.json: '{}' and '{}' share the id {}",
                one.2, other.2, one.0
            )));
        }
    }
    let mut beside = Vec::new();
    for token in added {
        match all.binary_search_by_key(&token.id, |(id, ..)| *id) {
            Err(_) => beside.push((token.id, kind_of(token), token.token.content.clone())),
            Ok(at) => match all.get_mut(at) {
                Some((_, kind, text)) if *text == token.token.content => *kind = kind_of(token),
                _ => {
                    return Err(TextError::tokenizer(format!(
                        "tokenizer.json: the added token '{}' takes the id {} of another token",
                        token.token.content, token.id
                    )));
                }
            },
        }
    }
    all.extend(beside);
    all.sort_by_key(|(id, ..)| *id);
    let size = all.last().map_or(0, |(id, ..)| *id as usize + 1);
    // A single absurd id must not reserve a table of four thousand million places.
    if size > all.len().saturating_mul(2).saturating_add(1 << 16) {
        return Err(TextError::tokenizer(format!(
            "tokenizer.json: {} tokens have ids up to {}; ids this sparse cannot be right",
            all.len(),
            size - 1
        )));
    }
    let with_bytes = all.into_iter().map(|(id, kind, token)| {
        let bytes = match (kind, spelling) {
            // The decoder of marked vocabularies turns marks in added tokens into spaces too.
            (Kind::Text, _) | (_, Spelling::Marked { .. }) => spelling.bytes_of(&token),
            _ => token.into_bytes(),
        };
        (id, kind, bytes.into())
    });
    Vocabulary::new(size, with_bytes)
}

fn duplicate(entries: &Entries) -> TextError {
    let mut seen = std::collections::HashMap::new();
    for (token, id) in entries {
        if let Some(before) = seen.insert(token.as_str(), *id) {
            return TextError::tokenizer(format!(
                "tokenizer.json: the token '{token}' stands twice in the vocabulary, as {before} \
                 and {id}"
            ));
        }
    }
    TextError::tokenizer("tokenizer.json: a token stands twice in the vocabulary")
}

fn bad(what: &str, error: &dyn std::fmt::Display) -> TextError {
    TextError::tokenizer(format!(
        "tokenizer.json: {what}: {error}; load the file that comes with the model"
    ))
}
