//! The tiles of one storage type, and the loop over them.
#![allow(unsafe_code)]

use super::activations::{ActivationBlock, BLOCK, Scratch, TOKEN_TILE, interleave, quantise};
use super::formats::{self, Format, Input};
use super::isa::{Isa, Job, RowFloats, TILE_ROWS};
use super::pool::Disjoint;
use super::reserve;
use crate::KernelError;
use lexigraft_checkpoint::{DType, dequant};
use std::ops::Range;

/// Consecutive rows of a matrix that share a storage type.
pub(crate) trait Store: Send + Sync {
    fn dtype(&self) -> DType;
    fn rows(&self) -> usize;
    fn bytes(&self) -> usize;
    fn input(&self) -> Input;

    /// Puts block `index` of a row. False when its scale is not finite.
    fn put(&mut self, row: usize, index: usize, block: &[u8]) -> bool;

    /// Writes a row's blocks from `first` on as the checkpoint stored them.
    fn get(&self, row: usize, first: usize, blocks: &mut [u8]);

    /// Tiles of rows, of which each can be multiplied by another thread.
    fn row_tiles(&self) -> usize {
        self.rows().div_ceil(TILE_ROWS)
    }

    /// Multiplies the activations in the scratch with some [`row_tiles`](Store::row_tiles).
    ///
    /// `out` is `[tokens, width]`, of which the columns of these rows are written, counted from
    /// `first`.
    ///
    /// # Safety
    /// Nobody else may use these columns of `out` meanwhile.
    unsafe fn product(
        &self,
        row_tiles: Range<usize>,
        scratch: &Scratch,
        tokens: usize,
        out: &Disjoint<'_>,
        width: usize,
        first: usize,
    );
}

/// A zeroed store of `rows` rows of `cols` elements.
pub(crate) fn store(dtype: DType, rows: usize, cols: usize) -> Result<Box<dyn Store>, KernelError> {
    Ok(match dtype {
        DType::F32 => Box::new(Tiles::<formats::F32>::new(rows, cols)?),
        DType::F16 => Box::new(Tiles::<formats::F16>::new(rows, cols)?),
        DType::BF16 => Box::new(Tiles::<formats::Bf16>::new(rows, cols)?),
        DType::Q8_0 => Box::new(Tiles::<formats::Q8_0>::new(rows, cols)?),
        DType::Q4_0 => Box::new(Tiles::<formats::Q4_0>::new(rows, cols)?),
        DType::Q4_1 => Box::new(Tiles::<formats::Q4_1>::new(rows, cols)?),
        DType::Q5_0 => Box::new(Tiles::<formats::Q5_0>::new(rows, cols)?),
        DType::Q5_1 => Box::new(Tiles::<formats::Q5_1>::new(rows, cols)?),
        DType::Q4K => Box::new(Tiles::<formats::Q4K>::new(rows, cols)?),
        DType::Q5K => Box::new(Tiles::<formats::Q5K>::new(rows, cols)?),
        DType::Q6K => Box::new(Tiles::<formats::Q6K>::new(rows, cols)?),
        DType::Other(_) => return Err(KernelError::UnsupportedType(dtype)),
    })
}

/// As [`store`], for products alone: plain floats in rows of whole blocks become fixed-point
/// numbers.
pub(crate) fn product_store(
    dtype: DType,
    rows: usize,
    cols: usize,
) -> Result<Box<dyn Store>, KernelError> {
    let plain = matches!(dtype, DType::F32 | DType::F16 | DType::BF16);
    if plain && cols.is_multiple_of(BLOCK) {
        return Ok(Box::new(FixedPoint {
            dtype,
            tiles: Tiles::new(rows, cols)?,
            block: [0.0; BLOCK],
        }));
    }
    store(dtype, rows, cols)
}

/// Floats of a checkpoint, kept as [`formats::Fixed`].
struct FixedPoint {
    /// What [`put`](Store::put) is given.
    dtype: DType,
    tiles: Tiles<formats::Fixed>,
    /// The elements of a block that were put so far.
    block: [f32; BLOCK],
}

impl Store for FixedPoint {
    fn dtype(&self) -> DType {
        self.tiles.dtype()
    }

    fn rows(&self) -> usize {
        self.tiles.rows()
    }

    fn bytes(&self) -> usize {
        self.tiles.bytes()
    }

    fn input(&self) -> Input {
        self.tiles.input()
    }

    /// Elements come in the order of their row.
    fn put(&mut self, row: usize, index: usize, element: &[u8]) -> bool {
        let mut value = [0.0];
        if dequant::dequantize(self.dtype, element, &mut value).is_err() {
            return false;
        }
        let [value] = value;
        let place = index % BLOCK;
        if let Some(element) = self.block.get_mut(place) {
            *element = value;
        }
        if place + 1 < BLOCK {
            return true;
        }
        let (tile, _) = self.tiles.place(row, index);
        match self.tiles.tiles.get_mut(tile) {
            Some(tile) => tile.put(row % TILE_ROWS, &self.block),
            None => true,
        }
    }

    fn get(&self, row: usize, first: usize, blocks: &mut [u8]) {
        self.tiles.get(row, first, blocks);
    }

    unsafe fn product(
        &self,
        row_tiles: Range<usize>,
        scratch: &Scratch,
        tokens: usize,
        out: &Disjoint<'_>,
        width: usize,
        first: usize,
    ) {
        // SAFETY: as this function's.
        unsafe {
            self.tiles
                .product(row_tiles, scratch, tokens, out, width, first);
        }
    }
}

struct Tiles<F: Format> {
    rows: usize,
    /// Tiles side by side in eight rows.
    columns: usize,
    /// Eight rows after eight rows.
    tiles: Vec<F::Tile>,
}

impl<F: Format> Tiles<F> {
    fn new(rows: usize, cols: usize) -> Result<Self, KernelError> {
        let columns = cols.div_ceil(F::BLOCKS * F::DTYPE.block_len());
        let mut tiles = Vec::new();
        let len = rows.div_ceil(TILE_ROWS).saturating_mul(columns);
        reserve(&mut tiles, len, F::EMPTY, "the weights")?;
        Ok(Self {
            rows,
            columns,
            tiles,
        })
    }

    /// The tile of a row's block, and the block's index in it.
    fn place(&self, row: usize, index: usize) -> (usize, usize) {
        let tile = row / TILE_ROWS * self.columns + index / F::BLOCKS;
        (tile, index % F::BLOCKS)
    }
}

impl<F: Format> Store for Tiles<F> {
    fn dtype(&self) -> DType {
        F::DTYPE
    }

    fn rows(&self) -> usize {
        self.rows
    }

    fn bytes(&self) -> usize {
        size_of_val(self.tiles.as_slice())
    }

    fn input(&self) -> Input {
        F::INPUT
    }

    fn put(&mut self, row: usize, index: usize, block: &[u8]) -> bool {
        let (tile, index) = self.place(row, index);
        match self.tiles.get_mut(tile) {
            Some(tile) => F::pack(tile, row % TILE_ROWS, index, block),
            None => true,
        }
    }

    fn get(&self, row: usize, first: usize, blocks: &mut [u8]) {
        let blocks = blocks.chunks_exact_mut(F::DTYPE.block_bytes());
        for (index, block) in blocks.enumerate() {
            let (tile, index) = self.place(row, first + index);
            if let Some(tile) = self.tiles.get(tile) {
                F::unpack(tile, row % TILE_ROWS, index, block);
            }
        }
    }

    unsafe fn product(
        &self,
        row_tiles: Range<usize>,
        scratch: &Scratch,
        tokens: usize,
        out: &Disjoint<'_>,
        width: usize,
        first: usize,
    ) {
        scratch.instructions.run(Product::<F> {
            tiles: &self.tiles,
            columns: self.columns,
            rows: self.rows,
            row_tiles,
            x: F::activations(scratch),
            tokens,
            out,
            width,
            first,
        });
    }
}

/// Fills the scratch with `x`, `[tokens, cols]`, as `input` asks for it.
pub(crate) fn prepare(
    scratch: &mut Scratch,
    input: Input,
    x: &[f32],
    tokens: usize,
    cols: usize,
) -> Result<(), KernelError> {
    match input {
        Input::Floats => {
            scratch.grow(false, tokens, cols)?;
            interleave(x, cols, &mut scratch.floats);
        }
        Input::Blocks { group } => {
            scratch.grow(true, tokens, cols)?;
            let out = scratch.blocks.as_mut_slice();
            scratch.instructions.run(Prepare {
                x,
                cols,
                group,
                out,
            });
        }
    }
    Ok(())
}

struct Prepare<'a> {
    x: &'a [f32],
    cols: usize,
    group: usize,
    out: &'a mut [ActivationBlock],
}

impl Job for Prepare<'_> {
    type Output = ();

    /// Plain loops: the instruction set that they are compiled for is all that differs.
    #[inline(always)]
    fn run<I: Isa>(self, _isa: I) {
        quantise(self.x, self.cols, self.group, self.out);
    }
}

struct Product<'a, F: Format> {
    tiles: &'a [F::Tile],
    columns: usize,
    rows: usize,
    row_tiles: Range<usize>,
    x: &'a [F::X],
    tokens: usize,
    out: &'a Disjoint<'a>,
    width: usize,
    first: usize,
}

impl<F: Format> Job for Product<'_, F> {
    type Output = ();

    /// Eight rows meet all tokens before the next eight rows: their weights
    /// are read from memory once and stay in the first-level cache.
    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let full = self.tokens / TOKEN_TILE * TOKEN_TILE;
        let Some((x_tiles, x_rest)) = self.x.split_at_checked(full * self.columns) else {
            return;
        };
        let (x_tiles, _) = x_tiles.as_chunks::<TOKEN_TILE>();
        let (x_rest, _) = x_rest.as_chunks::<1>();
        let Range { start, end } = self.row_tiles;
        let tiles = self.tiles.get(start * self.columns..end * self.columns);
        let tiles = tiles.unwrap_or_default().chunks_exact(self.columns);
        for (block, tiles) in (start..end).zip(tiles) {
            let row = block * TILE_ROWS;
            let count = TILE_ROWS.min(self.rows - row);
            let write = |token: usize, values: &RowFloats| {
                let at = token * self.width + self.first + row;
                // SAFETY: columns of these row tiles, which the caller of `product` has given up.
                let to = unsafe { self.out.get(at..at + count) };
                for (to, value) in to.into_iter().flatten().zip(values) {
                    *to = *value;
                }
            };
            let x_tiles = x_tiles.chunks_exact(self.columns);
            for (token, x) in (0..full).step_by(TOKEN_TILE).zip(x_tiles) {
                for (i, values) in eight_rows::<I, F, TOKEN_TILE>(isa, tiles, x)
                    .iter()
                    .enumerate()
                {
                    write(token + i, values);
                }
            }
            let x_rest = x_rest.chunks_exact(self.columns);
            for (token, x) in (full..self.tokens).zip(x_rest) {
                let [values] = eight_rows::<I, F, 1>(isa, tiles, x);
                write(token, &values);
            }
        }
    }
}

/// The products of eight rows with `T` tokens.
#[inline(always)]
fn eight_rows<I: Isa, F: Format, const T: usize>(
    isa: I,
    tiles: &[F::Tile],
    x: &[[F::X; T]],
) -> [RowFloats; T] {
    let mut out = [[0.0; TILE_ROWS]; T];
    if (T == 1 || F::WIDE) && I::LANES < TILE_ROWS {
        // There are registers for all rows.
        some_rows::<I, F, T, 2>(isa, tiles, x, 0, &mut out);
    } else {
        for first in 0..TILE_ROWS / I::LANES {
            some_rows::<I, F, T, 1>(isa, tiles, x, first, &mut out);
        }
    }
    out
}

/// The products of vectors `first..first + P` of eight rows with `T` tokens.
#[inline(always)]
fn some_rows<I: Isa, F: Format, const T: usize, const P: usize>(
    isa: I,
    tiles: &[F::Tile],
    x: &[[F::X; T]],
    first: usize,
    out: &mut [RowFloats; T],
) {
    let mut sums = [[isa.splat(0.0); P]; T];
    for (tile, x) in tiles.iter().zip(x) {
        F::accumulate(isa, tile, x, first, &mut sums);
    }
    for (out, sums) in out.iter_mut().zip(sums) {
        for (part, sums) in sums.into_iter().enumerate() {
            isa.store_floats(sums, out, first + part);
        }
    }
}
