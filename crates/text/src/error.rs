//! The one error type of the crate.

/// What can go wrong with tokenizers and templates.
///
/// Every variant has a stable [code](TextError::code), shared with the JavaScript surface, and
/// a message that says what to do next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// The vocabulary or `tokenizer.json` cannot be used.
    #[error("{0}")]
    BadTokenizer(String),
    /// The chat template does not parse, fails while it renders, or does not end.
    #[error("bad chat template{}: {message}", line_suffix(*.line))]
    BadTemplate {
        /// 1-based line in the template, where it is known.
        line: Option<usize>,
        /// What is wrong with it.
        message: String,
    },
    /// The template itself refused the messages (`raise_exception`).
    #[error("the chat template refuses these messages: {0}; change the messages or their order")]
    MessagesRefused(String),
    /// An id that the vocabulary has no token for.
    #[error(
        "token id {id} is not in the vocabulary (ids run from 0 to {}); \
         pass ids of the same tokenizer",
        .vocab_size.saturating_sub(1)
    )]
    UnknownId {
        /// The id asked for.
        id: u32,
        /// One past the greatest id of the vocabulary.
        vocab_size: usize,
    },
    /// The byte-level methods do not know how this kind of tokenizer splits text.
    #[error("{0}")]
    UnsupportedTokenizer(String),
    /// An argument that makes no sense.
    #[error("{0}")]
    InvalidArgument(String),
}

impl TextError {
    /// The stable code: `bad-tokenizer`, `bad-template`, `unsupported-tokenizer` or
    /// `invalid-argument`.
    pub fn code(&self) -> &'static str {
        match self {
            TextError::BadTokenizer(_) => "bad-tokenizer",
            TextError::BadTemplate { .. } => "bad-template",
            TextError::UnsupportedTokenizer(_) => "unsupported-tokenizer",
            TextError::MessagesRefused(_)
            | TextError::UnknownId { .. }
            | TextError::InvalidArgument(_) => "invalid-argument",
        }
    }

    pub(crate) fn tokenizer(message: impl Into<String>) -> Self {
        TextError::BadTokenizer(message.into())
    }
}

fn line_suffix(line: Option<usize>) -> String {
    line.map(|line| format!(" (line {line})"))
        .unwrap_or_default()
}
