//! Which image tokens a language model drops between its layers.
//!
//! No language model with image tokens is at hand here: these rules are held to brute-force
//! oracles, and no claim is made about their quality.

mod fastv;
mod pyramid_drop;
mod sparse_vlm;

pub use fastv::fastv;
pub use pyramid_drop::{PYRAMID_LAYERS, pyramid_counts, pyramid_drop};
pub use sparse_vlm::{Recycled, SparseVlm, density_peaks, raters};
