//! Training on Burn's autodiff: forced splits first, then the frozen model's own states.

pub mod block;
pub mod cache;
pub mod context;
pub mod evaluate;
pub mod frozen;
pub mod head;
pub mod network;
pub mod regression;
pub mod ridge;
pub mod splits;
pub mod step;
pub mod store;

/// What can go wrong in training.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    #[error(transparent)]
    Model(#[from] lexigraft_models::ModelError),
    #[error(transparent)]
    Text(#[from] lexigraft_text::TextError),
    #[error("a checkpoint of the training cannot be read or written: {0}")]
    Io(#[from] std::io::Error),
    #[error("a checkpoint of the training is damaged: {0}")]
    Safetensors(#[from] safetensors::SafeTensorError),
    #[error("'{0}' in the checkpoint has another shape; it is of another network")]
    OtherNetwork(String),
}

/// Sums gradients of the two halves of a batch, each computed by a thread of its own.
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
