//! FOCUS (arXiv 2305.14481): sparse mixtures of shared tokens that are alike in an auxiliary space.

use super::{Combination, Context, Fvt, Weights};
use crate::TransferError;
use crate::vectors::{Cosines, UnitVectors, sparsemax};

/// A new row is the sparsemax mixture of the shared tokens' rows, by the cosines of static vectors
/// that were learned from text in the *target's* tokens.
///
/// A token without a vector, which the paper draws at random, gets [`Fvt`]'s row.
#[derive(Debug)]
pub struct Focus {
    vectors: UnitVectors,
    /// Vectors of shared tokens, and the source ids that they belong to.
    shared: Cosines,
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
            shared: Cosines::new(UnitVectors::new(values, vectors.columns())),
            vectors,
            ids,
        }
    }
}

impl Combination for Focus {
    fn name(&self) -> &'static str {
        "focus"
    }

    fn weights(
        &mut self,
        context: Context<'_>,
        ids: &[u32],
    ) -> Result<Vec<Weights>, TransferError> {
        let source = |(place, weight): (usize, f32)| Some((*self.ids.get(place)?, weight));
        self.shared.for_each(&self.vectors, ids, |id, cosines| {
            if cosines.is_empty() {
                return Fvt::of(context, id);
            }
            let mixture = sparsemax(cosines);
            Ok(mixture.into_iter().filter_map(source).collect())
        })
    }
}
