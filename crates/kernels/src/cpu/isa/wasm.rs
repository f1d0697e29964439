//! WebAssembly: SIMD128, and the relaxed dot product where the module may use it.
//!
//! SIMD128 multiplies 16-bit numbers in pairs (`i32x4.dot_i16x8_s`). Instead of
//! widening bytes, weights stay where they are in their 16-bit lanes, at
//! different powers of two, and activations carry the missing ones: all
//! products come out 256 times too large, which one shift mends. A block's sum
//! stays below `32 * 127 * 128 * 256 < 2^31`.
#![allow(unsafe_code)]

use super::{Isa, Job, RowBytes, RowFloats, RowHalves, RowSmall};
use crate::cpu::activations::{Form, Words, pair_words};
use core::arch::wasm32::*;

/// The operations that SIMD128 and relaxed SIMD share.
macro_rules! shared {
    () => {
        const LANES: usize = 4;
        type Bytes = v128;
        type Ints = v128;
        type Floats = v128;

        #[inline(always)]
        fn run<J: Job>(self, job: J) -> J::Output {
            job.run(self)
        }

        #[inline(always)]
        fn load(self, bytes: &RowBytes, part: usize) -> v128 {
            let half = &bytes.as_chunks::<16>().0[part];
            // SAFETY: `half` is 16 readable bytes; no alignment is asked for.
            unsafe { v128_load(half.as_ptr().cast()) }
        }

        #[inline(always)]
        fn low_nibbles(self, bytes: v128) -> v128 {
            v128_and(bytes, u8x16_splat(0x0f))
        }

        #[inline(always)]
        fn high_nibbles(self, bytes: v128) -> v128 {
            u8x16_shr(bytes, 4)
        }

        #[inline(always)]
        fn with_bits(self, bytes: v128, bits: v128, from: u32, to: u32, mask: u8) -> v128 {
            // Bits that cross into a neighbouring byte are masked away.
            let shifted = if from < to {
                u16x8_shl(bits, to - from)
            } else {
                u16x8_shr(bits, from - to)
            };
            v128_or(bytes, v128_and(shifted, u8x16_splat(mask)))
        }

        #[inline(always)]
        fn splat(self, value: f32) -> v128 {
            f32x4_splat(value)
        }

        #[inline(always)]
        fn load_floats(self, values: &RowFloats, part: usize) -> v128 {
            let half = &values.as_chunks::<4>().0[part];
            // SAFETY: `half` is 16 readable bytes; no alignment is asked for.
            unsafe { v128_load(half.as_ptr().cast()) }
        }

        #[inline(always)]
        fn store_floats(self, values: v128, out: &mut RowFloats, part: usize) {
            let half = &mut out.as_chunks_mut::<4>().0[part];
            // SAFETY: `half` is 16 writable bytes; no alignment is asked for.
            unsafe { v128_store(half.as_mut_ptr().cast(), values) }
        }

        #[inline(always)]
        fn scales(self, halves: &RowHalves, part: usize) -> v128 {
            // Exponent and mantissa go where a single has them; the sign,
            // repeated by the extension, is kept once. The number is then
            // 2^112 too small.
            let bits = i32x4_shl(load_halves(halves, part), 13);
            let bits = v128_and(bits, u32x4_splat(0x8fff_ffff));
            f32x4_mul(bits, f32x4_splat(f32::from_bits((127 + 112) << 23)))
        }

        #[inline(always)]
        fn halves(self, halves: &RowHalves, part: usize) -> v128 {
            let exponent = v128_and(load_halves(halves, part), u32x4_splat(0x7c00));
            let special = v128_and(
                u32x4_eq(exponent, u32x4_splat(0x7c00)),
                u32x4_splat(0x7f80_0000),
            );
            v128_or(self.scales(halves, part), special)
        }

        #[inline(always)]
        fn brain_halves(self, halves: &RowHalves, part: usize) -> v128 {
            i32x4_shl(load_halves(halves, part), 16)
        }

        #[inline(always)]
        fn unsigned(self, bytes: &RowSmall, part: usize) -> v128 {
            let bytes = u16x8_extend_low_u8x16(load_small(bytes, part));
            f32x4_convert_i32x4(u32x4_extend_low_u16x8(bytes))
        }

        #[inline(always)]
        fn signed(self, bytes: &RowSmall, part: usize) -> v128 {
            let bytes = i16x8_extend_low_i8x16(load_small(bytes, part));
            f32x4_convert_i32x4(i32x4_extend_low_i16x8(bytes))
        }

        #[inline(always)]
        fn add(self, a: v128, b: v128) -> v128 {
            f32x4_add(a, b)
        }

        #[inline(always)]
        fn sub(self, a: v128, b: v128) -> v128 {
            f32x4_sub(a, b)
        }

        #[inline(always)]
        fn mul(self, a: v128, b: v128) -> v128 {
            f32x4_mul(a, b)
        }
    };
}

/// Four sign-extended 16-bit numbers.
#[inline(always)]
fn load_halves(halves: &RowHalves, part: usize) -> v128 {
    let half = &halves.as_chunks::<8>().0[part];
    // SAFETY: `half` is 8 readable bytes; no alignment is asked for.
    unsafe { i32x4_load_extend_i16x4(half.as_ptr().cast()) }
}

#[inline(always)]
fn load_small(bytes: &RowSmall, part: usize) -> v128 {
    let half = &bytes.as_chunks::<4>().0[part];
    // SAFETY: `half` is 4 readable bytes; no alignment is asked for.
    unsafe { v128_load32_zero(half.as_ptr().cast()) }
}

#[inline(always)]
fn splat_word(word: u32) -> v128 {
    u32x4_splat(word)
}

/// Adds the dot products of 16-bit pairs with one pair of activations.
#[inline(always)]
fn add_pairs(sum: v128, pairs: v128, x: u32) -> v128 {
    i32x4_add(sum, i32x4_dot_i16x8(pairs, splat_word(x)))
}

/// SIMD128.
#[derive(Clone, Copy)]
pub(crate) struct Wasm;

impl Isa for Wasm {
    shared!();
    type Wide = [v128; 2];
    type Nibbles = [v128; 4];
    type SignedInts = v128;

    #[inline(always)]
    fn arrange(self, form: Form, quants: &[i8; 32]) -> Words {
        match form {
            // What the fields of `unpack_nibbles` lack of 256.
            Form::Nibbles => pair_words(quants, [256, 1, 16, 256]),
            Form::Bytes | Form::Signed => pair_words(quants, [1; 4]),
        }
    }

    #[inline(always)]
    fn widen(self, bytes: v128) -> [v128; 2] {
        // Even and odd bytes, each 256 times itself as a 16-bit number.
        [i16x8_shl(bytes, 8), v128_and(bytes, u16x8_splat(0xff00))]
    }

    #[inline(always)]
    fn unpack_nibbles(self, bytes: v128) -> [v128; 4] {
        // Elements (0, 2), (1, 3), (4, 6) and (5, 7) of each row.
        [
            v128_and(bytes, u16x8_splat(0x000f)),
            v128_and(bytes, u16x8_splat(0x0f00)),
            v128_and(bytes, u16x8_splat(0x00f0)),
            u16x8_shr(bytes, 12),
        ]
    }

    #[inline(always)]
    fn start(self, offset: i32) -> v128 {
        i32x4_splat(offset << 8)
    }

    #[inline(always)]
    fn dot(self, sum: v128, bytes: [v128; 2], x: &Words, index: usize) -> v128 {
        let sum = add_pairs(sum, bytes[0], x[2 * index]);
        add_pairs(sum, bytes[1], x[2 * index + 1])
    }

    #[inline(always)]
    fn dot_nibbles(self, sum: v128, nibbles: [v128; 4], x: &Words, index: usize) -> v128 {
        let sum = add_pairs(sum, nibbles[0], x[4 * index]);
        let sum = add_pairs(sum, nibbles[1], x[4 * index + 1]);
        let sum = add_pairs(sum, nibbles[2], x[4 * index + 2]);
        add_pairs(sum, nibbles[3], x[4 * index + 3])
    }

    #[inline(always)]
    fn total(self, sum: v128) -> v128 {
        f32x4_convert_i32x4(i32x4_shr(sum, 8))
    }

    #[inline(always)]
    fn start_signed(self) -> v128 {
        i32x4_splat(0)
    }

    #[inline(always)]
    fn dot_signed(self, sum: v128, bytes: [v128; 2], x: &Words, index: usize) -> v128 {
        self.dot(sum, bytes, x, index)
    }

    #[inline(always)]
    fn total_signed(self, sum: v128) -> v128 {
        self.total(sum)
    }
}

/// Relaxed SIMD, whose dot product takes signed bytes and bytes in 0..=127:
/// for these its result is the same on every machine.
#[cfg(target_feature = "relaxed-simd")]
#[derive(Clone, Copy)]
pub(crate) struct Relaxed;

#[cfg(target_feature = "relaxed-simd")]
impl Isa for Relaxed {
    shared!();
    type Wide = v128;
    type Nibbles = [v128; 2];
    type SignedInts = [v128; 2];

    #[inline(always)]
    fn arrange(self, form: Form, quants: &[i8; 32]) -> Words {
        match form {
            Form::Nibbles | Form::Bytes => crate::cpu::activations::byte_words(quants),
            Form::Signed => crate::cpu::activations::split_words(quants),
        }
    }

    #[inline(always)]
    fn widen(self, bytes: v128) -> v128 {
        bytes
    }

    #[inline(always)]
    fn unpack_nibbles(self, bytes: v128) -> [v128; 2] {
        [self.low_nibbles(bytes), self.high_nibbles(bytes)]
    }

    #[inline(always)]
    fn start(self, offset: i32) -> v128 {
        i32x4_splat(offset)
    }

    #[inline(always)]
    fn dot(self, sum: v128, bytes: v128, x: &Words, index: usize) -> v128 {
        i32x4_relaxed_dot_i8x16_i7x16_add(splat_word(x[index]), bytes, sum)
    }

    #[inline(always)]
    fn dot_nibbles(self, sum: v128, nibbles: [v128; 2], x: &Words, index: usize) -> v128 {
        let sum = self.dot(sum, nibbles[0], x, 2 * index);
        self.dot(sum, nibbles[1], x, 2 * index + 1)
    }

    #[inline(always)]
    fn total(self, sum: v128) -> v128 {
        f32x4_convert_i32x4(sum)
    }

    #[inline(always)]
    fn start_signed(self) -> [v128; 2] {
        [i32x4_splat(0); 2]
    }

    #[inline(always)]
    fn dot_signed(self, sum: [v128; 2], bytes: v128, x: &Words, index: usize) -> [v128; 2] {
        let positive = splat_word(x[index]);
        let negative = splat_word(x[8 + index]);
        [
            i32x4_relaxed_dot_i8x16_i7x16_add(bytes, positive, sum[0]),
            i32x4_relaxed_dot_i8x16_i7x16_add(bytes, negative, sum[1]),
        ]
    }

    #[inline(always)]
    fn total_signed(self, [positive, negative]: [v128; 2]) -> v128 {
        f32x4_convert_i32x4(i32x4_sub(positive, negative))
    }
}
