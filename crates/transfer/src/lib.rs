//! Tokenizer transfer: a model keeps its layers and takes the tokens of another tokenizer.
//!
//! ```text
//! checkpoint ──► SourceModel: rows as stored, tokens as bytes ─┐
//! tokenizer  ──► TokenTable ──► Overlap: shared | special | new ┴─► Initialise ──► Vocabulary
//! ```
//!
//! * [`TokenTable`] brings a vocabulary to bytes, so that `Ġthe`, `▁the` and ` the` are one string.
//! * [`Overlap`] says which tokens keep a row of the model, bit for bit.
//! * [`hypernetwork`] predicts rows, and with the feature `train` learns to.
//! * [`initialise`] holds the methods that make the other rows, one a file, behind one trait.
//! * `dynamic` joins the tokens of prompts and makes rows for what is joined.
//! * [`transplant`] runs a method in batches and quantises its rows on the way in.
//!
//! Rows are `f32`, `[tokens, hidden]`, one token after another.

#![warn(missing_docs)]
#![forbid(unsafe_code)]

#[cfg(feature = "auxiliary")]
pub mod dynamic;
mod error;
pub mod export;
mod graft;
pub mod hypernetwork;
pub mod initialise;
mod lossless;
mod method;
mod overlap;
pub mod report;
mod rows;
mod source;
mod table;
mod transplant;
#[cfg(feature = "auxiliary")]
pub mod vectors;

pub use error::TransferError;
pub use graft::{check_room, graft, graft_with};
pub use initialise::{Context, Head, Initialise, Rows, RowsFuture};
pub use lossless::check_lossless;
pub use method::{Aids, Input, Method};
pub use overlap::{Origin, Overlap};
pub use rows::{BlockStore, StoredRows};
pub use source::SourceModel;
pub use table::TokenTable;
pub use transplant::{Vocabulary, transplant, transplant_into};
