//! The types with blocks of 32: Q8_0, Q4_0, Q4_1, Q5_0, Q5_1.
//!
//! A block begins with its scale `d` (and minimum `m`) as halves. Nibbles:
//! the lower ones of the 16 bytes are elements 0..16, the upper ones 16..32.
//! The five-bit types keep the fifth bits of all elements in one `u32`.

use super::float::f16_to_f32;

/// `d, q: [i8; 32]`; element = `q * d`.
#[inline(always)]
pub(super) fn q8_0(block: &[u8; 34], out: &mut [f32; 32]) {
    let [d0, d1, quants @ ..] = block;
    let d = f16_to_f32([*d0, *d1]);
    for (out, &q) in out.iter_mut().zip(quants) {
        *out = f32::from(q as i8) * d;
    }
}

/// `d, q: [u4; 32]`; element = `(q - 8) * d`.
#[inline(always)]
pub(super) fn q4_0(block: &[u8; 18], out: &mut [f32; 32]) {
    let [d0, d1, quants @ ..] = block;
    let d = f16_to_f32([*d0, *d1]);
    for (out, q) in out.iter_mut().zip(nibbles(quants)) {
        *out = f32::from(q as i8 - 8) * d;
    }
}

/// `d, m, q: [u4; 32]`; element = `q * d + m`.
#[inline(always)]
pub(super) fn q4_1(block: &[u8; 20], out: &mut [f32; 32]) {
    let [d0, d1, m0, m1, quants @ ..] = block;
    let d = f16_to_f32([*d0, *d1]);
    let m = f16_to_f32([*m0, *m1]);
    for (out, q) in out.iter_mut().zip(nibbles(quants)) {
        *out = f32::from(q) * d + m;
    }
}

/// `d, h: u32, q: [u4; 32]`; element = `((q | h-bit << 4) - 16) * d`.
#[inline(always)]
pub(super) fn q5_0(block: &[u8; 22], out: &mut [f32; 32]) {
    let [d0, d1, h0, h1, h2, h3, quants @ ..] = block;
    let d = f16_to_f32([*d0, *d1]);
    let quants = five_bits(nibbles(quants), [*h0, *h1, *h2, *h3]);
    for (out, q) in out.iter_mut().zip(quants) {
        *out = f32::from(q as i8 - 16) * d;
    }
}

/// `d, m, h: u32, q: [u4; 32]`; element = `(q | h-bit << 4) * d + m`.
#[inline(always)]
pub(super) fn q5_1(block: &[u8; 24], out: &mut [f32; 32]) {
    let [d0, d1, m0, m1, h0, h1, h2, h3, quants @ ..] = block;
    let d = f16_to_f32([*d0, *d1]);
    let m = f16_to_f32([*m0, *m1]);
    let quants = five_bits(nibbles(quants), [*h0, *h1, *h2, *h3]);
    for (out, q) in out.iter_mut().zip(quants) {
        *out = f32::from(q) * d + m;
    }
}

/// The 32 nibbles of 16 bytes, lower ones first.
#[inline(always)]
fn nibbles(bytes: &[u8; 16]) -> [u8; 32] {
    let mut out = [0; 32];
    let (low, high) = out.split_at_mut(16);
    for ((low, high), &byte) in low.iter_mut().zip(high).zip(bytes) {
        *low = byte & 0x0f;
        *high = byte >> 4;
    }
    out
}

/// Sets bit 4 of each element from the block's word of fifth bits.
#[inline(always)]
fn five_bits(mut quants: [u8; 32], fifth: [u8; 4]) -> [u8; 32] {
    let fifth = u32::from_le_bytes(fifth);
    for (i, q) in (0u32..).zip(&mut quants) {
        *q |= ((fifth >> i & 1) << 4) as u8;
    }
    quants
}
