use lexigraft_checkpoint::CheckpointError;
use lexigraft_decode::DecodeError;
use lexigraft_models::ModelError;
use lexigraft_text::TextError;

/// What can go wrong between two vocabularies.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// Of the file.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Of the model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Of loading, generating or scoring.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// Of a tokenizer.
    #[error(transparent)]
    Text(#[from] TextError),
    /// The tokenizer does not give a text back as it was.
    #[error(
        "this tokenizer does not give text back: {0}. Bits per byte would count text that is lost; \
         take a tokenizer without such a normaliser, or allow the loss"
    )]
    LossyTokenizer(String),
    /// Parts of two models.
    #[error("{0}")]
    Mismatch(String),
    /// An argument that makes no sense.
    #[error("{0}")]
    InvalidArgument(String),
    /// The caller said stop.
    #[error("aborted")]
    Aborted,
}

impl TransferError {
    /// The stable code that the TypeScript API and the command line show.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Checkpoint(error) => error.code(),
            Self::Model(error) => error.code(),
            Self::Decode(error) => error.code(),
            Self::Text(error) => error.code(),
            Self::LossyTokenizer(_) => "unsupported-tokenizer",
            Self::Mismatch(_) => "tokenizer-mismatch",
            Self::InvalidArgument(_) => "invalid-argument",
            Self::Aborted => "aborted",
        }
    }
}
