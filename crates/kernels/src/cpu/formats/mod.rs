//! Storage types: how a block lies in a tile, and the product with it.
//! One file a family.

mod bytes;
mod five_bits;
mod fixed;
mod floats;
mod nibbles;
mod q6_k;
mod superblock;

pub(crate) use bytes::Q8_0;
pub(crate) use five_bits::{Q5_0, Q5_1};
pub(crate) use fixed::Fixed;
pub(crate) use floats::{Bf16, F16, F32};
pub(crate) use nibbles::{Q4_0, Q4_1};
pub(crate) use q6_k::Q6K;
pub(crate) use superblock::{Q4K, Q5K};

use super::activations::Scratch;
use super::isa::{Isa, RowBytes, RowHalves, TILE_ROWS};
use lexigraft_checkpoint::DType;

/// How activations meet the weights of a format.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Input {
    /// As `f32`.
    Floats,
    /// As quantised blocks of 32, `group` of them for each tile.
    Blocks { group: usize },
}

/// A storage type and its tiles.
pub(crate) trait Format: Send + Sync + 'static {
    /// Eight rows by one block (four elements of the plain floats).
    type Tile: Clone + Send + Sync;
    /// A token's activations for a tile.
    type X: Copy + 'static;
    const DTYPE: DType;
    const INPUT: Input;
    /// Checkpoint blocks of a row in a tile.
    const BLOCKS: usize = 1;
    /// Whether a product of several tokens leaves registers for all rows of a tile.
    const WIDE: bool = false;
    const EMPTY: Self::Tile;

    /// Puts a block into row `lane` of a tile, as its block `index`. False
    /// when its scale or minimum is not finite.
    fn pack(tile: &mut Self::Tile, lane: usize, index: usize, block: &[u8]) -> bool;

    /// The inverse of [`pack`](Format::pack).
    fn unpack(tile: &Self::Tile, lane: usize, index: usize, block: &mut [u8]);

    /// The activations in the scratch.
    fn activations(scratch: &Scratch) -> &[Self::X];

    /// Adds a tile's products with `T` tokens, for the vectors
    /// `first..first + P` of its rows.
    fn accumulate<I: Isa, const T: usize, const P: usize>(
        isa: I,
        tile: &Self::Tile,
        x: &[Self::X; T],
        first: usize,
        sums: &mut [[I::Floats; P]; T],
    );
}

/// Four groups of eight elements a row. In a group the lower nibbles are
/// elements 0..4, the upper ones 4..8.
type NibbleGroups = [RowBytes; 4];

/// Writes the 32 values of row `lane`, four bits each.
fn put_nibbles(groups: &mut NibbleGroups, lane: usize, values: &[u8; 32]) {
    for (group, values) in groups.iter_mut().zip(values.as_chunks::<8>().0) {
        let (low, high) = values.split_at(4);
        for ((byte, low), high) in lane_bytes_mut(group, lane).iter_mut().zip(low).zip(high) {
            *byte = low & 0x0f | high << 4;
        }
    }
}

fn get_nibbles(groups: &NibbleGroups, lane: usize) -> [u8; 32] {
    let mut values = [0; 32];
    for (group, values) in groups.iter().zip(values.as_chunks_mut::<8>().0) {
        let (low, high) = values.split_at_mut(4);
        for ((byte, low), high) in lane_bytes(group, lane).iter().zip(low).zip(high) {
            *low = byte & 0x0f;
            *high = byte >> 4;
        }
    }
    values
}

/// Fifth bits of 32 elements a row: bit `2 g` of byte `j` belongs to element
/// `8 g + j`, bit `2 g + 1` to element `8 g + 4 + j`.
fn put_fifths(fifths: &mut RowBytes, lane: usize, values: &[u8; 32]) {
    let bytes = lane_bytes_mut(fifths, lane);
    bytes.fill(0);
    for (k, value) in values.iter().enumerate() {
        if let Some(byte) = bytes.get_mut(k % 4) {
            *byte |= (value >> 4 & 1) << (k / 4);
        }
    }
}

fn get_fifths(fifths: &RowBytes, lane: usize, values: &mut [u8; 32]) {
    let bytes = lane_bytes(fifths, lane);
    for (k, value) in values.iter_mut().enumerate() {
        if let Some(byte) = bytes.get(k % 4) {
            *value |= (byte >> (k / 4) & 1) << 4;
        }
    }
}

/// The lower nibbles of 16 bytes, then the upper ones: how ggml orders a block of 32.
fn split_nibbles(bytes: &[u8]) -> [u8; 32] {
    let mut values = [0; 32];
    let (low, high) = values.split_at_mut(16);
    for ((low, high), byte) in low.iter_mut().zip(high).zip(bytes) {
        *low = byte & 0x0f;
        *high = byte >> 4;
    }
    values
}

fn join_nibbles(values: &[u8; 32], bytes: &mut [u8]) {
    let (low, high) = values.split_at(16);
    for ((byte, low), high) in bytes.iter_mut().zip(low).zip(high) {
        *byte = low & 0x0f | high << 4;
    }
}

/// The four bytes of a row.
fn lane_bytes(bytes: &RowBytes, lane: usize) -> &[u8] {
    bytes.as_chunks::<4>().0.get(lane).map_or(&[], |quad| quad)
}

fn lane_bytes_mut(bytes: &mut RowBytes, lane: usize) -> &mut [u8] {
    match bytes.as_chunks_mut::<4>().0.get_mut(lane) {
        Some(quad) => quad,
        None => &mut [],
    }
}

/// Writes row `lane`'s half; false when it is not finite.
fn put_half(halves: &mut RowHalves, lane: usize, half: [u8; 2]) -> bool {
    const EXPONENT: u16 = 0x7c00;
    if let Some(place) = halves.as_chunks_mut::<2>().0.get_mut(lane) {
        *place = half;
    }
    u16::from_le_bytes(half) & EXPONENT != EXPONENT
}

fn get_half(halves: &RowHalves, lane: usize) -> [u8; 2] {
    halves
        .as_chunks::<2>()
        .0
        .get(lane)
        .copied()
        .unwrap_or_default()
}

const NO_HALVES: RowHalves = [0; 2 * TILE_ROWS];
const NO_BYTES: RowBytes = [0; 4 * TILE_ROWS];

/// `sums + (products * scales) * x.scale`.
#[inline(always)]
fn add_scaled<I: Isa>(
    isa: I,
    sums: I::Floats,
    products: I::Floats,
    scales: I::Floats,
    x_scale: f32,
) -> I::Floats {
    isa.add(sums, isa.mul(isa.mul(products, scales), isa.splat(x_scale)))
}

/// `sums + ((products * scales) * x.scale + minima * x.sum)`.
#[inline(always)]
fn add_affine<I: Isa>(
    isa: I,
    sums: I::Floats,
    products: I::Floats,
    [scales, minima]: [I::Floats; 2],
    x_scale: f32,
    x_sum: f32,
) -> I::Floats {
    let scaled = isa.mul(isa.mul(products, scales), isa.splat(x_scale));
    isa.add(sums, isa.add(scaled, isa.mul(minima, isa.splat(x_sum))))
}
