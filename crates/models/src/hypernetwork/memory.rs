//! What a hypernetwork knows of single strings.

use std::collections::HashMap;

use lexigraft_checkpoint::{
    ByteSource, Checkpoint, CheckpointError, DType, TensorInfo, dequant, quantize,
};

use super::MAX_PIECES;
use crate::ModelError;

/// The two tensors: the pieces of each string, as singles, `[strings, MAX_PIECES]` filled up with -1,
/// and rows of Q8_0 blocks as bytes, `[strings, bytes]`.
const PIECES: &str = "memory.pieces";
const ROWS: &str = "memory.rows";

const STORED: DType = DType::Q8_0;

/// Rows that are added to what the head says of tokens of certain pieces; none, where the file has none.
#[derive(Debug, Default)]
pub(super) struct Memory {
    places: HashMap<Vec<u32>, usize>,
    blocks: Vec<u8>,
    /// Bytes of a row.
    row: usize,
}

/// Elements of a row of `columns`, as whole blocks.
const fn padded(columns: usize) -> usize {
    columns.next_multiple_of(STORED.block_len())
}

/// What is stored of `rows` `[keys, columns]`: the pieces as singles, and the rows as blocks.
///
/// # Errors
/// `invalid-argument` where the lengths do not fit.
pub fn tensors(
    columns: usize,
    keys: &[Vec<u32>],
    rows: &[f32],
) -> Result<(Vec<f32>, Vec<u8>), CheckpointError> {
    let mut blocks = Vec::new();
    let mut filled = vec![0f32; padded(columns)];
    for row in rows.chunks_exact(columns) {
        filled.iter_mut().zip(row).for_each(|(to, x)| *to = *x);
        quantize(STORED, &filled, &mut blocks)?;
    }
    Ok((pieces(keys), blocks))
}

/// What is stored of the keys alone.
pub fn pieces(keys: &[Vec<u32>]) -> Vec<f32> {
    let mut pieces = Vec::with_capacity(keys.len() * MAX_PIECES);
    for key in keys {
        let ids = key.iter().map(|&id| id as f32);
        pieces.extend(ids.chain(std::iter::repeat(-1.0)).take(MAX_PIECES));
    }
    pieces
}

/// The keys of [`pieces`].
pub fn keys(pieces: &[f32]) -> Vec<Vec<u32>> {
    let ids = |ids: &[f32]| {
        let ids = ids.iter().take_while(|id| **id >= 0.0);
        ids.map(|&id| id as u32).collect()
    };
    pieces.chunks_exact(MAX_PIECES).map(ids).collect()
}

/// The rows of [`tensors`], `[keys, columns]`, from its blocks.
///
/// # Errors
/// `invalid-argument` where the length does not fit.
pub fn rows(columns: usize, keys: usize, blocks: &[u8]) -> Result<Vec<f32>, CheckpointError> {
    let wide = padded(columns);
    let bytes = wide / STORED.block_len() * STORED.block_bytes();
    if bytes == 0 || keys.checked_mul(bytes) != Some(blocks.len()) {
        return Err(CheckpointError::InvalidArgument(format!(
            "{} bytes do not make {keys} rows of {columns} elements",
            blocks.len()
        )));
    }
    let mut filled = vec![0f32; wide];
    let mut rows = Vec::with_capacity(keys * columns);
    for blocks in blocks.chunks_exact(bytes) {
        dequant::dequantize(STORED, blocks, &mut filled)?;
        rows.extend(filled.iter().take(columns));
    }
    Ok(rows)
}

impl Memory {
    /// # Errors
    /// `bad-checkpoint` where the two tensors do not fit each other or `columns`.
    pub(super) async fn load<S: ByteSource>(
        checkpoint: &Checkpoint<S>,
        columns: usize,
    ) -> Result<Self, ModelError> {
        let Some(rows) = checkpoint.get(ROWS) else {
            return Ok(Self::default());
        };
        let pieces = checkpoint.tensor(PIECES)?;
        let strings = pieces.shape.first().copied().unwrap_or(0);
        let wide = padded(columns);
        let row = wide / STORED.block_len() * STORED.block_bytes();
        if pieces.shape != [strings, MAX_PIECES] || rows.shape != [strings, row] {
            return Err(ModelError::BadConfig(format!(
                "of the hypernetwork: `{PIECES}` of shape {:?} and `{ROWS}` of {:?} do not fit \
                 [strings, {MAX_PIECES}] and [strings, {row}]",
                pieces.shape, rows.shape
            )));
        }
        let keep_on = |_| std::ops::ControlFlow::Continue(());
        let ids = checkpoint.read_f32(pieces, keep_on).await?;
        let blocks = TensorInfo {
            shape: vec![strings, wide],
            dtype: STORED,
            ..rows.clone()
        };
        let blocks = checkpoint.read_blocks(&blocks).await?;
        Ok(Self {
            places: keys(&ids).into_iter().zip(0..).collect(),
            blocks,
            row,
        })
    }

    /// Adds the row of a token of these pieces, where there is one.
    ///
    /// # Errors
    /// None that a loaded memory can have.
    pub(super) fn add(&self, pieces: &[u32], raw: &mut [f32]) -> Result<(), CheckpointError> {
        let Some(&place) = self.places.get(pieces) else {
            return Ok(());
        };
        let blocks = self.blocks.get(place * self.row..(place + 1) * self.row);
        let mut row = vec![0f32; padded(raw.len())];
        dequant::dequantize(STORED, blocks.unwrap_or_default(), &mut row)?;
        raw.iter_mut().zip(row).for_each(|(to, x)| *to += x);
        Ok(())
    }
}
