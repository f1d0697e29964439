//! The error of this crate and its stable codes.

use lexigraft_checkpoint::{CheckpointError, DType};
use thiserror::Error;

/// What can go wrong while a matrix is packed or multiplied.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KernelError {
    /// There is no kernel for this storage type.
    #[error(
        "no kernel multiplies {0}. Use a file stored as F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, \
         Q5_1, Q4_K, Q5_K or Q6_K"
    )]
    UnsupportedType(DType),

    /// An argument that the caller can correct.
    #[error("{0}")]
    InvalidArgument(String),

    /// A block whose scale or minimum is infinite or not a number.
    #[error(
        "the scale of a {dtype} block in row {row} is not a finite number. The file is damaged: \
         get it again, and compare its size and hash"
    )]
    NotFinite {
        /// The storage type.
        dtype: DType,
        /// The row in the order of the file, counted over all parts.
        row: usize,
    },

    /// Memory could not be allocated.
    #[error(
        "cannot allocate {bytes} bytes for {what}. Free another model or use a smaller or more \
         strongly quantised one"
    )]
    OutOfMemory {
        /// What the memory was for.
        what: &'static str,
        /// Bytes asked for.
        bytes: usize,
    },

    /// A kernel does not agree with its twin.
    #[error("the kernel {kernel} failed its self-test: {message}. Choose the CPU device")]
    SelfTest {
        /// The kernel.
        kernel: String,
        /// What was found.
        message: String,
    },

    /// The device gave nothing back.
    #[error("the device did not give its result back: {0}. Load the model again")]
    DeviceLost(String),

    /// Blocks could not be dequantised.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

impl KernelError {
    /// The stable code, as listed in the TypeScript type `LexigraftErrorCode`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnsupportedType(_) => "unsupported-type",
            Self::InvalidArgument(_) => "invalid-argument",
            Self::NotFinite { .. } => "bad-checkpoint",
            Self::OutOfMemory { .. } => "out-of-memory",
            Self::SelfTest { .. } | Self::DeviceLost(_) => "device-lost",
            Self::Checkpoint(error) => error.code(),
        }
    }
}
