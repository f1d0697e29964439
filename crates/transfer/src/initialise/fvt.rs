//! Fast Vocabulary Transfer (arXiv 2402.09977), also ReTok's rule (arXiv 2410.04335).

use super::{Combination, Context, Weights};
use crate::TransferError;

/// A new row is the mean of the rows of its pieces, which the model's own merges make of the token's
/// bytes. The leading space is kept, where the official code strips it.
///
/// A byte that no token of the model stands for is left out of the mean; a token of such bytes alone
/// gets the mean row.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fvt;

impl Fvt {
    /// The weights of one token.
    ///
    /// # Errors
    /// `invalid-argument` for an id without a token.
    pub fn of(context: Context<'_>, id: u32) -> Result<Weights, TransferError> {
        let pieces = context.source.pieces(context.bytes(id)?);
        let weight = 1.0 / pieces.len().max(1) as f32;
        Ok(pieces.into_iter().map(|piece| (piece, weight)).collect())
    }
}

impl Combination for Fvt {
    fn name(&self) -> &'static str {
        "fvt"
    }

    fn weights(
        &mut self,
        context: Context<'_>,
        ids: &[u32],
    ) -> Result<Vec<Weights>, TransferError> {
        ids.iter().map(|id| Self::of(context, *id)).collect()
    }
}
