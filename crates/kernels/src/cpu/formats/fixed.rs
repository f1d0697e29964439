//! Plain floats as fixed-point numbers of 16 bits, a scale for each block of 32.

use super::{Format, Input, NO_BYTES, add_scaled, lane_bytes_mut};
use crate::cpu::activations::{ActivationBlock, BLOCK, Scratch, rounded, words};
use crate::cpu::isa::{Isa, RowBytes, RowFloats, TILE_ROWS};
use lexigraft_checkpoint::DType;

/// Elements whose products are added up as integers.
const RUN: usize = 16;
/// The most that the magnitudes of a run's quants add up to: times the largest activation, 32767,
/// it is below 2^31, so that no sum of products wraps.
const MAX_SUM: f32 = 65_535.0;
const MAX_QUANT: f32 = 32_767.0;

/// `scale * q`. Its blocks are 32 singles.
pub(crate) struct Fixed;

#[derive(Clone)]
#[repr(C, align(16))]
pub(crate) struct FixedTile {
    scales: RowFloats,
    /// Two 16-bit quants a row in each, in the order of the activations' words.
    quants: [RowBytes; BLOCK / 2],
}

/// What a block is multiplied with before it is rounded, and the scale that undoes it: NaN where an
/// element is no finite number.
fn scaling(block: &[f32; BLOCK]) -> (f32, f32) {
    const TINY: f32 = 1e-32;
    if block.iter().any(|x| !x.is_finite()) {
        return (0.0, f32::NAN);
    }
    let largest = block.iter().fold(0f32, |most, x| most.max(x.abs()));
    if largest < TINY {
        return (0.0, 0.0);
    }
    let mut steps = MAX_QUANT;
    for run in block.chunks(RUN) {
        // As shares of the largest, whose sum cannot overflow.
        let sum: f32 = run.iter().map(|x| x.abs() / largest).sum();
        // Rounding adds at most a half each, and so does the rounding of this sum.
        steps = steps.min((MAX_SUM - RUN as f32) / sum);
    }
    (steps / largest, largest / steps)
}

impl FixedTile {
    /// Writes the block of row `lane`. False when it holds an infinity or NaN.
    pub fn put(&mut self, lane: usize, block: &[f32; BLOCK]) -> bool {
        let (factor, scale) = scaling(block);
        let quants = rounded(block, factor);
        if let Some(place) = self.scales.get_mut(lane) {
            *place = scale;
        }
        for (bytes, word) in self.quants.iter_mut().zip(words(&quants)) {
            let bytes = lane_bytes_mut(bytes, lane).iter_mut();
            for (byte, part) in bytes.zip(word.to_le_bytes()) {
                *byte = part;
            }
        }
        scale.is_finite()
    }

    /// The block of row `lane`.
    pub fn get(&self, lane: usize) -> [f32; BLOCK] {
        let mut block = [0.0; BLOCK];
        let scale = self.scales.get(lane).copied().unwrap_or_default();
        for (index, bytes) in self.quants.iter().enumerate() {
            let pair = bytes.as_chunks::<4>().0.get(lane);
            let [a, b, c, d] = pair.copied().unwrap_or_default();
            // Of each four the elements (0, 2), then (1, 3).
            let first = index / 2 * 4 + index % 2;
            for (at, quant) in [(first, [a, b]), (first + 2, [c, d])] {
                if let Some(place) = block.get_mut(at) {
                    *place = scale * f32::from(i16::from_le_bytes(quant));
                }
            }
        }
        block
    }
}

impl Format for Fixed {
    type Tile = FixedTile;
    type X = ActivationBlock;
    const DTYPE: DType = DType::F32;
    const INPUT: Input = Input::Blocks { group: 1 };
    const BLOCKS: usize = BLOCK;
    const WIDE: bool = true;
    const EMPTY: FixedTile = FixedTile {
        scales: [0.0; TILE_ROWS],
        quants: [NO_BYTES; BLOCK / 2],
    };

    /// A block is put as a whole, by [`FixedTile::put`].
    fn pack(_: &mut FixedTile, _: usize, _: usize, _: &[u8]) -> bool {
        true
    }

    fn unpack(tile: &FixedTile, lane: usize, index: usize, block: &mut [u8]) {
        let value = tile.get(lane).get(index).copied().unwrap_or_default();
        if let Some(bytes) = block.first_chunk_mut::<4>() {
            *bytes = value.to_le_bytes();
        }
    }

    fn activations(scratch: &Scratch) -> &[ActivationBlock] {
        &scratch.blocks
    }

    #[inline(always)]
    fn accumulate<I: Isa, const T: usize, const P: usize>(
        isa: I,
        tile: &FixedTile,
        x: &[ActivationBlock; T],
        first: usize,
        sums: &mut [[I::Floats; P]; T],
    ) {
        let mut products = [[isa.splat(0.0); P]; T];
        for (run, quants) in tile.quants.chunks_exact(RUN / 2).enumerate() {
            let mut ints = [[isa.start(0); P]; T];
            for (index, bytes) in quants.iter().enumerate() {
                let mut weights = [isa.pairs(isa.load(bytes, first)); P];
                for (part, weights) in weights.iter_mut().enumerate().skip(1) {
                    *weights = isa.pairs(isa.load(bytes, first + part));
                }
                for (ints, x) in ints.iter_mut().zip(x) {
                    for (ints, weights) in ints.iter_mut().zip(weights) {
                        *ints = isa.dot(*ints, weights, x.words[run * RUN / 2 + index]);
                    }
                }
            }
            for (products, ints) in products.iter_mut().zip(ints) {
                for (products, ints) in products.iter_mut().zip(ints) {
                    *products = isa.add(*products, isa.total(ints));
                }
            }
        }
        for part in 0..P {
            let scales = isa.load_floats(&tile.scales, first + part);
            for ((sums, products), x) in sums.iter_mut().zip(products).zip(x) {
                sums[part] = add_scaled(isa, sums[part], products[part], scales, x.scale);
            }
        }
    }
}
