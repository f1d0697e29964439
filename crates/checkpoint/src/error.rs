//! The error of this crate and its stable codes.

use thiserror::Error;

/// What can go wrong between a file and its tensors.
///
/// [`CheckpointError::code`] is stable and shared with the TypeScript package;
/// the message is for people and says what to do next.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The file is damaged, truncated or contradicts itself.
    #[error("{0}. The file is damaged or incomplete: get it again, and compare its size and hash")]
    Malformed(String),

    /// A metadata value has another kind than the reader of the key expects.
    #[error(
        "metadata key `{key}` holds {found} where {expected} is expected. Export the file again \
         with a current converter"
    )]
    MetadataKind {
        /// The metadata key.
        key: String,
        /// The kind that was asked for.
        expected: &'static str,
        /// The kind that the file holds.
        found: &'static str,
    },

    /// A metadata key that the model needs is absent.
    #[error(
        "metadata key `{key}` is missing. Use a file that was exported with its full metadata, or \
         give the configuration separately"
    )]
    MissingKey {
        /// The metadata key.
        key: String,
    },

    /// The file is none of GGUF v2/v3 (little-endian), safetensors and ONNX.
    #[error("{0}")]
    UnsupportedFormat(String),

    /// A tensor is stored in a type that this crate does not decode.
    #[error(
        "tensor `{tensor}` has type {dtype}, which is not supported. Use a file stored as F32, \
         F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K or Q6_K"
    )]
    UnsupportedType {
        /// The tensor's name.
        tensor: String,
        /// The stored type, by its own name.
        dtype: String,
    },

    /// No tensor of this name.
    #[error(
        "tensor `{name}` is missing; the file holds {count} tensors{example}. Check that the file \
         belongs to this model architecture"
    )]
    MissingTensor {
        /// The name that was asked for.
        name: String,
        /// How many tensors the file holds.
        count: usize,
        /// A tensor that it does hold, ready to be appended to a sentence.
        example: String,
    },

    /// An argument that the caller can correct.
    #[error("{0}")]
    InvalidArgument(String),

    /// Memory for a tensor could not be allocated.
    #[error(
        "cannot allocate {bytes} bytes for tensor `{tensor}`. Free another model or use a smaller \
         or more strongly quantised one"
    )]
    OutOfMemory {
        /// The tensor's name.
        tensor: String,
        /// Bytes asked for.
        bytes: u64,
    },

    /// A progress callback asked to stop.
    #[error("reading was stopped by the caller")]
    Aborted,

    /// The operating system could not read the file.
    #[error("cannot {action}: {source}. Check the path and its permissions")]
    Io {
        /// What was tried, with the path where one is known.
        action: String,
        /// The operating system's answer.
        source: std::io::Error,
    },

    /// A [`ByteSource`](crate::ByteSource) written elsewhere failed.
    #[error("{message}")]
    Source {
        /// One of the project's error codes, such as `network` or `storage`.
        code: &'static str,
        /// What happened and what to do next.
        message: String,
    },
}

impl CheckpointError {
    /// The stable code, as listed in the TypeScript type `LexigraftErrorCode`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) | Self::MetadataKind { .. } => "bad-checkpoint",
            Self::MissingKey { .. } => "bad-config",
            Self::UnsupportedFormat(_) => "unsupported-format",
            Self::UnsupportedType { .. } => "unsupported-type",
            Self::MissingTensor { .. } => "missing-tensor",
            Self::InvalidArgument(_) => "invalid-argument",
            Self::OutOfMemory { .. } => "out-of-memory",
            Self::Aborted => "aborted",
            Self::Io { .. } => "io",
            Self::Source { code, .. } => code,
        }
    }
}
