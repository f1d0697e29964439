//! Q4_K and Q5_K: eight groups of 32, each with a six-bit scale and minimum.

use super::{
    Format, Input, NO_BYTES, NO_HALVES, NibbleGroups, five_bits, get_fifths, get_half, get_nibbles,
    nibbles, put_fifths, put_half, put_nibbles,
};
use crate::cpu::activations::{ActivationBlock, Scratch};
use crate::cpu::isa::{Isa, RowBytes, RowHalves, RowSmall, TILE_ROWS};
use lexigraft_checkpoint::DType;

/// Groups of 32 in a block.
const GROUPS: usize = 8;

/// What turns quants into elements: `(d * scale) * q - dmin * min`.
#[derive(Clone)]
#[repr(C, align(16))]
struct Scales {
    d: RowHalves,
    dmin: RowHalves,
    scales: [RowSmall; GROUPS],
    mins: [RowSmall; GROUPS],
}

const NO_SCALES: Scales = Scales {
    d: NO_HALVES,
    dmin: NO_HALVES,
    scales: [[0; TILE_ROWS]; GROUPS],
    mins: [[0; TILE_ROWS]; GROUPS],
};

pub(crate) struct Q4K;

#[derive(Clone)]
#[repr(C, align(16))]
pub(crate) struct Q4KTile {
    scales: Scales,
    quants: [NibbleGroups; GROUPS],
}

pub(crate) struct Q5K;

#[derive(Clone)]
#[repr(C, align(16))]
pub(crate) struct Q5KTile {
    scales: Scales,
    fifths: [RowBytes; GROUPS],
    quants: [NibbleGroups; GROUPS],
}

impl Scales {
    /// From the first 16 bytes of a block. False when `d` or `dmin` is not finite.
    ///
    /// Twelve bytes hold sixteen six-bit numbers: see `dequant` of
    /// `lexigraft_checkpoint`.
    fn put(&mut self, lane: usize, header: &[u8; 16]) -> bool {
        let [d0, d1, m0, m1, packed @ ..] = *header;
        let (scales, rest) = packed.split_at(4);
        let (mins, tops) = rest.split_at(4);
        for (i, ((&s, &m), &x)) in scales.iter().zip(mins).zip(tops).enumerate() {
            let groups = [
                (i, s & 63, m & 63),
                (i + 4, x & 0x0f | s >> 6 << 4, x >> 4 | m >> 6 << 4),
            ];
            for (group, scale, min) in groups {
                self.scales[group][lane] = scale;
                self.mins[group][lane] = min;
            }
        }
        put_half(&mut self.d, lane, [d0, d1]) & put_half(&mut self.dmin, lane, [m0, m1])
    }

    fn get(&self, lane: usize) -> [u8; 16] {
        let mut header = [0; 16];
        let (d, rest) = header.split_at_mut(2);
        d.copy_from_slice(&get_half(&self.d, lane));
        let (dmin, rest) = rest.split_at_mut(2);
        dmin.copy_from_slice(&get_half(&self.dmin, lane));
        let (scales, rest) = rest.split_at_mut(4);
        let (mins, tops) = rest.split_at_mut(4);
        for (i, ((s, m), x)) in scales.iter_mut().zip(mins).zip(tops).enumerate() {
            let (scale, min) = (self.scales[i + 4][lane], self.mins[i + 4][lane]);
            *s = self.scales[i][lane] | scale >> 4 << 6;
            *m = self.mins[i][lane] | min >> 4 << 6;
            *x = scale & 0x0f | min << 4;
        }
        header
    }

    /// Adds all groups' products. `dot` gives the integer sums of a group.
    #[inline(always)]
    fn accumulate<I: Isa, const T: usize, const P: usize>(
        &self,
        isa: I,
        x: &[[ActivationBlock; GROUPS]; T],
        first: usize,
        sums: &mut [[I::Floats; P]; T],
        dot: impl Fn(usize, [&ActivationBlock; T]) -> [[I::Ints; P]; T],
    ) {
        for group in 0..GROUPS {
            let blocks = x.each_ref().map(|x| &x[group]);
            let ints = dot(group, blocks);
            for part in 0..P {
                let scales = isa.mul(
                    isa.scales(&self.d, first + part),
                    isa.unsigned(&self.scales[group], first + part),
                );
                let minima = isa.mul(
                    isa.scales(&self.dmin, first + part),
                    isa.unsigned(&self.mins[group], first + part),
                );
                for ((sums, ints), x) in sums.iter_mut().zip(ints).zip(blocks) {
                    let products = isa.mul(isa.total(ints[part]), scales);
                    let scaled = isa.mul(products, isa.splat(x.scale));
                    let shift = isa.mul(minima, isa.splat(x.sum));
                    sums[part] = isa.add(sums[part], isa.sub(scaled, shift));
                }
            }
        }
    }
}

/// The two groups of 32 that 32 bytes of a block hold.
fn nibble_pair(bytes: &[u8; 32]) -> [[u8; 32]; 2] {
    [bytes.map(|b| b & 0x0f), bytes.map(|b| b >> 4)]
}

/// The inverse of [`nibble_pair`].
fn join_pair([low, high]: [&[u8; 32]; 2], bytes: &mut [u8; 32]) {
    for ((byte, low), high) in bytes.iter_mut().zip(low).zip(high) {
        *byte = low & 0x0f | high << 4;
    }
}

impl Format for Q4K {
    type Tile = Q4KTile;
    type X = [ActivationBlock; GROUPS];
    const DTYPE: DType = DType::Q4K;
    const INPUT: Input = Input::Blocks { group: GROUPS };
    const EMPTY: Q4KTile = Q4KTile {
        scales: NO_SCALES,
        quants: [[NO_BYTES; 4]; GROUPS],
    };

    fn pack(tile: &mut Q4KTile, lane: usize, _: usize, block: &[u8]) -> bool {
        let Some((header, quants)) = block.split_first_chunk::<16>() else {
            return true;
        };
        let pairs = tile.quants.as_chunks_mut::<2>().0.iter_mut();
        for (tiles, bytes) in pairs.zip(quants.as_chunks::<32>().0) {
            for (tile, values) in tiles.iter_mut().zip(nibble_pair(bytes)) {
                put_nibbles(tile, lane, &values);
            }
        }
        tile.scales.put(lane, header)
    }

    fn unpack(tile: &Q4KTile, lane: usize, _: usize, block: &mut [u8]) {
        if let Some((header, quants)) = block.split_first_chunk_mut::<16>() {
            *header = tile.scales.get(lane);
            let pairs = tile.quants.as_chunks::<2>().0.iter();
            for (tiles, bytes) in pairs.zip(quants.as_chunks_mut::<32>().0) {
                let [low, high] = tiles.each_ref().map(|tile| get_nibbles(tile, lane));
                join_pair([&low, &high], bytes);
            }
        }
    }

    fn activations(scratch: &Scratch) -> &[[ActivationBlock; GROUPS]] {
        scratch.blocks.as_chunks().0
    }

    #[inline(always)]
    fn accumulate<I: Isa, const T: usize, const P: usize>(
        isa: I,
        tile: &Q4KTile,
        x: &[[ActivationBlock; GROUPS]; T],
        first: usize,
        sums: &mut [[I::Floats; P]; T],
    ) {
        tile.scales.accumulate(isa, x, first, sums, |group, x| {
            nibbles::dot_tile(isa, &tile.quants[group], x, first, |_| 0)
        });
    }
}

impl Format for Q5K {
    type Tile = Q5KTile;
    type X = [ActivationBlock; GROUPS];
    const DTYPE: DType = DType::Q5K;
    const INPUT: Input = Input::Blocks { group: GROUPS };
    const EMPTY: Q5KTile = Q5KTile {
        scales: NO_SCALES,
        fifths: [NO_BYTES; GROUPS],
        quants: [[NO_BYTES; 4]; GROUPS],
    };

    fn pack(tile: &mut Q5KTile, lane: usize, _: usize, block: &[u8]) -> bool {
        let Some((header, rest)) = block.split_first_chunk::<16>() else {
            return true;
        };
        let Some((fifths, quants)) = rest.split_first_chunk::<32>() else {
            return true;
        };
        let groups = quants.as_chunks::<32>().0.iter().flat_map(nibble_pair);
        let tiles = tile.quants.iter_mut().zip(&mut tile.fifths);
        for (group, ((quants, bits), mut values)) in tiles.zip(groups).enumerate() {
            // Bit `group` of byte `i` is the fifth bit of element `i`.
            for (value, fifth) in values.iter_mut().zip(fifths) {
                *value |= (fifth >> group & 1) << 4;
            }
            put_nibbles(quants, lane, &values);
            put_fifths(bits, lane, &values);
        }
        tile.scales.put(lane, header)
    }

    fn unpack(tile: &Q5KTile, lane: usize, _: usize, block: &mut [u8]) {
        let Some((header, rest)) = block.split_first_chunk_mut::<16>() else {
            return;
        };
        let Some((fifths, quants)) = rest.split_first_chunk_mut::<32>() else {
            return;
        };
        *header = tile.scales.get(lane);
        fifths.fill(0);
        let mut groups = [[0; 32]; GROUPS];
        let tiles = tile.quants.iter().zip(&tile.fifths);
        for (group, ((quants, bits), values)) in tiles.zip(&mut groups).enumerate() {
            *values = get_nibbles(quants, lane);
            get_fifths(bits, lane, values);
            for (value, fifth) in values.iter().zip(fifths.iter_mut()) {
                *fifth |= (value >> 4 & 1) << group;
            }
        }
        let pairs = groups.as_chunks::<2>().0.iter();
        for (pair, bytes) in pairs.zip(quants.as_chunks_mut::<32>().0) {
            join_pair(pair.each_ref(), bytes);
        }
    }

    fn activations(scratch: &Scratch) -> &[[ActivationBlock; GROUPS]] {
        scratch.blocks.as_chunks().0
    }

    #[inline(always)]
    fn accumulate<I: Isa, const T: usize, const P: usize>(
        isa: I,
        tile: &Q5KTile,
        x: &[[ActivationBlock; GROUPS]; T],
        first: usize,
        sums: &mut [[I::Floats; P]; T],
    ) {
        tile.scales.accumulate(isa, x, first, sums, |group, x| {
            let (quants, fifths) = (&tile.quants[group], &tile.fifths[group]);
            five_bits::dot_tile(isa, quants, fifths, x, first, |_| 0)
        });
    }
}
