//! Training on Burn's autodiff: the head in closed form from forced splits, then by gradients of
//! the frozen model's own states.

#![allow(missing_docs, reason = "for the command line alone")]
#![allow(
    clippy::indexing_slicing,
    reason = "offline training over arrays whose sizes this module made itself"
)]

pub mod blend;
pub mod block;
pub mod cache;
pub mod calibrate;
pub mod context;
pub mod frozen;
pub mod head;
pub mod ideal;
pub mod memory;
pub mod network;
pub mod options;
pub mod plot;
pub mod polish;
pub mod recalled;
pub mod regression;
pub mod ridge;
pub mod run;
pub mod sampled;
pub mod sides;
pub mod splits;
pub mod statistics;
pub mod step;
pub mod store;
pub mod target;
pub mod whole;

/// What can go wrong in training.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    #[error(transparent)]
    Model(#[from] lexigraft_models::ModelError),
    #[error(transparent)]
    Checkpoint(#[from] lexigraft_checkpoint::CheckpointError),
    #[error(transparent)]
    Text(#[from] lexigraft_text::TextError),
    #[error("a file of the training cannot be read or written: {0}")]
    Io(#[from] std::io::Error),
    #[error(
        "a file of the training is damaged: {0}; a checkpoint that is has to be deleted to begin anew"
    )]
    Safetensors(#[from] safetensors::SafeTensorError),
    #[error(
        "`{0}` in the checkpoint has another shape: it is of another network; choose another folder"
    )]
    OtherNetwork(String),
    #[error("the two files are of different models or formats; blend what was trained on one")]
    OtherBase,
    #[error("there are no {0} to train on, or too few")]
    Nothing(&'static str),
}

impl TrainError {
    /// The stable code that the command line shows.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Model(error) => error.code(),
            Self::Checkpoint(error) => error.code(),
            Self::Text(error) => error.code(),
            Self::Io(_) => "io",
            Self::Safetensors(_) | Self::OtherNetwork(_) => "bad-checkpoint",
            Self::OtherBase => "wrong-base-model",
            Self::Nothing(_) => "invalid-argument",
        }
    }
}

/// Runs two halves of a job, each on a thread of its own.
pub fn in_two_threads<T: Send>(
    left: impl FnOnce() -> T + Send,
    right: impl FnOnce() -> T + Send,
) -> (T, T) {
    std::thread::scope(|scope| {
        let other = scope.spawn(right);
        let left = left();
        match other.join() {
            Ok(right) => (left, right),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}
