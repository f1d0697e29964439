//! Rows predicted by a hypernetwork (ZeTT, arXiv 2405.07883).

pub mod pieces;
#[cfg(feature = "train")]
pub mod train;
