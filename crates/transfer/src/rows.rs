//! Rows of a matrix as they are stored.

use std::borrow::Cow;
use std::future::Future;
use std::ops::{ControlFlow, Range};

use lexigraft_checkpoint::dequant::dequantize;
use lexigraft_checkpoint::{ByteSource, Checkpoint, CheckpointError, DType, is_written, quantize};

use crate::TransferError;

/// Where blocks are kept: in memory, or outside it, as a browser keeps blobs.
///
/// Implementations may write `async fn read`.
pub trait BlockStore {
    /// Bytes held.
    fn bytes(&self) -> usize;

    /// Puts blocks behind those that are held.
    ///
    /// # Errors
    /// `out-of-memory`, or what the medium reports.
    fn append(&mut self, blocks: &[u8]) -> Result<(), TransferError>;

    /// The bytes of `range`, all of them.
    ///
    /// # Errors
    /// `invalid-argument` for a range that passes the end; what the medium reports.
    fn read(
        &self,
        range: Range<usize>,
    ) -> impl Future<Output = Result<Cow<'_, [u8]>, TransferError>>;
}

impl BlockStore for Vec<u8> {
    fn bytes(&self) -> usize {
        self.len()
    }

    fn append(&mut self, blocks: &[u8]) -> Result<(), TransferError> {
        reserve(self, blocks.len())?;
        self.extend_from_slice(blocks);
        Ok(())
    }

    async fn read(&self, range: Range<usize>) -> Result<Cow<'_, [u8]>, TransferError> {
        let found = self.get(range.clone()).ok_or_else(|| {
            TransferError::InvalidArgument(format!(
                "bytes {}..{} of {} are asked for",
                range.start,
                range.end,
                self.len()
            ))
        })?;
        Ok(Cow::Borrowed(found))
    }
}

/// Room for `bytes` more, and no more than that.
fn reserve(blocks: &mut Vec<u8>, bytes: usize) -> Result<(), CheckpointError> {
    let reserved = blocks.try_reserve_exact(bytes);
    reserved.map_err(|_| CheckpointError::OutOfMemory {
        tensor: "the rows of the vocabulary".to_owned(),
        bytes: bytes as u64,
    })
}

/// A store in memory with room for `bytes`.
///
/// # Errors
/// `out-of-memory`.
pub fn in_memory(bytes: usize) -> Result<Vec<u8>, TransferError> {
    let mut blocks = Vec::new();
    reserve(&mut blocks, bytes)?;
    Ok(blocks)
}

/// A matrix `[rows, columns]` in the blocks of a checkpoint; in memory, where rows can be read one
/// by one, or in another [`BlockStore`].
#[derive(Debug, Clone)]
pub struct StoredRows<B = Vec<u8>> {
    dtype: DType,
    columns: usize,
    row_bytes: usize,
    blocks: B,
}

impl<B: BlockStore> StoredRows<B> {
    /// No rows yet, to be kept in what `store` makes for the bytes of `rows` of them.
    ///
    /// # Errors
    /// `invalid-argument` where rows of `columns` are not whole blocks; those of `store`.
    pub fn kept_in(
        dtype: DType,
        columns: usize,
        rows: usize,
        store: impl FnOnce(usize) -> Result<B, TransferError>,
    ) -> Result<Self, TransferError> {
        let row_bytes = dtype
            .bytes_for(columns as u64)
            .and_then(|bytes| usize::try_from(bytes).ok())
            .filter(|bytes| *bytes > 0)
            .ok_or_else(|| {
                TransferError::InvalidArgument(format!(
                    "rows of {columns} elements are not whole blocks of {dtype}"
                ))
            })?;
        Ok(Self {
            dtype,
            columns,
            row_bytes,
            blocks: store(row_bytes.saturating_mul(rows))?,
        })
    }

    /// The storage type.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The storage type in which rows beside these are written: the same, or where it is not
    /// written here, Q8_0.
    pub fn written_dtype(&self) -> DType {
        if is_written(self.dtype) {
            self.dtype
        } else if self.columns.is_multiple_of(DType::Q8_0.block_len()) {
            DType::Q8_0
        } else {
            DType::F16
        }
    }

    /// Elements of a row.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Rows held.
    pub fn len(&self) -> usize {
        self.blocks.bytes() / self.row_bytes
    }

    /// Whether no row is held.
    pub fn is_empty(&self) -> bool {
        self.blocks.bytes() == 0
    }

    /// Bytes of a row as stored.
    pub fn row_bytes(&self) -> usize {
        self.row_bytes
    }

    /// Bytes of all rows as stored.
    pub fn bytes(&self) -> usize {
        self.blocks.bytes()
    }

    /// The rows from `first` on as stored: as many as `bytes` hold, one at least, none after the
    /// last. Empty behind the last.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn chunk(&self, first: usize, bytes: usize) -> Result<Cow<'_, [u8]>, TransferError> {
        let rows = (bytes / self.row_bytes).max(1);
        let last = first.saturating_add(rows).min(self.len());
        let first = first.min(last);
        let range = first * self.row_bytes..last * self.row_bytes;
        let wanted = range.len();
        let read = self.blocks.read(range).await?;
        // A store that answers short would shift all rows that follow.
        if read.len() != wanted {
            return Err(CheckpointError::Malformed(format!(
                "{wanted} bytes of the vocabulary's rows were asked for and {} came",
                read.len()
            ))
            .into());
        }
        Ok(read)
    }

    /// Appends all of `rows`, as they are stored.
    ///
    /// # Errors
    /// `invalid-argument` for rows of another type or length; those of the store.
    pub fn append(&mut self, rows: &StoredRows) -> Result<(), TransferError> {
        if (rows.dtype, rows.columns) != (self.dtype, self.columns) {
            return Err(TransferError::InvalidArgument(format!(
                "rows of {} elements as {} cannot follow rows of {} as {}",
                rows.columns, rows.dtype, self.columns, self.dtype
            )));
        }
        self.blocks.append(&rows.blocks)
    }
}

impl StoredRows {
    /// No rows yet, with room for `rows` of them.
    ///
    /// # Errors
    /// `invalid-argument` where rows of `columns` are not whole blocks; `out-of-memory`.
    pub fn new(dtype: DType, columns: usize, rows: usize) -> Result<Self, TransferError> {
        Self::kept_in(dtype, columns, rows, in_memory)
    }

    /// Reads a tensor `[rows, columns]` of a checkpoint as it is stored.
    ///
    /// # Errors
    /// `missing-tensor`, `unsupported-type`, `bad-checkpoint` for another shape, `aborted` when
    /// `on_bytes` breaks.
    pub async fn read<S: ByteSource>(
        checkpoint: &Checkpoint<S>,
        name: &str,
        mut on_bytes: impl FnMut(u64) -> ControlFlow<()>,
    ) -> Result<Self, TransferError> {
        let info = checkpoint.tensor(name)?;
        let [rows, columns] = info.shape.as_slice() else {
            return Err(TransferError::Mismatch(format!(
                "tensor `{name}` has the shape {:?}; rows of tokens are a matrix",
                info.shape
            )));
        };
        let mut read = Self::new(info.dtype, *columns, *rows)?;
        checkpoint
            .read_chunks(info, |chunk| {
                read.blocks.extend_from_slice(chunk);
                on_bytes(chunk.len() as u64)
            })
            .await?;
        Ok(read)
    }

    /// All rows as stored.
    pub fn blocks(&self) -> &[u8] {
        &self.blocks
    }

    /// A row as stored.
    pub fn row_blocks(&self, row: u32) -> Option<&[u8]> {
        let start = (row as usize).checked_mul(self.row_bytes)?;
        self.blocks.get(start..start.checked_add(self.row_bytes)?)
    }

    /// A row in `f32`: `[columns]`.
    ///
    /// # Errors
    /// `invalid-argument` for a row that is not there, or `out` of another length.
    pub fn row_into(&self, row: u32, out: &mut [f32]) -> Result<(), TransferError> {
        let blocks = self.row_blocks(row).ok_or_else(|| {
            TransferError::InvalidArgument(format!("row {row} of {} is asked for", self.len()))
        })?;
        Ok(dequantize(self.dtype, blocks, out)?)
    }

    /// Rows in `f32`: `[rows, columns]`.
    ///
    /// # Errors
    /// As [`row_into`](Self::row_into).
    pub fn gather(&self, rows: &[u32]) -> Result<Vec<f32>, TransferError> {
        let mut out = vec![0.0; rows.len() * self.columns];
        for (row, out) in rows.iter().zip(out.chunks_exact_mut(self.columns)) {
            self.row_into(*row, out)?;
        }
        Ok(out)
    }

    /// The mean of all rows: `[columns]`.
    ///
    /// # Errors
    /// As [`row_into`](Self::row_into).
    pub fn mean(&self) -> Result<Vec<f32>, TransferError> {
        let mut sum = vec![0f64; self.columns];
        let mut row = vec![0f32; self.columns];
        for index in 0..self.len() as u32 {
            self.row_into(index, &mut row)?;
            for (sum, x) in sum.iter_mut().zip(&row) {
                *sum += f64::from(*x);
            }
        }
        let rows = self.len().max(1) as f64;
        Ok(sum.iter().map(|sum| (sum / rows) as f32).collect())
    }

    /// Forgets all rows and keeps the room for them.
    pub fn clear(&mut self) {
        self.blocks.clear();
    }

    /// Appends a row as it is stored elsewhere: bit for bit where the types are the same.
    ///
    /// # Errors
    /// `invalid-argument` for rows of another length or a row that is not there.
    pub fn push_row(&mut self, from: &Self, row: u32) -> Result<(), TransferError> {
        if from.dtype == self.dtype && from.columns == self.columns {
            let blocks = from.row_blocks(row).ok_or_else(|| {
                TransferError::InvalidArgument(format!("row {row} of {} is asked for", from.len()))
            })?;
            self.blocks.extend_from_slice(blocks);
            return Ok(());
        }
        let mut values = vec![0.0; self.columns];
        from.row_into(row, &mut values)?;
        self.push_values(&values)
    }

    /// Appends rows `[n, columns]`, rounded to the storage type.
    ///
    /// # Errors
    /// `invalid-argument` for values that are not whole rows, or not numbers.
    pub fn push_values(&mut self, values: &[f32]) -> Result<(), TransferError> {
        if !values.len().is_multiple_of(self.columns) {
            return Err(TransferError::InvalidArgument(format!(
                "{} values are not whole rows of {}",
                values.len(),
                self.columns
            )));
        }
        Ok(quantize(self.dtype, values, &mut self.blocks)?)
    }
}
