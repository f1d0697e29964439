//! Rows that are weighted sums of the model's rows.

use super::{Context, Initialise, Rows, RowsFuture, done};
use crate::{StoredRows, TransferError};

/// What a row is made of: ids of the source and their weights.
pub type Weights = Vec<(u32, f32)>;

/// A method that says for each target token which rows of the model it is made of. The head's rows,
/// where it has its own, are made with the same weights.
pub trait Combination {
    /// The name in tables and on the command line.
    fn name(&self) -> &'static str;

    /// The weights of each target token; none for the mean of all rows.
    ///
    /// # Errors
    /// `invalid-argument` for an id without a token.
    fn weights(&mut self, context: Context<'_>, ids: &[u32])
    -> Result<Vec<Weights>, TransferError>;
}

/// A [`Combination`] at work.
#[derive(Debug)]
pub struct Combined<'c, C> {
    context: Context<'c>,
    method: C,
}

impl<'c, C: Combination> Combined<'c, C> {
    /// The method between these vocabularies.
    pub fn new(context: Context<'c>, method: C) -> Self {
        Self { context, method }
    }
}

impl<C: Combination> Initialise for Combined<'_, C> {
    fn name(&self) -> &'static str {
        self.method.name()
    }

    fn rows<'a>(&'a mut self, ids: &'a [u32]) -> RowsFuture<'a> {
        let Self { context, method } = self;
        let weights = method.weights(*context, ids);
        done(weights.and_then(|weights| sums(*context, &weights)))
    }
}

/// Weighted sums of the model's rows, the mean row for no weights.
///
/// # Errors
/// `invalid-argument` for a row that is not there.
pub fn sums(context: Context<'_>, weights: &[Weights]) -> Result<Rows, TransferError> {
    let source = context.source;
    let output = if source.is_tied() {
        None
    } else {
        Some(sums_of(source.output(), source.output_mean(), weights)?)
    };
    Ok(Rows {
        input: sums_of(source.input(), source.mean(), weights)?,
        output,
        bias: None,
    })
}

pub(crate) fn sums_of(
    rows: &StoredRows,
    mean: &[f32],
    weights: &[Weights],
) -> Result<Vec<f32>, TransferError> {
    let mut out = vec![0.0; weights.len() * rows.columns()];
    let mut row = vec![0.0; rows.columns()];
    for (out, weights) in out.chunks_exact_mut(rows.columns()).zip(weights) {
        if weights.is_empty() {
            out.copy_from_slice(mean);
        }
        for (id, weight) in weights {
            rows.row_into(*id, &mut row)?;
            for (out, x) in out.iter_mut().zip(&row) {
                *out += weight * x;
            }
        }
    }
    Ok(out)
}
