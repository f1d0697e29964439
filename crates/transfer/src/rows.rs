//! Rows of a matrix as they are stored, readable one by one.

use std::ops::ControlFlow;

use lexigraft_checkpoint::dequant::dequantize;
use lexigraft_checkpoint::{ByteSource, Checkpoint, DType, is_written, quantize};

use crate::TransferError;

/// A matrix `[rows, columns]` in the blocks of a checkpoint, in memory.
#[derive(Debug, Clone)]
pub struct StoredRows {
    dtype: DType,
    columns: usize,
    row_bytes: usize,
    blocks: Vec<u8>,
}

impl StoredRows {
    /// No rows yet, for `rows` of them.
    ///
    /// # Errors
    /// `invalid-argument` where rows of `columns` are not whole blocks; `out-of-memory`.
    pub fn new(dtype: DType, columns: usize, rows: usize) -> Result<Self, TransferError> {
        let row_bytes = dtype
            .bytes_for(columns as u64)
            .and_then(|bytes| usize::try_from(bytes).ok())
            .filter(|bytes| *bytes > 0)
            .ok_or_else(|| {
                TransferError::InvalidArgument(format!(
                    "rows of {columns} elements are not whole blocks of {dtype}"
                ))
            })?;
        let mut blocks = Vec::new();
        let bytes = row_bytes.saturating_mul(rows);
        if blocks.try_reserve_exact(bytes).is_err() {
            return Err(lexigraft_checkpoint::CheckpointError::OutOfMemory {
                tensor: "the rows of the vocabulary".to_owned(),
                bytes: bytes as u64,
            }
            .into());
        }
        Ok(Self {
            dtype,
            columns,
            row_bytes,
            blocks,
        })
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
        self.blocks.len() / self.row_bytes
    }

    /// Whether no row is held.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Bytes of a row as stored.
    pub fn row_bytes(&self) -> usize {
        self.row_bytes
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
