//! Static vectors of tokens, and similarities between them.

mod procrustes;
mod similarity;
mod skip_gram;

pub use procrustes::procrustes;
pub(crate) use similarity::dot;
pub use similarity::{UnitVectors, softmax, sparsemax};
pub use skip_gram::{SkipGram, SkipGramOptions};
