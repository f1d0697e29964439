//! From a checkpoint's blocks to tiles.

use super::matrix::PackedMatrix;
use super::store::{Store, product_store, store};
use crate::KernelError;
use lexigraft_checkpoint::DType;

/// Rows of a matrix as a checkpoint stores them: one of its tensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// The storage type.
    pub dtype: DType,
    /// Rows of the tensor.
    pub rows: usize,
    /// Where its rows go.
    pub order: RowOrder,
}

/// Where the rows of a part go within the part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowOrder {
    /// As they are stored.
    AsStored,
    /// Rotary pairs side by side (GGUF's `llama`) become halves: within each
    /// head of `head_dim` rows, row `2 i` goes to `i` and row `2 i + 1` to
    /// `i + head_dim / 2`.
    RotaryPairs {
        /// Rows of a head, an even number that divides the rows of the part.
        head_dim: usize,
    },
}

impl RowOrder {
    fn place(self, row: usize) -> usize {
        match self {
            Self::AsStored => row,
            Self::RotaryPairs { head_dim } => {
                let within = row % head_dim;
                row - within + within / 2 + within % 2 * (head_dim / 2)
            }
        }
    }
}

/// Takes blocks in the order of the file, in pieces of any size.
///
/// ```
/// # fn main() -> Result<(), lexigraft_kernels::KernelError> {
/// use lexigraft_checkpoint::DType;
/// use lexigraft_kernels::cpu::{Part, PackedMatrix, RowOrder, Scratch};
///
/// // Two rows of 32 elements: scales 1.0 and 0.5, all quants 2.
/// let row = |d: [u8; 2]| d.into_iter().chain([2; 32]).collect::<Vec<u8>>();
/// let part = Part { dtype: DType::Q8_0, rows: 2, order: RowOrder::AsStored };
/// let mut builder = PackedMatrix::builder(32, &[part])?;
/// builder.push(&row([0x00, 0x3c]))?;
/// builder.push(&row([0x00, 0x38]))?;
/// let matrix = builder.finish()?;
///
/// let mut out = [0.0; 2];
/// matrix.matvec(&[1.0; 32], &mut out, &mut Scratch::new())?;
/// assert_eq!(out, [64.0, 32.0]);
/// # Ok(())
/// # }
/// ```
pub struct Builder {
    cols: usize,
    rows: usize,
    parts: Vec<Part>,
    stores: Vec<Box<dyn Store>>,
    /// The part being filled.
    part: usize,
    /// The store that it goes to, and its first row there.
    store: usize,
    base: usize,
    /// The row and block within the part that come next.
    row: usize,
    block: usize,
}

impl Builder {
    /// `exact` keeps every bit of plain floats.
    pub(super) fn new(cols: usize, parts: &[Part], exact: bool) -> Result<Self, KernelError> {
        let invalid = |message: String| Err(KernelError::InvalidArgument(message));
        if cols == 0 || parts.is_empty() {
            return invalid(format!(
                "a matrix of {} parts with {cols} columns has no elements: give both",
                parts.len()
            ));
        }
        let mut rows = 0usize;
        for part in parts {
            let Part { dtype, rows: n, .. } = *part;
            if !dtype.is_supported() {
                return Err(KernelError::UnsupportedType(dtype));
            }
            if !cols.is_multiple_of(dtype.block_len()) {
                return invalid(format!(
                    "rows of {cols} elements are not whole blocks of {dtype}: rows must be a \
                     multiple of {} long",
                    dtype.block_len()
                ));
            }
            let even_heads = match part.order {
                RowOrder::AsStored => true,
                RowOrder::RotaryPairs { head_dim } => {
                    head_dim > 0 && head_dim.is_multiple_of(2) && n.is_multiple_of(head_dim)
                }
            };
            if n == 0 || !even_heads {
                return invalid(format!(
                    "a part of {n} rows in the order {:?}: give at least one row, and whole heads \
                     of an even number of rows",
                    part.order
                ));
            }
            let bytes = (cols / dtype.block_len())
                .checked_mul(dtype.block_bytes())
                .and_then(|row| row.checked_mul(n));
            match (rows.checked_add(n), bytes) {
                (Some(sum), Some(_)) => rows = sum,
                _ => {
                    return Err(KernelError::OutOfMemory {
                        what: "the weights",
                        bytes: usize::MAX,
                    });
                }
            }
        }
        let mut stores = Vec::new();
        for same in parts.chunk_by(|a, b| a.dtype == b.dtype) {
            let rows = same.iter().map(|part| part.rows).sum();
            if let Some(first) = same.first() {
                let store = if exact { store } else { product_store };
                stores.push(store(first.dtype, rows, cols)?);
            }
        }
        Ok(Self {
            cols,
            rows,
            parts: parts.to_vec(),
            stores,
            part: 0,
            store: 0,
            base: 0,
            row: 0,
            block: 0,
        })
    }

    /// The next whole blocks: any number of them, of one part or of several.
    ///
    /// # Errors
    /// `invalid-argument` for bytes that are not whole blocks or that follow
    /// the last row, `bad-checkpoint` for a scale that is not a finite number.
    pub fn push(&mut self, mut blocks: &[u8]) -> Result<(), KernelError> {
        while !blocks.is_empty() {
            let Some(part) = self.parts.get(self.part).copied() else {
                return Err(KernelError::InvalidArgument(format!(
                    "{} bytes follow the last of {} rows: give the parts their right number of \
                     rows",
                    blocks.len(),
                    self.rows
                )));
            };
            let (size, row_blocks) = (
                part.dtype.block_bytes(),
                self.cols / part.dtype.block_len().max(1),
            );
            let row = self.base + part.order.place(self.row);
            while self.block < row_blocks && !blocks.is_empty() {
                let Some((block, rest)) = blocks.split_at_checked(size) else {
                    return Err(KernelError::InvalidArgument(format!(
                        "{} bytes are not a whole block of {}: push pieces of a multiple of \
                         {size} bytes",
                        blocks.len(),
                        part.dtype
                    )));
                };
                let finite = match self.stores.get_mut(self.store) {
                    Some(store) => store.put(row, self.block, block),
                    None => true,
                };
                if !finite {
                    let before = self.parts.iter().take(self.part);
                    let before: usize = before.map(|part| part.rows).sum();
                    return Err(KernelError::NotFinite {
                        dtype: part.dtype,
                        row: before + self.row,
                    });
                }
                self.block += 1;
                blocks = rest;
            }
            if self.block == row_blocks {
                self.block = 0;
                self.row += 1;
            }
            if self.row == part.rows {
                self.next_part(part);
            }
        }
        Ok(())
    }

    fn next_part(&mut self, done: Part) {
        self.row = 0;
        self.part += 1;
        match self.parts.get(self.part) {
            Some(next) if next.dtype == done.dtype => self.base += done.rows,
            _ => {
                self.store += 1;
                self.base = 0;
            }
        }
    }

    /// The matrix, once all its blocks were pushed.
    ///
    /// # Errors
    /// `invalid-argument` when blocks are missing.
    pub fn finish(self) -> Result<PackedMatrix, KernelError> {
        if self.part < self.parts.len() {
            let done: usize = self.parts.iter().take(self.part).map(|p| p.rows).sum();
            return Err(KernelError::InvalidArgument(format!(
                "only {} of {} rows were given: push all blocks of each part",
                done + self.row,
                self.rows
            )));
        }
        Ok(PackedMatrix::new(self.rows, self.cols, self.stores))
    }
}
