//! WECHSEL (arXiv 2112.06598): mixtures of the source tokens nearest in aligned static vectors.

use super::{Combination, Context, Fvt, Weights};
use crate::TransferError;
use crate::vectors::{Cosines, UnitVectors, largest, procrustes, softmax};

/// A new row is the softmax mixture of the `neighbours` rows whose tokens are nearest in a space of
/// static vectors.
///
/// The vectors of the two vocabularies are learned apart and aligned by the rotation that fits best
/// (Procrustes). The paper takes word vectors of two languages and a dictionary for that; here the
/// vectors are those of tokens, and the shared tokens are the dictionary. A token without a vector
/// gets [`Fvt`]'s row.
#[derive(Debug)]
pub struct Wechsel {
    target: UnitVectors,
    /// Of the source's tokens that have one, in the target's space.
    source: Cosines,
    ids: Vec<u32>,
    neighbours: usize,
    temperature: f32,
}

/// The paper's number of neighbours.
pub const NEIGHBOURS: usize = 10;
/// The paper's temperature.
pub const TEMPERATURE: f32 = 0.1;

impl Wechsel {
    /// `source` and `target` are vectors of the two vocabularies' tokens, of the same length.
    ///
    /// # Errors
    /// `tokenizer-mismatch` for vectors of two lengths.
    pub fn new(
        context: Context<'_>,
        source: &UnitVectors,
        target: UnitVectors,
    ) -> Result<Self, TransferError> {
        let columns = target.columns();
        if source.columns() != columns {
            return Err(TransferError::Mismatch(format!(
                "vectors of {} and of {columns} elements cannot be aligned",
                source.columns()
            )));
        }
        let (mut left, mut right) = (Vec::new(), Vec::new());
        for (new, old) in context.overlap.shared() {
            if target.has(new as usize) && source.has(old as usize) {
                left.extend_from_slice(source.row(old as usize));
                right.extend_from_slice(target.row(new as usize));
            }
        }
        let rotation = procrustes(&left, &right, columns);
        let (mut values, mut ids) = (Vec::new(), Vec::new());
        for id in context.source.tokens().text_ids() {
            if source.has(id as usize) {
                values.extend(turned(source.row(id as usize), &rotation));
                ids.push(id);
            }
        }
        Ok(Self {
            target,
            source: Cosines::new(UnitVectors::new(values, columns)),
            ids,
            neighbours: NEIGHBOURS,
            temperature: TEMPERATURE,
        })
    }
}

/// `row R`.
fn turned(row: &[f32], rotation: &[f32]) -> Vec<f32> {
    let mut out = vec![0f32; row.len()];
    for (x, rotation) in row.iter().zip(rotation.chunks_exact(row.len().max(1))) {
        for (out, r) in out.iter_mut().zip(rotation) {
            *out += x * r;
        }
    }
    out
}

impl Combination for Wechsel {
    fn name(&self) -> &'static str {
        "wechsel"
    }

    fn weights(
        &mut self,
        context: Context<'_>,
        ids: &[u32],
    ) -> Result<Vec<Weights>, TransferError> {
        let source = |(place, weight): (usize, f32)| Some((*self.ids.get(place)?, weight));
        self.source.for_each(&self.target, ids, |id, cosines| {
            if cosines.is_empty() {
                return Fvt::of(context, id);
            }
            let nearest = largest(cosines, self.neighbours);
            let cosines: Vec<f32> = nearest.iter().map(|(_, cosine)| *cosine).collect();
            let weights = softmax(&cosines, self.temperature);
            let places = nearest.iter().map(|(place, _)| *place);
            Ok(places.zip(weights).filter_map(source).collect())
        })
    }
}
