//! The tokens before a text.

use lexigraft_text::{ByteVocabulary, Tokenizer};

use crate::DecodeError;

/// What a model reads before the bytes that it is asked about: at least one token, since a model
/// has no distribution before its first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    pub(super) tokens: Vec<u32>,
    pub(super) begins_text: bool,
}

/// The token between documents, as decoders without a first token were trained with it.
const BETWEEN_DOCUMENTS: [&str; 3] = ["<|endoftext|>", "<|end_of_text|>", "<eos>"];

impl Context {
    /// Tokens of any kind before the text, such as a chat template's. What the tokenizer puts
    /// at the beginning of a text (SentencePiece's space) is left out then.
    ///
    /// # Errors
    /// `invalid-argument` for none.
    pub fn of(tokens: Vec<u32>) -> Result<Self, DecodeError> {
        if tokens.is_empty() {
            return Err(DecodeError::InvalidArgument(
                "a byte model needs at least one token before the text".to_owned(),
            ));
        }
        Ok(Self {
            tokens,
            begins_text: false,
        })
    }

    /// The beginning of a text: the tokens that the tokenizer puts there, or, where it puts none
    /// (SmolLM2, GPT-2), the one between documents, else the first or last token of a text.
    ///
    /// # Errors
    /// `invalid-argument` for a vocabulary without any of them.
    pub fn start(tokenizer: &Tokenizer) -> Result<Self, DecodeError> {
        let before = tokenizer.ids_before();
        let between = || {
            let known = BETWEEN_DOCUMENTS.iter();
            known
                .filter_map(|name| tokenizer.id_of(name))
                .find(|id| tokenizer.is_special(*id))
        };
        let tokens = match before {
            [] => between()
                .or(tokenizer.bos())
                .or(tokenizer.eos())
                .into_iter()
                .collect(),
            before => before.to_vec(),
        };
        if tokens.is_empty() {
            return Err(DecodeError::InvalidArgument(
                "the vocabulary has no token that begins or ends a text; give the tokens before \
                 the text"
                    .to_owned(),
            ));
        }
        Ok(Self {
            tokens,
            begins_text: true,
        })
    }

    /// The tokens themselves.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// The ids of a text after this context.
    pub(super) fn encode(
        &self,
        vocabulary: &ByteVocabulary,
        text: &[u8],
    ) -> Result<Vec<u32>, DecodeError> {
        let prefix = match self.begins_text {
            true => vocabulary.prefix(),
            false => b"",
        };
        Ok(vocabulary.encode(&[prefix, text].concat())?)
    }
}
