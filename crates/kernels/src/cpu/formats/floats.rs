//! F32, F16 and BF16, which meet `f32` activations.

use super::{Format, Input};
use crate::cpu::activations::Scratch;
use crate::cpu::isa::{Isa, RowFloats, RowHalves, TILE_ROWS};
use lexigraft_checkpoint::DType;

/// Elements of a row in a tile.
const STEP: usize = 4;

pub(crate) struct F32;
pub(crate) struct F16;
pub(crate) struct Bf16;

/// Adds the products of four elements a row. They are added in pairs first:
/// the running sum then waits for one addition instead of four.
#[inline(always)]
fn accumulate<I: Isa, const T: usize, const P: usize>(
    isa: I,
    x: &[[f32; STEP]; T],
    sums: &mut [[I::Floats; P]; T],
    weights: impl Fn(usize, usize) -> I::Floats,
) {
    for part in 0..P {
        let w: [I::Floats; STEP] = [0, 1, 2, 3].map(|k| weights(k, part));
        for (sums, x) in sums.iter_mut().zip(x) {
            let product = |k: usize| isa.mul(w[k], isa.splat(x[k]));
            let even = isa.add(product(0), product(1));
            let odd = isa.add(product(2), product(3));
            sums[part] = isa.add(sums[part], isa.add(even, odd));
        }
    }
}

impl Format for F32 {
    type Tile = [RowFloats; STEP];
    type X = [f32; STEP];
    const DTYPE: DType = DType::F32;
    const INPUT: Input = Input::Floats;
    const BLOCKS: usize = STEP;
    const EMPTY: Self::Tile = [[0.0; TILE_ROWS]; STEP];

    fn pack(tile: &mut Self::Tile, lane: usize, index: usize, block: &[u8]) -> bool {
        if let Some(&bytes) = block.first_chunk::<4>() {
            tile[index][lane] = f32::from_le_bytes(bytes);
        }
        true
    }

    fn unpack(tile: &Self::Tile, lane: usize, index: usize, block: &mut [u8]) {
        if let Some(bytes) = block.first_chunk_mut::<4>() {
            *bytes = tile[index][lane].to_le_bytes();
        }
    }

    fn activations(scratch: &Scratch) -> &[[f32; STEP]] {
        &scratch.floats
    }

    #[inline(always)]
    fn accumulate<I: Isa, const T: usize, const P: usize>(
        isa: I,
        tile: &Self::Tile,
        x: &[[f32; STEP]; T],
        first: usize,
        sums: &mut [[I::Floats; P]; T],
    ) {
        accumulate(isa, x, sums, |k, part| {
            isa.load_floats(&tile[k], first + part)
        });
    }
}

/// F16 and BF16 differ in how two bytes become a single.
macro_rules! two_bytes {
    ($format:ty, $dtype:expr, $load:ident) => {
        impl Format for $format {
            type Tile = [RowHalves; STEP];
            type X = [f32; STEP];
            const DTYPE: DType = $dtype;
            const INPUT: Input = Input::Floats;
            const BLOCKS: usize = STEP;
            const EMPTY: Self::Tile = [[0; 2 * TILE_ROWS]; STEP];

            fn pack(tile: &mut Self::Tile, lane: usize, index: usize, block: &[u8]) -> bool {
                let place = tile[index].as_chunks_mut::<2>().0.get_mut(lane);
                if let (Some(place), Some(&bytes)) = (place, block.first_chunk()) {
                    *place = bytes;
                }
                true
            }

            fn unpack(tile: &Self::Tile, lane: usize, index: usize, block: &mut [u8]) {
                let place = tile[index].as_chunks::<2>().0.get(lane);
                if let (Some(&place), Some(bytes)) = (place, block.first_chunk_mut()) {
                    *bytes = place;
                }
            }

            fn activations(scratch: &Scratch) -> &[[f32; STEP]] {
                &scratch.floats
            }

            #[inline(always)]
            fn accumulate<I: Isa, const T: usize, const P: usize>(
                isa: I,
                tile: &Self::Tile,
                x: &[[f32; STEP]; T],
                first: usize,
                sums: &mut [[I::Floats; P]; T],
            ) {
                accumulate(isa, x, sums, |k, part| isa.$load(&tile[k], first + part));
            }
        }
    };
}

two_bytes!(F16, DType::F16, halves);
two_bytes!(Bf16, DType::BF16, brain_halves);
