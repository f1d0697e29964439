//! Pictures in, tokens out.
//!
//! ```text
//! bytes ──► picture (decode, upright, crop or pad, normalise) ──► pixels
//! pixels ──► Vit: for each block  attention ──► reduce (prune or merge) ──► MLP
//!                                                  │
//!                                    source map: patch ──► token, or where it was dropped
//! tokens ──► unmerged to the patches ──► embedding, saliency map, metrics against the dense run
//! ```
//!
//! Token reduction works on plain slices: one method a file under [`reduce`], each a
//! [`TokenReducer`](reduce::TokenReducer) and listed in [`reduce::METHODS`]. Selection rules of
//! language models with image tokens are under [`decoder_rules`].

pub mod decoder_rules;
pub mod differences;
mod error;
#[cfg(feature = "model")]
pub mod evaluate;
pub mod filip;
pub mod macs;
pub mod metrics;
pub mod picture;
pub mod reduce;
#[cfg(feature = "model")]
mod replay;
#[cfg(feature = "model")]
pub mod see;
pub mod source_map;

pub use error::VisionError;
