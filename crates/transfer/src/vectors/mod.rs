//! Static vectors of tokens, and similarities between them.

mod cosines;
mod procrustes;
mod similarity;
mod skip_gram;

pub use cosines::Cosines;
pub use procrustes::procrustes;
pub(crate) use similarity::dot;
pub use similarity::{UnitVectors, largest, softmax, sparsemax};
pub use skip_gram::{SkipGram, SkipGramOptions};
