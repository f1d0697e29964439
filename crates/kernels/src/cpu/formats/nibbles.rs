//! Q4_0 and Q4_1.

use super::{
    Format, Input, NO_BYTES, NO_HALVES, NibbleGroups, add_affine, add_scaled, get_half,
    get_nibbles, join_nibbles, put_half, put_nibbles, split_nibbles,
};
use crate::cpu::activations::{ActivationBlock, Scratch};
use crate::cpu::isa::{Isa, RowHalves};
use lexigraft_checkpoint::DType;

/// `d * (q - 8)`.
pub(crate) struct Q4_0;

#[derive(Clone)]
#[repr(C, align(16))]
pub(crate) struct Q4_0Tile {
    scales: RowHalves,
    quants: NibbleGroups,
}

/// `d * q + m`.
pub(crate) struct Q4_1;

#[derive(Clone)]
#[repr(C, align(16))]
pub(crate) struct Q4_1Tile {
    scales: RowHalves,
    minima: RowHalves,
    quants: NibbleGroups,
}

/// The integer sums of a tile: `offset(x) + Σ q x` for each token and vector.
#[inline(always)]
pub(super) fn dot_tile<I: Isa, const T: usize, const P: usize>(
    isa: I,
    quants: &NibbleGroups,
    x: [&ActivationBlock; T],
    first: usize,
    offset: impl Fn(&ActivationBlock) -> i32,
) -> [[I::Ints; P]; T] {
    let mut ints = x.map(|x| [isa.start(offset(x)); P]);
    for (index, group) in quants.iter().enumerate() {
        for part in 0..P {
            let nibbles = isa.unpack_nibbles(isa.load(group, first + part));
            for (ints, x) in ints.iter_mut().zip(x) {
                ints[part] = isa.dot_words(ints[part], nibbles, &x.words, 4 * index);
            }
        }
    }
    ints
}

impl Format for Q4_0 {
    type Tile = Q4_0Tile;
    type X = ActivationBlock;
    const DTYPE: DType = DType::Q4_0;
    const INPUT: Input = Input::Blocks { group: 1 };
    const EMPTY: Q4_0Tile = Q4_0Tile {
        scales: NO_HALVES,
        quants: [NO_BYTES; 4],
    };

    fn pack(tile: &mut Q4_0Tile, lane: usize, _: usize, block: &[u8]) -> bool {
        let &[d0, d1, ref quants @ ..] = block else {
            return true;
        };
        put_nibbles(&mut tile.quants, lane, &split_nibbles(quants));
        put_half(&mut tile.scales, lane, [d0, d1])
    }

    fn unpack(tile: &Q4_0Tile, lane: usize, _: usize, block: &mut [u8]) {
        if let Some((d, quants)) = block.split_first_chunk_mut::<2>() {
            *d = get_half(&tile.scales, lane);
            join_nibbles(&get_nibbles(&tile.quants, lane), quants);
        }
    }

    fn activations(scratch: &Scratch) -> &[ActivationBlock] {
        &scratch.blocks
    }

    #[inline(always)]
    fn accumulate<I: Isa, const T: usize, const P: usize>(
        isa: I,
        tile: &Q4_0Tile,
        x: &[ActivationBlock; T],
        first: usize,
        sums: &mut [[I::Floats; P]; T],
    ) {
        let ints: [[I::Ints; P]; T] =
            dot_tile(isa, &tile.quants, x.each_ref(), first, |x| -8 * x.total());
        for part in 0..P {
            let scales = isa.scales(&tile.scales, first + part);
            for ((sums, ints), x) in sums.iter_mut().zip(ints).zip(x) {
                let products = isa.total(ints[part]);
                sums[part] = add_scaled(isa, sums[part], products, scales, x.scale);
            }
        }
    }
}

impl Format for Q4_1 {
    type Tile = Q4_1Tile;
    type X = ActivationBlock;
    const DTYPE: DType = DType::Q4_1;
    const INPUT: Input = Q4_0::INPUT;
    const EMPTY: Q4_1Tile = Q4_1Tile {
        scales: NO_HALVES,
        minima: NO_HALVES,
        quants: [NO_BYTES; 4],
    };

    fn pack(tile: &mut Q4_1Tile, lane: usize, _: usize, block: &[u8]) -> bool {
        let &[d0, d1, m0, m1, ref quants @ ..] = block else {
            return true;
        };
        put_nibbles(&mut tile.quants, lane, &split_nibbles(quants));
        put_half(&mut tile.scales, lane, [d0, d1]) & put_half(&mut tile.minima, lane, [m0, m1])
    }

    fn unpack(tile: &Q4_1Tile, lane: usize, _: usize, block: &mut [u8]) {
        if let [d0, d1, m0, m1, quants @ ..] = block {
            [*d0, *d1] = get_half(&tile.scales, lane);
            [*m0, *m1] = get_half(&tile.minima, lane);
            join_nibbles(&get_nibbles(&tile.quants, lane), quants);
        }
    }

    fn activations(scratch: &Scratch) -> &[ActivationBlock] {
        &scratch.blocks
    }

    #[inline(always)]
    fn accumulate<I: Isa, const T: usize, const P: usize>(
        isa: I,
        tile: &Q4_1Tile,
        x: &[ActivationBlock; T],
        first: usize,
        sums: &mut [[I::Floats; P]; T],
    ) {
        let ints: [[I::Ints; P]; T] = dot_tile(isa, &tile.quants, x.each_ref(), first, |_| 0);
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
