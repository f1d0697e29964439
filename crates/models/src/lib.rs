//! Burn models of Lexigraft.
//!
//! A model is loaded from a [`Checkpoint`](lexigraft_checkpoint::Checkpoint) onto a
//! [`ComputeDevice`], tensor by tensor in the order of use, so that the file and the model are
//! never both in memory. One family is one file: [`decoder::llama`] and [`encoder::bert`] say
//! which tensors a family has and what they are called; the layers are shared.
//!
//! Shapes are written outermost first: `[tokens, hidden]`.

pub mod decoder;
pub mod device;
pub mod encoder;
mod error;
pub mod hypernetwork;
mod linear;
mod loader;
mod norm;
mod room;
mod rope;
mod stored;
pub mod vision;

pub use device::{ComputeDevice, DeviceKind};
pub use error::ModelError;
#[doc(no_inline)]
#[cfg(feature = "cpu")]
pub use lexigraft_kernels::cpu::{pool as threads, probe};
pub use linear::{Embedding, Linear};
pub use loader::{LoadProgress, WeightLoader};
pub use norm::{LayerNorm, RmsNorm};
pub use rope::RopeScaling;
pub use stored::MatrixBuilder;
