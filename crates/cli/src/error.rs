use std::path::PathBuf;

use lexigraft_checkpoint::CheckpointError;
use lexigraft_decode::DecodeError;
use lexigraft_models::ModelError;
use lexigraft_text::TextError;

#[derive(Debug, thiserror::Error)]
pub enum CliError {
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error(transparent)]
    Vision(#[from] lexigraft_vision::VisionError),
    #[error(transparent)]
    Transfer(#[from] lexigraft_transfer::TransferError),
    #[error(transparent)]
    Train(Box<lexigraft_transfer::hypernetwork::train::TrainError>),
    #[error("{0:?} is no FILE:SHARE with a share above 0")]
    BadShare(String),
    #[error(
        "{path} holds {found} bytes, not the 3 x {size} x {size} f32 values of a picture; --size says which",
        path = path.display()
    )]
    RawInput {
        path: PathBuf,
        found: usize,
        size: usize,
    },
    #[error("cannot read {path}: {source}", path = path.display())]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{path} is not UTF-8 text: {source}", path = path.display())]
    NotText {
        path: PathBuf,
        source: std::str::Utf8Error,
    },
    #[error(
        "{path} holds no .gguf, .safetensors or .onnx file, or several: name the file",
        path = .0.display()
    )]
    NoModel(PathBuf),
    #[error("{0:?} is no even number of hexadecimal digits")]
    BadHex(String),
    #[error("--suffix and --with need --method exact")]
    OnlyExact,
    #[error("the files have only {found} passages of {tokens} tokens to cut; give longer ones")]
    TooFewPassages { found: usize, tokens: usize },
    #[error(
        "{path} is too short for {windows} windows of {bytes} bytes; ask for fewer or shorter ones",
        path = path.display()
    )]
    TooShort {
        path: PathBuf,
        bytes: usize,
        windows: usize,
    },
    #[error("cannot write the result: {0}")]
    Write(#[from] std::io::Error),
    #[error("cannot write the result as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl CliError {
    pub fn code(&self) -> &'static str {
        match self {
            Self::Decode(error) => error.code(),
            Self::Vision(error) => error.code(),
            Self::Transfer(error) => error.code(),
            Self::Train(error) => error.code(),
            Self::Read { .. } | Self::Write(_) => "io",
            Self::NotText { .. }
            | Self::BadShare(_)
            | Self::NoModel(_)
            | Self::RawInput { .. }
            | Self::BadHex(_)
            | Self::OnlyExact
            | Self::TooFewPassages { .. }
            | Self::TooShort { .. } => "invalid-argument",
            Self::Json(_) => "internal",
        }
    }
}

macro_rules! through_decode {
    ($($error:ty),+) => {$(
        impl From<$error> for CliError {
            fn from(error: $error) -> Self {
                Self::Decode(error.into())
            }
        }
    )+};
}

through_decode!(CheckpointError, ModelError, TextError);
