//! Dynamic tokenization of prompts (arXiv 2411.18553): tokens that occur side by side often are
//! joined for the length of a batch, and the model reads a row for each joined token.
//!
//! ```text
//! token ids of a batch ──► merge_batch: m greedy joins ──► tokens, some of them joined
//! joined tokens' bytes ──► DynamicEmbedding: LRU cache, else a hypernetwork or the pieces' mean
//!                                                     └──► rows for LanguageModel::prefill
//! ```
//!
//! What the model writes after such a prompt is in its own tokens.

mod embedding;
mod merge;
mod pairs;
mod rule;

pub use embedding::{CacheCounts, DynamicEmbedding, RowMaker};
pub use merge::{Merged, merge_batch};
pub use rule::may_join;
