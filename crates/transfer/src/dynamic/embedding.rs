//! Rows of joined tokens, made when they are met and kept while they are used.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;

use super::Merged;
use crate::hypernetwork::Predictor;
use crate::initialise::{Weights, sums_of};
use crate::{SourceModel, TransferError};

/// What makes the row of a token that the vocabulary lacks.
#[derive(Debug, Clone, Copy)]
pub enum RowMaker<'m> {
    /// The mean of its pieces' rows, as [`Fvt`](crate::initialise::Fvt) has it.
    Mean,
    /// The input row that a hypernetwork predicts.
    Hypernetwork(Predictor<'m>),
}

/// How often a row was there and how often it was not: one of the two for each place that holds a
/// joined token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheCounts {
    /// Places whose row was held.
    pub hits: u64,
    /// Places whose row was not held.
    pub misses: u64,
}

/// The embedding of a model, for the tokens of [`merge_batch`](super::merge_batch) too.
#[derive(Debug)]
pub struct DynamicEmbedding<'m> {
    source: &'m SourceModel,
    maker: RowMaker<'m>,
    /// Rows by the bytes of their token: what the ids of joined tokens mean ends with their batch.
    cache: LruCache<Box<[u8]>, Arc<[f32]>>,
    counts: CacheCounts,
}

impl<'m> DynamicEmbedding<'m> {
    /// Keeps at most `capacity` rows, those that were used last; each is four bytes an element of
    /// the hidden size.
    pub fn new(source: &'m SourceModel, maker: RowMaker<'m>, capacity: NonZeroUsize) -> Self {
        Self {
            source,
            maker,
            cache: LruCache::new(capacity),
            counts: CacheCounts::default(),
        }
    }

    /// Hits and misses since it was made.
    pub fn counts(&self) -> CacheCounts {
        self.counts
    }

    /// Rows that are held.
    pub fn held(&self) -> usize {
        self.cache.len()
    }

    /// Rows `[tokens * hidden]` of each text of a batch. A token of the vocabulary has its own row.
    ///
    /// What the batch needs and is not held is made at once, however little the cache holds.
    ///
    /// # Errors
    /// `invalid-argument` for an id without a row, and what the model says; the cache is unchanged
    /// then.
    pub async fn rows(&mut self, merged: &Merged) -> Result<Vec<Vec<f32>>, TransferError> {
        let hidden = self.source.hidden();
        let tokens = || merged.texts().iter().flatten();
        let mut rows: HashMap<&[u8], Arc<[f32]>> = HashMap::new();
        let mut missing: Vec<&[u8]> = Vec::new();
        for bytes in tokens().filter_map(|token| merged.joined(*token)) {
            if rows.contains_key(bytes) {
                continue;
            }
            match self.cache.peek(bytes) {
                Some(row) => rows.insert(bytes, Arc::clone(row)),
                None => {
                    missing.push(bytes);
                    rows.insert(bytes, Arc::default())
                }
            };
        }
        let made = self.make(&missing).await?;
        for (bytes, row) in missing.into_iter().zip(made.chunks_exact(hidden)) {
            rows.insert(bytes, row.into());
        }
        let mut out = Vec::with_capacity(merged.texts().len());
        for text in merged.texts() {
            let mut values = vec![0.0; text.len() * hidden];
            for (token, slot) in text.iter().zip(values.chunks_exact_mut(hidden)) {
                match merged.joined(*token).and_then(|bytes| rows.get(bytes)) {
                    Some(row) => slot.copy_from_slice(row),
                    None => self.source.input().row_into(*token, slot)?,
                }
            }
            out.push(values);
        }
        for bytes in tokens().filter_map(|token| merged.joined(*token)) {
            self.keep(bytes, &rows);
        }
        Ok(out)
    }

    /// Counts one place, and keeps its row as the one that was used last.
    fn keep(&mut self, bytes: &[u8], rows: &HashMap<&[u8], Arc<[f32]>>) {
        if self.cache.get(bytes).is_some() {
            self.counts.hits += 1;
            return;
        }
        self.counts.misses += 1;
        if let Some(row) = rows.get(bytes) {
            self.cache.put(bytes.into(), Arc::clone(row));
        }
    }

    /// Rows `[tokens * hidden]`.
    async fn make(&self, tokens: &[&[u8]]) -> Result<Vec<f32>, TransferError> {
        if tokens.is_empty() {
            return Ok(Vec::new());
        }
        match &self.maker {
            RowMaker::Hypernetwork(predictor) => Ok(predictor.rows(tokens).await?.input),
            RowMaker::Mean => {
                let weights = tokens.iter().map(|bytes| mean_of(self.source, bytes));
                let weights: Vec<Weights> = weights.collect();
                sums_of(self.source.input(), self.source.mean(), &weights)
            }
        }
    }
}

fn mean_of(source: &SourceModel, bytes: &[u8]) -> Weights {
    let pieces = source.pieces(bytes);
    let weight = 1.0 / pieces.len().max(1) as f32;
    pieces.into_iter().map(|piece| (piece, weight)).collect()
}
