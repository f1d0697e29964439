use lexigraft_checkpoint::CheckpointError;
use lexigraft_models::ModelError;
use lexigraft_text::TextError;

/// What can go wrong from a checkpoint to text.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error(transparent)]
    Text(#[from] TextError),
    #[error("the file holds no tokenizer; give the model's tokenizer.json too")]
    TokenizerMissing,
    #[error(
        "the tokenizer has {tokenizer} tokens, but the model's embedding has {model} rows; they do not belong together"
    )]
    TokenizerMismatch { tokenizer: usize, model: usize },
    #[error("the model has no chat template; use a plain prompt")]
    NoChatTemplate,
    #[error(
        "the prompt has {tokens} tokens, but the context holds {context}, one of them for the answer; shorten the prompt"
    )]
    PromptTooLong { tokens: usize, context: usize },
    #[error(
        "no token sequence of this vocabulary covers the text up to byte {at} (0x{byte:02X}); leave that byte out, or ask for all tokenizations"
    )]
    NoTokenization { byte: u8, at: usize },
    #[error(
        "the text has more than {most} tokenizations at byte {at}; ask for a beam of the likeliest ones, or for canonical ones"
    )]
    TooManyTokenizations { at: usize, most: usize },
    #[error("no byte is left that may come at byte {at}: {reason}")]
    ContradictoryConstraints { at: usize, reason: String },
    #[error("{0}")]
    BadConstraint(String),
    #[error(
        "the vocabulary has no tokens for filling in the middle; use a model that was trained with them"
    )]
    NoFillInTheMiddle,
    #[error("{0}")]
    InvalidArgument(String),
    #[error("aborted")]
    Aborted,
}

impl DecodeError {
    /// The stable code that the TypeScript API and the command line show.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Checkpoint(error) => error.code(),
            Self::Model(error) => error.code(),
            Self::Text(error) => error.code(),
            Self::TokenizerMissing => "tokenizer-missing",
            Self::TokenizerMismatch { .. } => "tokenizer-mismatch",
            Self::NoChatTemplate => "bad-template",
            Self::PromptTooLong { .. } => "prompt-too-long",
            Self::NoTokenization { .. } => "no-tokenization",
            Self::TooManyTokenizations { .. } => "too-many-tokenizations",
            Self::ContradictoryConstraints { .. } => "contradictory-constraints",
            Self::BadConstraint(_) => "bad-constraint",
            Self::NoFillInTheMiddle => "no-fill-in-the-middle",
            Self::InvalidArgument(_) => "invalid-argument",
            Self::Aborted => "aborted",
        }
    }
}
