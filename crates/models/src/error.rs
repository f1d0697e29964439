use lexigraft_checkpoint::CheckpointError;
use lexigraft_kernels::KernelError;

/// What can go wrong while a model is loaded or run.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    Kernel(#[from] KernelError),
    #[error(
        "the architecture `{found}` is not supported; supported are {supported}. Choose a checkpoint of one of these families"
    )]
    UnsupportedArchitecture {
        found: String,
        supported: &'static str,
    },
    #[error("the model configuration is not usable: {0}")]
    BadConfig(String),
    #[error(
        "tensor `{name}` has shape {found:?}, but the configuration asks for {expected:?}; the file and its configuration do not belong together"
    )]
    ShapeMismatch {
        name: String,
        found: Vec<usize>,
        expected: Vec<usize>,
    },
    #[error(
        "{needed} are needed, {available} can be had: {what}. Choose a smaller model, context or quantisation"
    )]
    OutOfMemory {
        what: String,
        needed: String,
        available: String,
    },
    #[error("no usable WebGPU adapter: {0}. Choose the CPU device")]
    NoWebGpu(String),
    #[error(
        "the device stopped answering: {0}. Create the device anew and reload the model; a cached file needs no new download"
    )]
    DeviceLost(String),
    #[error("the device failed its self-test and is not used: {0}. Choose the CPU device")]
    SelfTest(String),
    #[error(
        "this hypernetwork was made for {base}, and these are not its rows; load that model, or train a hypernetwork for this one"
    )]
    WrongBaseModel { base: String },
    #[error("{0}")]
    InvalidArgument(String),
}

impl ModelError {
    /// The stable code that the TypeScript API and the command line show.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Checkpoint(error) => error.code(),
            Self::Kernel(error) => error.code(),
            Self::UnsupportedArchitecture { .. } => "unsupported-architecture",
            Self::BadConfig(_) => "bad-config",
            Self::ShapeMismatch { .. } => "bad-checkpoint",
            Self::OutOfMemory { .. } => "out-of-memory",
            Self::NoWebGpu(_) => "no-webgpu",
            Self::DeviceLost(_) | Self::SelfTest(_) => "device-lost",
            Self::WrongBaseModel { .. } => "wrong-base-model",
            Self::InvalidArgument(_) => "invalid-argument",
        }
    }
}

/// A failed readback is the first that the host hears of a lost device.
impl From<burn::tensor::ExecutionError> for ModelError {
    fn from(error: burn::tensor::ExecutionError) -> Self {
        Self::DeviceLost(error.to_string())
    }
}
