//! The packed matrix and its products.
#![allow(unsafe_code)]

use super::activations::Scratch;
use super::builder::{Builder, Part, RowOrder};
use super::pool::{self, Disjoint};
use super::store::{Store, prepare};
use crate::KernelError;
use lexigraft_checkpoint::{DType, dequant};
use std::fmt;

/// A weight matrix `[rows, cols]` that stays quantised.
///
/// It is large and not `Clone`: share it in an `Arc`.
pub struct PackedMatrix {
    rows: usize,
    cols: usize,
    stores: Vec<Box<dyn Store>>,
}

impl PackedMatrix {
    pub(super) fn new(rows: usize, cols: usize, stores: Vec<Box<dyn Store>>) -> Self {
        Self { rows, cols, stores }
    }

    /// A builder of a matrix with `cols` columns, whose rows are those of
    /// `parts` one below the other. The parts may differ in their types.
    ///
    /// All memory is allocated here.
    ///
    /// # Errors
    /// `invalid-argument` for no rows or columns, rows that are not whole
    /// blocks, or heads that do not fit; `unsupported-type`; `out-of-memory`.
    pub fn builder(cols: usize, parts: &[Part]) -> Result<Builder, KernelError> {
        Builder::new(cols, parts, true)
    }

    /// As [`builder`](Self::builder), of a matrix that is only multiplied with: plain floats become
    /// fixed-point numbers of 14 to 16 bits with a scale for each 32 of a row, where rows are whole
    /// blocks of that. Products are nearly twice as fast then, and singles take half the memory.
    ///
    /// # Errors
    /// As [`builder`](Self::builder).
    pub fn product_builder(cols: usize, parts: &[Part]) -> Result<Builder, KernelError> {
        Builder::new(cols, parts, false)
    }

    /// A matrix of one part that is in memory as a whole.
    ///
    /// # Errors
    /// As [`builder`](Self::builder) and [`Builder::push`].
    pub fn from_blocks(
        dtype: DType,
        rows: usize,
        cols: usize,
        blocks: &[u8],
    ) -> Result<Self, KernelError> {
        let order = RowOrder::AsStored;
        let mut builder = Self::builder(cols, &[Part { dtype, rows, order }])?;
        builder.push(blocks)?;
        builder.finish()
    }

    /// Rows: outputs of a product.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns: inputs of a product.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Bytes of weights held in memory.
    pub fn bytes(&self) -> usize {
        self.stores.iter().map(|store| store.bytes()).sum()
    }

    /// The storage types, in the order of the rows.
    pub fn dtypes(&self) -> impl Iterator<Item = DType> {
        self.stores.iter().map(|store| store.dtype())
    }

    /// `out = W x`: `[cols] -> [rows]`.
    ///
    /// # Errors
    /// As [`matmul`](Self::matmul).
    pub fn matvec(
        &self,
        x: &[f32],
        out: &mut [f32],
        scratch: &mut Scratch,
    ) -> Result<(), KernelError> {
        self.matmul(x, 1, out, scratch)
    }

    /// `out = x Wᵀ`: `[tokens, cols] -> [tokens, rows]`, row-major.
    ///
    /// Nothing is allocated once the scratch has served a product as large.
    /// A token's result does not depend on the tokens beside it.
    ///
    /// # Errors
    /// `invalid-argument` when a length does not fit the shape,
    /// `out-of-memory` when the scratch cannot grow.
    pub fn matmul(
        &self,
        x: &[f32],
        tokens: usize,
        out: &mut [f32],
        scratch: &mut Scratch,
    ) -> Result<(), KernelError> {
        let fits = |len: usize, width: usize| tokens.checked_mul(width) == Some(len);
        if !fits(x.len(), self.cols) || !fits(out.len(), self.rows) {
            return Err(KernelError::InvalidArgument(format!(
                "{tokens} tokens through a [{}, {}] matrix take {} inputs and {} outputs, not {} \
                 and {}",
                self.rows,
                self.cols,
                tokens as u128 * self.cols as u128,
                tokens as u128 * self.rows as u128,
                x.len(),
                out.len()
            )));
        }
        let out = Disjoint::new(out);
        let mut prepared = None;
        let mut first = 0;
        for store in &self.stores {
            let input = store.input();
            if prepared != Some(input) {
                prepare(scratch, input, x, tokens, self.cols)?;
                prepared = Some(input);
            }
            let (scratch, tiles) = (&*scratch, store.row_tiles());
            let work = (store.rows() * self.cols).saturating_mul(tokens);
            let parts = pool::parts(work).min(tiles);
            pool::run(parts, &|part| {
                // SAFETY: the shares of row tiles do not overlap.
                unsafe {
                    let share = pool::share(tiles, parts, part);
                    store.product(share, scratch, tokens, &out, self.rows, first);
                }
            });
            first += store.rows();
        }
        Ok(())
    }

    /// Rows of the matrix as the checkpoint's dequantisation gives them, bit
    /// for bit but for what [`product_builder`](Self::product_builder) rounds:
    /// `[ids] -> [ids, cols]`.
    ///
    /// # Errors
    /// `invalid-argument` when an id is not below [`rows`](Self::rows) or
    /// `out` has another length.
    pub fn rows_into(&self, ids: &[u32], out: &mut [f32]) -> Result<(), KernelError> {
        if ids.len().checked_mul(self.cols) != Some(out.len()) {
            return Err(KernelError::InvalidArgument(format!(
                "{} rows of {} elements do not fill {} places",
                ids.len(),
                self.cols,
                out.len()
            )));
        }
        // On the stack: looking up a token must not allocate.
        let mut buffer = [0; 256];
        for (id, out) in ids.iter().zip(out.chunks_exact_mut(self.cols)) {
            let mut row = *id as usize;
            let Some(store) = self.stores.iter().find(|store| {
                let found = row < store.rows();
                if !found {
                    row -= store.rows();
                }
                found
            }) else {
                return Err(KernelError::InvalidArgument(format!(
                    "row {id} of a matrix with {} rows: give ids below that",
                    self.rows
                )));
            };
            let dtype = store.dtype();
            let (bytes, len) = (dtype.block_bytes().max(1), dtype.block_len().max(1));
            let blocks = buffer.len() / bytes;
            for (step, out) in out.chunks_mut(blocks * len).enumerate() {
                if let Some(stored) = buffer.get_mut(..out.len() / len * bytes) {
                    store.get(row, step * blocks, stored);
                    dequant::dequantize(dtype, stored, out)?;
                }
            }
        }
        Ok(())
    }
}

impl fmt::Debug for PackedMatrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let types: Vec<_> = self.dtypes().map(DType::name).collect();
        write!(
            f,
            "PackedMatrix([{}, {}], {})",
            self.rows,
            self.cols,
            types.join(" + ")
        )
    }
}
