//! WebAssembly SIMD128, which multiplies 16-bit numbers in pairs (`i32x4.dot_i16x8_s`).
//!
//! The dot product of bytes that relaxed SIMD adds is no use here: activations have 16 bits.
#![allow(unsafe_code)]

use super::{Isa, Job, RowBytes, RowFloats, RowHalves, RowSmall};
use core::arch::wasm32::*;

/// SIMD128.
#[derive(Clone, Copy)]
pub(crate) struct Wasm;

impl Isa for Wasm {
    const LANES: usize = 4;
    type Bytes = v128;
    type Pairs = v128;
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
    fn pairs(self, bytes: v128) -> v128 {
        bytes
    }

    #[inline(always)]
    fn widen(self, bytes: v128) -> [v128; 2] {
        [v128_and(bytes, u16x8_splat(0x00ff)), u16x8_shr(bytes, 8)]
    }

    #[inline(always)]
    fn widen_signed(self, bytes: v128) -> [v128; 2] {
        [i16x8_shr(i16x8_shl(bytes, 8), 8), i16x8_shr(bytes, 8)]
    }

    #[inline(always)]
    fn unpack_nibbles(self, bytes: v128) -> [v128; 4] {
        let mask = u16x8_splat(0x000f);
        [
            v128_and(bytes, mask),
            v128_and(u16x8_shr(bytes, 8), mask),
            v128_and(u16x8_shr(bytes, 4), mask),
            u16x8_shr(bytes, 12),
        ]
    }

    #[inline(always)]
    fn start(self, offset: i32) -> v128 {
        i32x4_splat(offset)
    }

    #[inline(always)]
    fn dot(self, sum: v128, pairs: v128, word: u32) -> v128 {
        i32x4_add(sum, i32x4_dot_i16x8(pairs, u32x4_splat(word)))
    }

    #[inline(always)]
    fn total(self, sum: v128) -> v128 {
        f32x4_convert_i32x4(sum)
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
