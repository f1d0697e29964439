//! Static vectors of tokens, and similarities between them.

mod procrustes;
mod similarity;
mod skip_gram;

pub use procrustes::procrustes;
pub use similarity::{UnitVectors, softmax, sparsemax};
pub use skip_gram::{SkipGram, SkipGramOptions};
