//! Q6_K: sixteen groups of 16, each with an eight-bit scale.

use super::{
    Format, Input, NO_BYTES, NO_HALVES, NibbleGroups, add_scaled, get_half, get_nibbles,
    lane_bytes, lane_bytes_mut, put_half, put_nibbles,
};
use crate::cpu::activations::{ActivationBlock, Scratch};
use crate::cpu::isa::{Isa, RowBytes, RowHalves, RowSmall, TILE_ROWS};
use lexigraft_checkpoint::DType;

/// Runs of 32 elements in a block.
const RUNS: usize = 8;

/// `(d * scale) * (q - 32)`.
pub(crate) struct Q6K;

#[derive(Clone)]
#[repr(C, align(16))]
pub(crate) struct Q6KTile {
    d: RowHalves,
    /// Signed; two a run.
    scales: [[RowSmall; 2]; RUNS],
    runs: [Run; RUNS],
}

/// 32 elements a row.
#[derive(Clone)]
#[repr(C, align(16))]
struct Run {
    /// Bits 4 and 5. Of the 16 elements of half `h`, byte `j` of `highs[h]`
    /// holds those of elements `j`, `4 + j`, `8 + j` and `12 + j`, lowest first.
    highs: [RowBytes; 2],
    lows: NibbleGroups,
}

impl Run {
    fn put(&mut self, lane: usize, values: &[u8; 32]) {
        put_nibbles(&mut self.lows, lane, values);
        for (highs, values) in self.highs.iter_mut().zip(values.as_chunks::<16>().0) {
            for (j, byte) in lane_bytes_mut(highs, lane).iter_mut().enumerate() {
                *byte = (0..4).fold(0, |byte, i| byte | values[4 * i + j] >> 4 << (2 * i));
            }
        }
    }

    fn get(&self, lane: usize) -> [u8; 32] {
        let mut values = get_nibbles(&self.lows, lane);
        for (highs, values) in self.highs.iter().zip(values.as_chunks_mut::<16>().0) {
            for (j, byte) in lane_bytes(highs, lane).iter().enumerate() {
                for i in 0..4 {
                    values[4 * i + j] |= (byte >> (2 * i) & 3) << 4;
                }
            }
        }
        values
    }

    /// The integer sums `Σ (q - 32) x` of the 16 elements of a half.
    #[inline(always)]
    fn dot_half<I: Isa, const T: usize, const P: usize>(
        &self,
        isa: I,
        half: usize,
        x: [&ActivationBlock; T],
        first: usize,
    ) -> [[I::Ints; P]; T] {
        let mut ints = x.map(|x| [isa.start(-32 * x.halves[half]); P]);
        for part in 0..P {
            let highs = isa.load(&self.highs[half], first + part);
            // Written out, since shift counts must be known when this is compiled.
            let mut group = |index: usize| {
                let bytes = isa.load(&self.lows[2 * half + index], first + part);
                let bit = 4 * index as u32;
                let low = isa.with_bits(isa.low_nibbles(bytes), highs, bit, 4, 0x30);
                let high = isa.with_bits(isa.high_nibbles(bytes), highs, bit + 2, 4, 0x30);
                let (low, high) = (isa.widen(low), isa.widen(high));
                let word = 8 * half + 4 * index;
                for (ints, x) in ints.iter_mut().zip(x) {
                    let sum = isa.dot_words(ints[part], low, &x.words, word);
                    ints[part] = isa.dot_words(sum, high, &x.words, word + 2);
                }
            };
            group(0);
            group(1);
        }
        ints
    }
}

/// The values of a block by runs: see `dequant` of `lexigraft_checkpoint`.
fn values(low: &[u8; 128], high: &[u8; 64]) -> [[u8; 32]; RUNS] {
    let mut out = [[0; 32]; RUNS];
    for (r, run) in out.iter_mut().enumerate() {
        let low = low.iter().skip(r / 4 * 64 + r % 2 * 32);
        let high = high.iter().skip(r / 4 * 32);
        for ((value, low), high) in run.iter_mut().zip(low).zip(high) {
            *value = low >> (r % 4 / 2 * 4) & 0x0f | (high >> (r % 4 * 2) & 3) << 4;
        }
    }
    out
}

/// The inverse of [`values`].
fn put_values(runs: &[[u8; 32]; RUNS], low: &mut [u8; 128], high: &mut [u8; 64]) {
    low.fill(0);
    high.fill(0);
    for (r, run) in runs.iter().enumerate() {
        let low = low.iter_mut().skip(r / 4 * 64 + r % 2 * 32);
        let high = high.iter_mut().skip(r / 4 * 32);
        for ((value, low), high) in run.iter().zip(low).zip(high) {
            *low |= (value & 0x0f) << (r % 4 / 2 * 4);
            *high |= value >> 4 << (r % 4 * 2);
        }
    }
}

impl Format for Q6K {
    type Tile = Q6KTile;
    type X = [ActivationBlock; RUNS];
    const DTYPE: DType = DType::Q6K;
    const INPUT: Input = Input::Blocks { group: RUNS };
    const EMPTY: Q6KTile = Q6KTile {
        d: NO_HALVES,
        scales: [[[0; TILE_ROWS]; 2]; RUNS],
        runs: [const {
            Run {
                highs: [NO_BYTES; 2],
                lows: [NO_BYTES; 4],
            }
        }; RUNS],
    };

    fn pack(tile: &mut Q6KTile, lane: usize, _: usize, block: &[u8]) -> bool {
        let Ok(block) = <&[u8; 210]>::try_from(block) else {
            return true;
        };
        let Some((low, rest)) = block.split_first_chunk::<128>() else {
            return true;
        };
        let Some((high, rest)) = rest.split_first_chunk::<64>() else {
            return true;
        };
        let Some((scales, d)) = rest.split_first_chunk::<16>() else {
            return true;
        };
        for (run, values) in tile.runs.iter_mut().zip(values(low, high)) {
            run.put(lane, &values);
        }
        let places = tile.scales.as_flattened_mut().iter_mut();
        for (place, scale) in places.zip(scales) {
            place[lane] = *scale;
        }
        match d {
            &[d0, d1] => put_half(&mut tile.d, lane, [d0, d1]),
            _ => true,
        }
    }

    fn unpack(tile: &Q6KTile, lane: usize, _: usize, block: &mut [u8]) {
        let Some((low, rest)) = block.split_first_chunk_mut::<128>() else {
            return;
        };
        let Some((high, rest)) = rest.split_first_chunk_mut::<64>() else {
            return;
        };
        let Some((scales, d)) = rest.split_first_chunk_mut::<16>() else {
            return;
        };
        put_values(&tile.runs.each_ref().map(|run| run.get(lane)), low, high);
        for (scale, place) in scales.iter_mut().zip(tile.scales.as_flattened()) {
            *scale = place[lane];
        }
        if let [d0, d1] = d {
            [*d0, *d1] = get_half(&tile.d, lane);
        }
    }

    fn activations(scratch: &Scratch) -> &[[ActivationBlock; RUNS]] {
        scratch.blocks.as_chunks().0
    }

    #[inline(always)]
    fn accumulate<I: Isa, const T: usize, const P: usize>(
        isa: I,
        tile: &Q6KTile,
        x: &[[ActivationBlock; RUNS]; T],
        first: usize,
        sums: &mut [[I::Floats; P]; T],
    ) {
        for run in 0..RUNS {
            let blocks = x.each_ref().map(|x| &x[run]);
            for half in 0..2 {
                let ints: [[I::Ints; P]; T] = tile.runs[run].dot_half(isa, half, blocks, first);
                for part in 0..P {
                    let scales = isa.mul(
                        isa.scales(&tile.d, first + part),
                        isa.signed(&tile.scales[run][half], first + part),
                    );
                    for ((sums, ints), x) in sums.iter_mut().zip(ints).zip(blocks) {
                        let products = isa.total(ints[part]);
                        sums[part] = add_scaled(isa, sums[part], products, scales, x.scale);
                    }
                }
            }
        }
    }
}
