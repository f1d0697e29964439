//! Rows predicted by a hypernetwork (after ZeTT, arXiv 2405.07883): [`Predicted`] makes them, and
//! with the feature `train`, [`train`](crate::hypernetwork::train) makes the network.

#[cfg(feature = "train")]
pub mod pieces;
mod predict;
#[cfg(feature = "train")]
pub mod train;

pub use predict::{Predicted, Predictor};
