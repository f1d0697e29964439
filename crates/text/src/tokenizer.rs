//! The tokenizer that the rest of the toolkit uses.

use std::sync::Arc;

use crate::byte_level::SplitRule;
use crate::decoder::{Decoder, Joining};
use crate::encoder::{Encoder, MergeList};
use crate::postprocess::Frame;
use crate::special;
use crate::stream::StreamDecoder;
use crate::vocabulary::{Kind, Vocabulary};
use crate::{GgufVocabulary, TextError, TokenizerConfig};

/// Text to ids and back, with the exact bytes of every token.
///
/// Cloning is cheap; clones share the vocabulary. Made by [`Tokenizer::from_json`] or
/// [`Tokenizer::from_gguf`].
#[derive(Debug, Clone)]
pub struct Tokenizer {
    shared: Arc<Shared>,
    bos: Option<u32>,
    eos: Option<u32>,
}

#[derive(Debug)]
struct Shared {
    encoder: Encoder,
    vocabulary: Vocabulary,
    decoder: Decoder,
    frame: Frame,
    stops: Vec<u32>,
    merges: Option<MergeList>,
    split: Option<SplitRule>,
}

/// What the readers of the two formats hand over.
pub(crate) struct Parts {
    pub(crate) encoder: Encoder,
    pub(crate) vocabulary: Vocabulary,
    pub(crate) decoder: Decoder,
    pub(crate) frame: Frame,
    pub(crate) bos: Option<u32>,
    pub(crate) eos: Option<u32>,
    /// Of a BPE model.
    pub(crate) merges: Option<MergeList>,
    /// How text is split before the merges, where it is one of the known ways.
    pub(crate) split: Option<SplitRule>,
}

impl Tokenizer {
    /// Reads a Hugging Face `tokenizer.json`.
    ///
    /// Models: BPE, WordPiece, WordLevel, Unigram. Its truncation and padding are left aside:
    /// ids come out whole. The file does not say which tokens begin and end a text, so
    /// [`bos`](Tokenizer::bos) and [`eos`](Tokenizer::eos) are taken from its post-processor
    /// and from well-known names; [`with_config`](Tokenizer::with_config) makes them exact.
    ///
    /// # Errors
    /// `bad-tokenizer`: not JSON, an unknown model, or a vocabulary that contradicts itself.
    pub fn from_json(tokenizer_json: &[u8]) -> Result<Self, TextError> {
        crate::json::read(tokenizer_json).map(Self::from_parts)
    }

    /// Builds the tokenizer of a GGUF file from its `tokenizer.ggml.*` metadata.
    ///
    /// # Errors
    /// `bad-tokenizer`: an unknown `model` or `pre`, or a vocabulary that contradicts itself.
    pub fn from_gguf(vocab: GgufVocabulary) -> Result<Self, TextError> {
        crate::gguf::read(vocab).map(Self::from_parts)
    }

    fn from_parts(parts: Parts) -> Self {
        let find = |name: &str, kinds: &[Kind]| {
            let id = parts.encoder.id_of(name)?;
            kinds.contains(&parts.vocabulary.kind(id)).then_some(id)
        };
        let channels = find("<|return|>", &[Kind::Special]).is_some();
        let stops: Vec<u32> = special::END
            .iter()
            // Beside `<|return|>`, `<|end|>` ends a message inside a turn, not the turn.
            .filter(|name| !(channels && **name == "<|end|>"))
            .filter_map(|name| match *name {
                // Also a tag of HTML, which Gemma 3 adds as text.
                "</s>" => find(name, &[Kind::Special]),
                name => find(name, &[Kind::Special, Kind::Added]),
            })
            .collect();
        let named_bos = || {
            special::BEGIN
                .iter()
                .find_map(|name| find(name, &[Kind::Special]))
        };
        let bos = parts.bos.or_else(named_bos);
        let eos = parts.eos.or_else(|| stops.first().copied());
        Self {
            shared: Arc::new(Shared {
                encoder: parts.encoder,
                vocabulary: parts.vocabulary,
                decoder: parts.decoder,
                frame: parts.frame,
                stops,
                merges: parts.merges,
                split: parts.split,
            }),
            bos,
            eos,
        }
    }

    /// Takes the beginning and end of text from a `tokenizer_config.json`.
    ///
    /// # Errors
    /// `bad-tokenizer` where it names a token that the vocabulary does not hold.
    pub fn with_config(mut self, config: &TokenizerConfig) -> Result<Self, TextError> {
        let find = |token: &Option<String>| match token {
            None => Ok(None),
            Some(token) => self.id_of(token).map(Some).ok_or_else(|| {
                TextError::tokenizer(format!(
                    "tokenizer_config.json names '{token}', which tokenizer.json does not hold; \
                     take both files from the same model"
                ))
            }),
        };
        let (bos, eos) = (find(&config.bos_token)?, find(&config.eos_token)?);
        self.bos = bos.or(self.bos);
        self.eos = eos.or(self.eos);
        Ok(self)
    }

    /// The ids of a text.
    ///
    /// Special tokens written in the text become their ids. `add_special` adds what the
    /// tokenizer puts around a text: BOS, `[CLS]` and `[SEP]`, or nothing. What the vocabulary
    /// cannot write becomes its unknown token, or is left out where it has none
    /// ([`missing_bytes`](Tokenizer::missing_bytes)), as in every implementation.
    ///
    /// # Errors
    /// `bad-tokenizer` where a Unigram model without an unknown token meets text it cannot
    /// write; `invalid-argument` for a run of blanks that the split pattern cannot take.
    pub fn encode(&self, text: &str, add_special: bool) -> Result<Vec<u32>, TextError> {
        let ids = self.shared.encoder.encode(text)?;
        let frame = &self.shared.frame;
        if !add_special || frame.len() == 0 {
            return Ok(ids);
        }
        Ok([&frame.before, ids.as_slice(), &frame.after].concat())
    }

    /// The tokens of a text, each with the byte of the text that it ends before. No special tokens
    /// are added around it.
    ///
    /// Where the tokens' bytes are the text, as with every byte-level vocabulary, the ends are
    /// exact, inside a character too. Where a normaliser has changed the text they are those of
    /// the characters that the tokens came from.
    ///
    /// # Errors
    /// As [`encode`](Tokenizer::encode).
    pub fn segment(&self, text: &str) -> Result<Vec<(u32, usize)>, TextError> {
        let ids = self.shared.encoder.encode(text)?;
        let bytes: Vec<Vec<u8>> = ids
            .iter()
            .map(|&id| self.bytes_after(id).unwrap_or_default())
            .collect();
        let joined = bytes.concat();
        // SentencePiece may begin a text with a space of its own.
        let own = match joined.strip_prefix(b" ") {
            Some(rest) if rest == text.as_bytes() => 1,
            _ if joined == text.as_bytes() => 0,
            _ => return self.shared.encoder.encode_ends(text),
        };
        let mut end = 0;
        let ends = bytes.iter().map(|bytes| {
            end += bytes.len();
            end - own.min(end)
        });
        Ok(ids.into_iter().zip(ends).collect())
    }

    /// Into how many parts a text is cut before the model of the tokenizer sees it: tokens never
    /// span two of them. A control or added token that is written in the text is a part of its own.
    ///
    /// # Errors
    /// `invalid-argument` for a run of blanks that the split pattern cannot take.
    pub fn count_pretokens(&self, text: &str) -> Result<usize, TextError> {
        self.shared.encoder.count_pretokens(text)
    }

    /// The ids of a text with the tokens around it, at most `max_len` in all: the text is cut
    /// at its end, the tokens around it stay.
    ///
    /// # Errors
    /// `invalid-argument` where `max_len` has no room for the tokens around a text; else as
    /// [`encode`](Tokenizer::encode).
    pub fn encode_truncated(&self, text: &str, max_len: usize) -> Result<Vec<u32>, TextError> {
        let frame = &self.shared.frame;
        let Some(room) = max_len.checked_sub(frame.len()) else {
            return Err(TextError::InvalidArgument(format!(
                "a maximum of {max_len} tokens has no room for the {} tokens that this tokenizer \
                 puts around a text; ask for more",
                frame.len()
            )));
        };
        let mut ids = self.shared.encoder.encode(text)?;
        ids.truncate(room);
        Ok([&frame.before, ids.as_slice(), &frame.after].concat())
    }

    /// The text of ids; `skip_special` leaves control tokens out.
    ///
    /// Bytes that are no UTF-8 become U+FFFD as by [`String::from_utf8_lossy`].
    ///
    /// # Errors
    /// `invalid-argument` for an id that the vocabulary has no token for.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String, TextError> {
        let mut stream = self.stream_decoder(skip_special);
        let mut text = String::new();
        for &id in ids {
            stream.push_to(id, &mut text)?;
        }
        stream.finish_to(&mut text);
        Ok(text)
    }

    /// A decoder for ids that arrive one by one.
    pub fn stream_decoder(&self, skip_special: bool) -> StreamDecoder {
        StreamDecoder::new(self.clone(), skip_special)
    }

    /// The exact bytes that a token stands for, `None` for an id without a token.
    ///
    /// A special token stands for its name, a SentencePiece byte piece for its byte, U+2581 for
    /// a space, a `##` piece for what follows the mark.
    pub fn token_bytes(&self, id: u32) -> Option<&[u8]> {
        let bytes = self.shared.vocabulary.bytes(id)?;
        match &self.shared.decoder.joining {
            Joining::WordPiece { prefix, .. } => {
                Some(bytes.strip_prefix(prefix.as_bytes()).unwrap_or(bytes))
            }
            _ => Some(bytes),
        }
    }

    /// The bytes that a token adds to a text that has begun, `None` for an id without one: where
    /// words are joined by spaces (WordPiece), with the space before the word, as
    /// [`decode`](Tokenizer::decode) has it.
    pub fn bytes_after(&self, id: u32) -> Option<Vec<u8>> {
        let bytes = self.shared.vocabulary.bytes(id)?;
        if self.shared.vocabulary.kind(id) == Kind::Special {
            return Some(bytes.to_vec());
        }
        Some(self.shared.decoder.piece(bytes, false))
    }

    /// One past the greatest id. Ids between may be without a token.
    pub fn vocab_size(&self) -> usize {
        self.shared.vocabulary.len()
    }

    /// The bytes that no token stands for alone, in order.
    ///
    /// A byte-level model without an unknown token drops such bytes from a text, in every
    /// implementation: SmolLM2's lacks 0x04 and twenty more. Empty for most vocabularies;
    /// without meaning for WordPiece.
    pub fn missing_bytes(&self) -> Vec<u8> {
        let mut found = [false; 256];
        for id in 0..u32::try_from(self.vocab_size()).unwrap_or(u32::MAX) {
            let text = self.shared.vocabulary.kind(id) == Kind::Text;
            if let (true, Some([byte])) = (text, self.shared.vocabulary.bytes(id))
                && let Some(place) = found.get_mut(usize::from(*byte))
            {
                *place = true;
            }
        }
        let missing = (0..=255u8).zip(found).filter(|(_, found)| !found);
        missing.map(|(byte, _)| byte).collect()
    }

    /// The id of a token as the vocabulary spells it (`Ġthe`, `▁the`, `<|im_end|>`).
    pub fn id_of(&self, token: &str) -> Option<u32> {
        self.shared.encoder.id_of(token)
    }

    /// Whether an id is a control token, which is no part of the text.
    pub fn is_special(&self, id: u32) -> bool {
        self.shared.vocabulary.kind(id) == Kind::Special
    }

    /// The token that begins a text, where there is one. Whether
    /// [`encode`](Tokenizer::encode) adds it is the tokenizer's affair.
    pub fn bos(&self) -> Option<u32> {
        self.bos
    }

    /// The token that ends a text, where there is one.
    pub fn eos(&self) -> Option<u32> {
        self.eos
    }

    /// The ids at which generation stops: [`eos`](Tokenizer::eos) first, then every other
    /// end of text or turn that the vocabulary knows (`<|im_end|>`, `<|eot_id|>`, `</s>` …).
    pub fn stop_ids(&self) -> Vec<u32> {
        let mut ids: Vec<u32> = self.eos.into_iter().collect();
        for &id in &self.shared.stops {
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        ids
    }

    /// The ids that [`encode`](Tokenizer::encode) puts before a text when special tokens are
    /// asked for; often none.
    pub fn ids_before(&self) -> &[u32] {
        &self.shared.frame.before
    }

    pub(crate) fn merges(&self) -> Option<&MergeList> {
        self.shared.merges.as_ref()
    }

    pub(crate) fn split_rule(&self) -> Option<SplitRule> {
        self.shared.split
    }

    pub(crate) fn vocabulary(&self) -> &Vocabulary {
        &self.shared.vocabulary
    }

    pub(crate) fn decoder(&self) -> &Decoder {
        &self.shared.decoder
    }
}
