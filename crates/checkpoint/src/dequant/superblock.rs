//! The types with blocks of 256: Q4_K, Q5_K, Q6_K.

use super::float::f16_to_f32;

/// `d, dmin, scales: [u8; 12], q: [u4; 256]` in eight groups of 32;
/// element = `(d * scale) * q - dmin * min`.
///
/// Each 32 bytes hold two groups: the lower nibbles, then the upper ones.
#[inline(always)]
pub(super) fn q4_k(block: &[u8; 144], out: &mut [f32; 256]) {
    let [d0, d1, m0, m1, rest @ ..] = block;
    let Some((scales, quants)) = rest.split_first_chunk::<12>() else {
        return;
    };
    let groups = scales_and_mins([*d0, *d1], [*m0, *m1], scales);
    let (quants, _) = quants.as_chunks::<32>();
    let (out, _) = out.as_chunks_mut::<64>();
    for ((out, quants), [low, high]) in out.iter_mut().zip(quants).zip(groups) {
        let (out_low, out_high) = out.split_at_mut(32);
        for ((out_low, out_high), &q) in out_low.iter_mut().zip(out_high).zip(quants) {
            *out_low = low.scale * f32::from(q & 0x0f) - low.min;
            *out_high = high.scale * f32::from(q >> 4) - high.min;
        }
    }
}

/// As [`q4_k`], with 32 bytes between scales and nibbles whose bit `g` is the
/// fifth bit of group `g`.
#[inline(always)]
pub(super) fn q5_k(block: &[u8; 176], out: &mut [f32; 256]) {
    let [d0, d1, m0, m1, rest @ ..] = block;
    let Some((scales, rest)) = rest.split_first_chunk::<12>() else {
        return;
    };
    let Some((fifths, quants)) = rest.split_first_chunk::<32>() else {
        return;
    };
    let groups = scales_and_mins([*d0, *d1], [*m0, *m1], scales);
    let (quants, _) = quants.as_chunks::<32>();
    let (out, _) = out.as_chunks_mut::<64>();
    let rows = out.iter_mut().zip(quants).zip(groups);
    for (bit, ((out, quants), [low, high])) in (0u32..).step_by(2).zip(rows) {
        let (out_low, out_high) = out.split_at_mut(32);
        let outs = out_low.iter_mut().zip(out_high);
        for ((out_low, out_high), (&q, &fifth)) in outs.zip(quants.iter().zip(fifths)) {
            let q_low = q & 0x0f | (fifth >> bit & 1) << 4;
            let q_high = q >> 4 | (fifth >> (bit + 1) & 1) << 4;
            *out_low = low.scale * f32::from(q_low) - low.min;
            *out_high = high.scale * f32::from(q_high) - high.min;
        }
    }
}

/// `low: [u4; 256], high: [u2; 256], scales: [i8; 16], d`;
/// element = `(d * scale) * (q - 32)`, a scale for each 16 elements.
///
/// Each half of 128 elements is four runs of 32: run `r` takes its low bits
/// from byte `(r & 1) * 32 + i` (lower nibbles for r < 2, then upper ones) and
/// its high bits from bits `2 r` of high byte `i`.
#[inline(always)]
pub(super) fn q6_k(block: &[u8; 210], out: &mut [f32; 256]) {
    let Some((low, rest)) = block.split_first_chunk::<128>() else {
        return;
    };
    let Some((high, rest)) = rest.split_first_chunk::<64>() else {
        return;
    };
    let Some((scales, rest)) = rest.split_first_chunk::<16>() else {
        return;
    };
    let Some(&d) = rest.first_chunk::<2>() else {
        return;
    };
    let d = f16_to_f32(d);

    let (lows, _) = low.as_chunks::<64>();
    let (highs, _) = high.as_chunks::<32>();
    let (scales, _) = scales.as_chunks::<8>();
    let (halves, _) = out.as_chunks_mut::<128>();
    for (((out, low), high), scales) in halves.iter_mut().zip(lows).zip(highs).zip(scales) {
        let (low_even, low_odd) = low.split_at(32);
        let (runs, _) = out.as_chunks_mut::<32>();
        let (scales, _) = scales.as_chunks::<2>();
        for (r, (run, scales)) in (0u32..).zip(runs.iter_mut().zip(scales)) {
            let low = if r & 1 == 0 { low_even } else { low_odd };
            let (low_shift, high_shift) = (r / 2 * 4, r * 2);
            let (outs, _) = run.as_chunks_mut::<16>();
            let (low, _) = low.as_chunks::<16>();
            let (high, _) = high.as_chunks::<16>();
            for (((out, low), high), &scale) in outs.iter_mut().zip(low).zip(high).zip(scales) {
                let scale = d * f32::from(scale as i8);
                for ((out, &low), &high) in out.iter_mut().zip(low).zip(high) {
                    let q = low >> low_shift & 0x0f | (high >> high_shift & 3) << 4;
                    *out = scale * f32::from(q as i8 - 32);
                }
            }
        }
    }
}

/// What turns a group's numbers into elements.
#[derive(Clone, Copy, Default)]
struct Group {
    scale: f32,
    min: f32,
}

/// The eight scales and minima of Q4_K and Q5_K, in pairs of groups.
///
/// Twelve bytes hold sixteen six-bit numbers: bytes 0..4 the scales and bytes
/// 4..8 the minima of groups 0..4 in their lower six bits; bytes 8..12 the
/// lower four bits of scales (lower nibble) and minima (upper nibble) of
/// groups 4..8, whose upper two bits are the top bits of bytes 0..8.
#[inline(always)]
fn scales_and_mins(d: [u8; 2], dmin: [u8; 2], packed: &[u8; 12]) -> [[Group; 2]; 4] {
    let (d, dmin) = (f16_to_f32(d), f16_to_f32(dmin));
    let group = |scale: u8, min: u8| Group {
        scale: d * f32::from(scale),
        min: dmin * f32::from(min),
    };
    let [s0, s1, s2, s3, m0, m1, m2, m3, x0, x1, x2, x3] = *packed;
    let first = |s: u8, m: u8| group(s & 63, m & 63);
    let second = |s: u8, m: u8, x: u8| group(x & 0x0f | s >> 6 << 4, x >> 4 | m >> 6 << 4);
    [
        [first(s0, m0), first(s1, m1)],
        [first(s2, m2), first(s3, m3)],
        [second(s0, m0, x0), second(s1, m1, x1)],
        [second(s2, m2, x2), second(s3, m3, x3)],
    ]
}
