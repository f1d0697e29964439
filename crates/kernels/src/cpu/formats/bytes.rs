//! Q8_0.

use super::{
    Format, Input, NO_BYTES, NO_HALVES, add_scaled, get_half, lane_bytes, lane_bytes_mut, put_half,
};
use crate::cpu::activations::{ActivationBlock, Scratch};
use crate::cpu::isa::{Isa, RowBytes, RowHalves};
use lexigraft_checkpoint::DType;

/// `d * q`.
pub(crate) struct Q8_0;

#[derive(Clone)]
#[repr(C, align(16))]
pub(crate) struct Q8_0Tile {
    scales: RowHalves,
    /// Four consecutive elements a row in each.
    quants: [RowBytes; 8],
}

impl Format for Q8_0 {
    type Tile = Q8_0Tile;
    type X = ActivationBlock;
    const DTYPE: DType = DType::Q8_0;
    const INPUT: Input = Input::Blocks { group: 1 };
    const EMPTY: Q8_0Tile = Q8_0Tile {
        scales: NO_HALVES,
        quants: [NO_BYTES; 8],
    };

    fn pack(tile: &mut Q8_0Tile, lane: usize, _: usize, block: &[u8]) -> bool {
        let &[d0, d1, ref quants @ ..] = block else {
            return true;
        };
        for (bytes, quants) in tile.quants.iter_mut().zip(quants.as_chunks::<4>().0) {
            for (byte, quant) in lane_bytes_mut(bytes, lane).iter_mut().zip(quants) {
                *byte = *quant;
            }
        }
        put_half(&mut tile.scales, lane, [d0, d1])
    }

    fn unpack(tile: &Q8_0Tile, lane: usize, _: usize, block: &mut [u8]) {
        if let Some((d, quants)) = block.split_first_chunk_mut::<2>() {
            *d = get_half(&tile.scales, lane);
            for (bytes, quants) in tile.quants.iter().zip(quants.as_chunks_mut::<4>().0) {
                for (byte, quant) in lane_bytes(bytes, lane).iter().zip(quants) {
                    *quant = *byte;
                }
            }
        }
    }

    fn activations(scratch: &Scratch) -> &[ActivationBlock] {
        &scratch.blocks
    }

    #[inline(always)]
    fn accumulate<I: Isa, const T: usize, const P: usize>(
        isa: I,
        tile: &Q8_0Tile,
        x: &[ActivationBlock; T],
        first: usize,
        sums: &mut [[I::Floats; P]; T],
    ) {
        let mut ints = [[isa.start(0); P]; T];
        for (index, bytes) in tile.quants.iter().enumerate() {
            for part in 0..P {
                let weights = isa.widen_signed(isa.load(bytes, first + part));
                for (ints, x) in ints.iter_mut().zip(x) {
                    ints[part] = isa.dot_words(ints[part], weights, &x.words, 2 * index);
                }
            }
        }
        for part in 0..P {
            let scales = isa.scales(&tile.scales, first + part);
            for ((sums, ints), x) in sums.iter_mut().zip(ints).zip(x) {
                let products = isa.total(ints[part]);
                sums[part] = add_scaled(isa, sums[part], products, scales, x.scale);
            }
        }
    }
}
