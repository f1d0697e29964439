//! FOCUS (arXiv 2305.14481): sparse mixtures of shared tokens that are alike in an auxiliary space.

use super::{Combination, Context, Fvt, Weights};
use crate::TransferError;
use crate::vectors::{UnitVectors, sparsemax};

/// A new row is the sparsemax mixture of the shared tokens' rows, by the cosines of static vectors
/// that were learned from text in the *target's* tokens.
///
/// A token without a vector, which the paper draws at random, gets [`Fvt`]'s row.
#[derive(Debug)]
pub struct Focus {
    vectors: UnitVectors,
    /// Vectors of shared tokens, and the source ids that they belong to.
    shared: UnitVectors,
    ids: Vec<u32>,
}

impl Focus {
    /// `vectors` are those of the target's tokens: `[target tokens, columns]`.
    pub fn new(context: Context<'_>, vectors: UnitVectors) -> Self {
        let with_vector = |(target, _): &(u32, u32)| vectors.has(*target as usize);
        let (mut values, mut ids) = (Vec::new(), Vec::new());
        for (target, source) in context.overlap.shared().filter(with_vector) {
            values.extend_from_slice(vectors.row(target as usize));
            ids.push(source);
        }
        Self {
            shared: UnitVectors::new(values, vectors.columns()),
            vectors,
            ids,
        }
    }
}

impl Combination for Focus {
    fn name(&self) -> &'static str {
        "focus"
    }

    fn weights(&mut self, context: Context<'_>, id: u32) -> Result<Weights, TransferError> {
        if !self.vectors.has(id as usize) || self.shared.is_empty() {
            return Fvt.weights(context, id);
        }
        let cosines = self.shared.cosines(self.vectors.row(id as usize));
        let mixture = sparsemax(&cosines);
        let source = |(place, weight): (usize, f32)| Some((*self.ids.get(place)?, weight));
        Ok(mixture.into_iter().filter_map(source).collect())
    }
}
