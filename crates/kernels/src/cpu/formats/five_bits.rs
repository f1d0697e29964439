//! Q5_0 and Q5_1.

use super::{
    Format, Input, NO_BYTES, NO_HALVES, NibbleGroups, add_affine, add_scaled, get_fifths, get_half,
    get_nibbles, join_nibbles, put_fifths, put_half, put_nibbles, split_nibbles,
};
use crate::cpu::activations::{ActivationBlock, Scratch};
use crate::cpu::isa::{Isa, RowBytes, RowHalves};
use lexigraft_checkpoint::DType;

/// `d * (q - 16)`.
pub(crate) struct Q5_0;

#[derive(Clone)]
#[repr(C, align(16))]
pub(crate) struct Q5_0Tile {
    scales: RowHalves,
    fifths: RowBytes,
    quants: NibbleGroups,
}

/// `d * q + m`.
pub(crate) struct Q5_1;

#[derive(Clone)]
#[repr(C, align(16))]
pub(crate) struct Q5_1Tile {
    scales: RowHalves,
    minima: RowHalves,
    fifths: RowBytes,
    quants: NibbleGroups,
}

/// The integer sums of a tile: `offset(x) + Σ q x` for each token and vector.
#[inline(always)]
pub(super) fn dot_tile<I: Isa, const T: usize, const P: usize>(
    isa: I,
    quants: &NibbleGroups,
    fifths: &RowBytes,
    x: [&ActivationBlock; T],
    first: usize,
    offset: impl Fn(&ActivationBlock) -> i32,
) -> [[I::Ints; P]; T] {
    let mut ints = x.map(|x| [isa.start(offset(x)); P]);
    for part in 0..P {
        let fifths = isa.load(fifths, first + part);
        // Written out, since shift counts must be known when this is compiled.
        let mut group = |index: usize| {
            let bytes = isa.load(&quants[index], first + part);
            let bit = 2 * index as u32;
            let low = isa.with_bits(isa.low_nibbles(bytes), fifths, bit, 4, 0x10);
            let high = isa.with_bits(isa.high_nibbles(bytes), fifths, bit + 1, 4, 0x10);
            let (low, high) = (isa.widen(low), isa.widen(high));
            for (ints, x) in ints.iter_mut().zip(x) {
                let sum = isa.dot_words(ints[part], low, &x.words, 4 * index);
                ints[part] = isa.dot_words(sum, high, &x.words, 4 * index + 2);
            }
        };
        group(0);
        group(1);
        group(2);
        group(3);
    }
    ints
}

/// The values of a block from its word of fifth bits and its nibbles.
fn values(fifths: [u8; 4], quants: &[u8]) -> [u8; 32] {
    let fifths = u32::from_le_bytes(fifths);
    let mut values = split_nibbles(quants);
    for (k, value) in (0u32..).zip(&mut values) {
        *value |= ((fifths >> k & 1) << 4) as u8;
    }
    values
}

/// The inverse of [`values`]; gives the fifth bits.
fn put_values(values: &[u8; 32], quants: &mut [u8]) -> [u8; 4] {
    join_nibbles(values, quants);
    let mut fifths = 0u32;
    for (k, value) in (0u32..).zip(values) {
        fifths |= u32::from(value >> 4 & 1) << k;
    }
    fifths.to_le_bytes()
}

fn pack(tile: (&mut RowBytes, &mut NibbleGroups), lane: usize, values: &[u8; 32]) {
    put_fifths(tile.0, lane, values);
    put_nibbles(tile.1, lane, values);
}

fn unpack(fifths: &RowBytes, quants: &NibbleGroups, lane: usize) -> [u8; 32] {
    let mut values = get_nibbles(quants, lane);
    get_fifths(fifths, lane, &mut values);
    values
}

impl Format for Q5_0 {
    type Tile = Q5_0Tile;
    type X = ActivationBlock;
    const DTYPE: DType = DType::Q5_0;
    const INPUT: Input = Input::Blocks { group: 1 };
    const EMPTY: Q5_0Tile = Q5_0Tile {
        scales: NO_HALVES,
        fifths: NO_BYTES,
        quants: [NO_BYTES; 4],
    };

    fn pack(tile: &mut Q5_0Tile, lane: usize, _: usize, block: &[u8]) -> bool {
        let &[d0, d1, f0, f1, f2, f3, ref quants @ ..] = block else {
            return true;
        };
        let values = values([f0, f1, f2, f3], quants);
        pack((&mut tile.fifths, &mut tile.quants), lane, &values);
        put_half(&mut tile.scales, lane, [d0, d1])
    }

    fn unpack(tile: &Q5_0Tile, lane: usize, _: usize, block: &mut [u8]) {
        if let [d0, d1, f0, f1, f2, f3, quants @ ..] = block {
            [*d0, *d1] = get_half(&tile.scales, lane);
            [*f0, *f1, *f2, *f3] = put_values(&unpack(&tile.fifths, &tile.quants, lane), quants);
        }
    }

    fn activations(scratch: &Scratch) -> &[ActivationBlock] {
        &scratch.blocks
    }

    #[inline(always)]
    fn accumulate<I: Isa, const T: usize, const P: usize>(
        isa: I,
        tile: &Q5_0Tile,
        x: &[ActivationBlock; T],
        first: usize,
        sums: &mut [[I::Floats; P]; T],
    ) {
        let offset = |x: &ActivationBlock| -16 * x.total();
        let ints: [[I::Ints; P]; T] =
            dot_tile(isa, &tile.quants, &tile.fifths, x.each_ref(), first, offset);
        for part in 0..P {
            let scales = isa.scales(&tile.scales, first + part);
            for ((sums, ints), x) in sums.iter_mut().zip(ints).zip(x) {
                let products = isa.total(ints[part]);
                sums[part] = add_scaled(isa, sums[part], products, scales, x.scale);
            }
        }
    }
}

impl Format for Q5_1 {
    type Tile = Q5_1Tile;
    type X = ActivationBlock;
    const DTYPE: DType = DType::Q5_1;
    const INPUT: Input = Q5_0::INPUT;
    const EMPTY: Q5_1Tile = Q5_1Tile {
        scales: NO_HALVES,
        minima: NO_HALVES,
        fifths: NO_BYTES,
        quants: [NO_BYTES; 4],
    };

    fn pack(tile: &mut Q5_1Tile, lane: usize, _: usize, block: &[u8]) -> bool {
        let &[d0, d1, m0, m1, f0, f1, f2, f3, ref quants @ ..] = block else {
            return true;
        };
        let values = values([f0, f1, f2, f3], quants);
        pack((&mut tile.fifths, &mut tile.quants), lane, &values);
        put_half(&mut tile.scales, lane, [d0, d1]) & put_half(&mut tile.minima, lane, [m0, m1])
    }

    fn unpack(tile: &Q5_1Tile, lane: usize, _: usize, block: &mut [u8]) {
        if let [d0, d1, m0, m1, f0, f1, f2, f3, quants @ ..] = block {
            [*d0, *d1] = get_half(&tile.scales, lane);
            [*m0, *m1] = get_half(&tile.minima, lane);
            [*f0, *f1, *f2, *f3] = put_values(&unpack(&tile.fifths, &tile.quants, lane), quants);
        }
    }

    fn activations(scratch: &Scratch) -> &[ActivationBlock] {
        &scratch.blocks
    }

    #[inline(always)]
    fn accumulate<I: Isa, const T: usize, const P: usize>(
        isa: I,
        tile: &Q5_1Tile,
        x: &[ActivationBlock; T],
        first: usize,
        sums: &mut [[I::Floats; P]; T],
    ) {
        let x_ref = x.each_ref();
        let ints: [[I::Ints; P]; T] =
            dot_tile(isa, &tile.quants, &tile.fifths, x_ref, first, |_| 0);
        for part in 0..P {
            let scales = isa.scales(&tile.scales, first + part);
            let minima = isa.scales(&tile.minima, first + part);
            for ((sums, ints), x) in sums.iter_mut().zip(ints).zip(x) {
                let products = isa.total(ints[part]);
                let affine = [scales, minima];
                sums[part] = add_affine(isa, sums[part], products, affine, x.scale, x.sum);
            }
        }
    }
}
