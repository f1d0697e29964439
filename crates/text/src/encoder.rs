//! The engine that splits text into ids: the `tokenizers` crate behind a checked door.
//!
//! Only its normaliser, pre-tokeniser, model and added tokens are used. Decoding and the
//! tokens around a text are ours, because streaming and exact bytes need them in another form.

use serde_json::Value;
use tokenizers::models::ModelWrapper;
use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::{
    AddedToken, DecoderWrapper, NormalizerWrapper, OffsetReferential, OffsetType,
    PostProcessorWrapper, PreTokenizer, PreTokenizerWrapper, TokenizerImpl,
};

use crate::TextError;
use crate::pretokenizers;

type Engine = TokenizerImpl<
    ModelWrapper,
    NormalizerWrapper,
    PreTokenizerWrapper,
    PostProcessorWrapper,
    DecoderWrapper,
>;

pub(crate) struct Encoder {
    engine: Engine,
    drops_unmatched: bool,
}

/// Beyond this many spaces in a row, the regex engine gives up on `\s*[\r\n]+` (it takes a
/// million steps back at most), and the engine takes the text for unmatched without a word.
const LONGEST_BLANK: usize = 250_000;

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder").finish_non_exhaustive()
    }
}

impl Encoder {
    /// `normalizer` and `pre_tokenizer` as they stand in a `tokenizer.json`.
    pub(crate) fn new(
        model: ModelWrapper,
        normalizer: Value,
        mut pre_tokenizer: Value,
        added: Vec<AddedToken>,
    ) -> Result<Self, TextError> {
        refuse_panicking_parts(&normalizer, 0)?;
        refuse_panicking_parts(&pre_tokenizer, 0)?;
        let drops_unmatched = keep_what_is_unmatched(&mut pre_tokenizer);
        let mut engine = Engine::new(model);
        if !normalizer.is_null() {
            let normalizer: NormalizerWrapper = serde_json::from_value(normalizer)
                .map_err(|error| bad("the normalizer cannot be used", &error))?;
            engine
                .with_normalizer(Some(normalizer))
                .map_err(|error| bad("the normalizer cannot be used", &error))?;
        }
        if !pre_tokenizer.is_null() {
            let pre_tokenizer: PreTokenizerWrapper = serde_json::from_value(pre_tokenizer)
                .map_err(|error| bad("the pre-tokenizer cannot be used", &error))?;
            engine.with_pre_tokenizer(Some(pre_tokenizer));
        }
        engine
            .add_tokens(added)
            .map_err(|error| bad("the added tokens cannot be used", &error))?;
        Ok(Self {
            engine,
            drops_unmatched,
        })
    }

    /// The ids of a text, without the tokens around it.
    pub(crate) fn encode(&self, text: &str) -> Result<Vec<u32>, TextError> {
        self.check_blanks(text)?;
        let encoding = self
            .engine
            .encode_fast(text, false)
            .map_err(|error| bad("the text cannot be encoded", &error))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The tokens of a text, each with the end of the characters that it came from, in bytes.
    pub(crate) fn encode_ends(&self, text: &str) -> Result<Vec<(u32, usize)>, TextError> {
        self.check_blanks(text)?;
        let encoding = self
            .engine
            .encode(text, false)
            .map_err(|error| bad("the text cannot be encoded", &error))?;
        let ends = encoding.get_offsets().iter().map(|(_, end)| *end);
        Ok(encoding.get_ids().iter().copied().zip(ends).collect())
    }

    /// The parts that a text is cut into before the model sees it, each an added token or one run
    /// of the model.
    pub(crate) fn count_pretokens(&self, text: &str) -> Result<usize, TextError> {
        self.check_blanks(text)?;
        let added = self.engine.get_added_vocabulary();
        let mut parts = added.extract_and_normalize(self.engine.get_normalizer(), text);
        if let Some(pre_tokenizer) = self.engine.get_pre_tokenizer() {
            pre_tokenizer
                .pre_tokenize(&mut parts)
                .map_err(|error| bad("the text cannot be split", &error))?;
        }
        let parts = parts.get_splits(OffsetReferential::Normalized, OffsetType::None);
        Ok(parts.len())
    }

    fn check_blanks(&self, text: &str) -> Result<(), TextError> {
        if self.drops_unmatched && longest_blank(text) > LONGEST_BLANK {
            return Err(TextError::InvalidArgument(format!(
                "the text has more than {LONGEST_BLANK} blanks in a row, which this tokenizer \
                 cannot split; shorten them"
            )));
        }
        Ok(())
    }

    pub(crate) fn id_of(&self, token: &str) -> Option<u32> {
        self.engine.token_to_id(token)
    }
}

/// Settings of a byte-pair model beside its vocabulary and merges.
#[derive(Debug, Default)]
pub(crate) struct BpeOptions {
    pub(crate) unk_token: Option<String>,
    pub(crate) continuing_subword_prefix: Option<String>,
    pub(crate) end_of_word_suffix: Option<String>,
    pub(crate) fuse_unk: bool,
    pub(crate) byte_fallback: bool,
    pub(crate) ignore_merges: bool,
}

/// The merges of a byte-pair model as ids, which the engine keeps to itself.
#[derive(Debug)]
pub(crate) struct MergeList {
    /// Left, right and merged token, in the order of ranks.
    pub(crate) merges: Vec<[u32; 3]>,
    /// Whether tokens are marked as beginning or ending a word, as byte-level ones never are.
    pub(crate) affixes: bool,
    /// Whether a character that no token covers is written as bytes.
    pub(crate) byte_fallback: bool,
}

/// A byte-pair model, with the checks that its builder leaves out.
pub(crate) fn bpe(
    vocab: Vocab,
    merges: Vec<(String, String)>,
    options: BpeOptions,
) -> Result<(ModelWrapper, MergeList), TextError> {
    let list = MergeList {
        merges: merge_ids(&vocab, &merges),
        affixes: [
            &options.continuing_subword_prefix,
            &options.end_of_word_suffix,
        ]
        .into_iter()
        .flatten()
        .any(|affix| !affix.is_empty()),
        byte_fallback: options.byte_fallback,
    };
    let prefix = options.continuing_subword_prefix.unwrap_or_default();
    let longest = vocab.keys().map(String::len).max().unwrap_or(0);
    for (rank, (left, right)) in merges.iter().enumerate() {
        // The builder copies both halves into a buffer as long as the longest token.
        let fits = right
            .strip_prefix(prefix.as_str())
            .is_some_and(|rest| left.len() + rest.len() <= longest);
        if !fits {
            return Err(TextError::tokenizer(format!(
                "merge {rank} ('{left}' + '{right}') makes a token that is not in the vocabulary; \
                 take the vocabulary and the merges of one tokenizer"
            )));
        }
    }
    if let Some(unknown) = options.unk_token.as_ref()
        && !vocab.contains_key(unknown)
    {
        return Err(TextError::tokenizer(format!(
            "the unknown token '{unknown}' is not in the vocabulary"
        )));
    }
    let mut builder = BPE::builder()
        .vocab_and_merges(vocab, merges)
        .fuse_unk(options.fuse_unk)
        .byte_fallback(options.byte_fallback)
        .ignore_merges(options.ignore_merges);
    if let Some(unknown) = options.unk_token {
        builder = builder.unk_token(unknown);
    }
    // An empty affix would make the model format a string for each character of the text.
    if !prefix.is_empty() {
        builder = builder.continuing_subword_prefix(prefix);
    }
    if let Some(suffix) = options.end_of_word_suffix.filter(|s| !s.is_empty()) {
        builder = builder.end_of_word_suffix(suffix);
    }
    let model = builder
        .build()
        .map_err(|error| bad("the merges do not fit the vocabulary", &error))?;
    Ok((ModelWrapper::BPE(model), list))
}

/// Merges that the builder will refuse are left out: nothing is made of them.
fn merge_ids(vocab: &Vocab, merges: &[(String, String)]) -> Vec<[u32; 3]> {
    let mut joined = String::new();
    let ids = merges.iter().filter_map(|(left, right)| {
        joined.clear();
        joined.push_str(left);
        joined.push_str(right);
        Some([*vocab.get(left)?, *vocab.get(right)?, *vocab.get(&joined)?])
    });
    ids.collect()
}

/// Turns splits that drop what their pattern does not match into splits that keep it, where the
/// pattern is known to match everything; says whether a split that drops is left.
fn keep_what_is_unmatched(pre_tokenizer: &mut Value) -> bool {
    if let Some(parts) = pre_tokenizer
        .get_mut("pretokenizers")
        .and_then(Value::as_array_mut)
    {
        let left: Vec<bool> = parts.iter_mut().map(keep_what_is_unmatched).collect();
        return left.contains(&true);
    }
    let pattern = pre_tokenizer
        .get("pattern")
        .and_then(|pattern| pattern.get("Regex"));
    let drops = pattern.is_some()
        && pre_tokenizer.get("behavior") == Some(&Value::from("Removed"))
        && pre_tokenizer.get("invert") == Some(&Value::Bool(true));
    if drops && pattern.and_then(Value::as_str) == Some(pretokenizers::GPT4O) {
        *pre_tokenizer = pretokenizers::split(pretokenizers::GPT4O);
        return false;
    }
    drops
}

fn longest_blank(text: &str) -> usize {
    let (mut longest, mut run) = (0, 0);
    for c in text.chars() {
        run = if c.is_whitespace() { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}

/// Parts of the engine that panic on crafted settings instead of returning an error.
fn refuse_panicking_parts(value: &Value, depth: usize) -> Result<(), TextError> {
    if depth > 16 {
        return Err(TextError::tokenizer(
            "tokenizer.json: its parts are nested too deeply",
        ));
    }
    let kind = value.get("type").and_then(Value::as_str).unwrap_or("");
    match kind {
        "FixedLength" if value.get("length").and_then(Value::as_u64) == Some(0) => {
            Err(TextError::tokenizer(
                "tokenizer.json: the pre-tokenizer FixedLength needs a length of at least 1",
            ))
        }
        "Precompiled" => Err(TextError::tokenizer(
            "tokenizer.json: the normalizer Precompiled (a SentencePiece character map) is not \
             supported; export the tokenizer with a Sequence of named normalizers",
        )),
        _ => ["normalizers", "pretokenizers"]
            .iter()
            .filter_map(|key| value.get(key).and_then(Value::as_array))
            .flatten()
            .try_for_each(|part| refuse_panicking_parts(part, depth + 1)),
    }
}

fn bad(what: &str, error: &dyn std::fmt::Display) -> TextError {
    TextError::tokenizer(format!("bad tokenizer: {what}: {error}"))
}
