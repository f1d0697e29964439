//! Methods that make rows for tokens that the model does not have, one a file.

mod combine;
mod first_piece;
#[cfg(feature = "auxiliary")]
mod focus;
mod fvt;
mod mean;
#[cfg(feature = "auxiliary")]
mod omp;
#[cfg(feature = "auxiliary")]
mod token_adapt;
#[cfg(feature = "auxiliary")]
mod wechsel;
mod zero;

use std::future::{Future, ready};
use std::pin::Pin;

use crate::{Overlap, SourceModel, TokenTable, TransferError};

#[cfg(feature = "auxiliary")]
pub(crate) use combine::sums_of;
pub use combine::{Combination, Combined, Weights, sums};
pub use first_piece::{FirstPiece, FirstPieceOptions, PieceBigrams};
#[cfg(feature = "auxiliary")]
pub use focus::Focus;
pub use fvt::Fvt;
pub use mean::Mean;
#[cfg(feature = "auxiliary")]
pub use omp::{ATOMS, Omp, Pursuit, pursue};
#[cfg(feature = "auxiliary")]
pub use token_adapt::{TextVectors, TokenAdapt, TokenAdaptOptions, VectorsFuture};
#[cfg(feature = "auxiliary")]
pub use wechsel::Wechsel;
pub use zero::Zero;

/// What every method sees.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The model's tokens and rows.
    pub source: &'a SourceModel,
    /// The new tokens.
    pub target: &'a TokenTable,
    /// Which of them keep a row.
    pub overlap: &'a Overlap,
}

/// What a method's rows are used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head {
    /// The embedding is the head too, where the model has it so; else both are given.
    AsSource,
    /// The head has rows of its own, and with `bias` a number for each token that is added to its
    /// logit.
    Own {
        /// Whether there is a bias.
        bias: bool,
    },
}

/// Rows of a batch of tokens.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rows {
    /// Of the embedding: `[tokens, hidden]`.
    pub input: Vec<f32>,
    /// Of the head, `[tokens, hidden]`, exactly where it is not the embedding.
    pub output: Option<Vec<f32>>,
    /// Of the head, `[tokens]`, in nats, exactly where [`Head::Own`] has a bias. Tokens that keep
    /// their row have none.
    pub bias: Option<Vec<f32>>,
}

/// What [`Initialise::rows`] returns.
pub type RowsFuture<'a> = Pin<Box<dyn Future<Output = Result<Rows, TransferError>> + 'a>>;

/// A method that makes rows.
pub trait Initialise {
    /// The name in tables and on the command line.
    fn name(&self) -> &'static str;

    /// What the rows are used for.
    fn head(&self) -> Head {
        Head::AsSource
    }

    /// Tokens whose rows are made at once; in `f32`, 2048 are 4.7 MB of a hidden size of 576.
    /// Between batches a caller hears of progress and may stop, so a slow method takes fewer. Tokens
    /// of a batch begin alike where they can.
    fn batch(&self) -> usize {
        2048
    }

    /// Rows of target tokens, in the order of `ids`.
    ///
    /// # Errors
    /// `invalid-argument` for an id without a token, and what the method's model says.
    fn rows<'a>(&'a mut self, ids: &'a [u32]) -> RowsFuture<'a>;
}

/// A method's rows that are there at once.
fn done<'a>(rows: Result<Rows, TransferError>) -> RowsFuture<'a> {
    Box::pin(ready(rows))
}

impl Context<'_> {
    /// The bytes of a target token.
    ///
    /// # Errors
    /// `invalid-argument` for an id without one.
    pub fn bytes(&self, id: u32) -> Result<&[u8], TransferError> {
        self.target.bytes(id).ok_or_else(|| {
            TransferError::InvalidArgument(format!("the tokenizer has no token {id}"))
        })
    }
}
