//! Plain Rust: the twin that the other instruction sets are compared with.

use super::{Isa, Job, RowBytes, RowFloats, RowHalves, RowSmall, TILE_ROWS};

#[derive(Clone, Copy)]
pub(crate) struct Portable;

type Quads = [[u8; 4]; TILE_ROWS];

#[inline(always)]
fn map<T: Copy, U: Copy + Default>(from: [T; TILE_ROWS], f: impl Fn(T) -> U) -> [U; TILE_ROWS] {
    let mut to = [U::default(); TILE_ROWS];
    for (to, from) in to.iter_mut().zip(from) {
        *to = f(from);
    }
    to
}

#[inline(always)]
fn zip(a: RowFloats, b: RowFloats, f: impl Fn(f32, f32) -> f32) -> RowFloats {
    let mut out = a;
    for (out, b) in out.iter_mut().zip(b) {
        *out = f(*out, b);
    }
    out
}

/// As `lexigraft_checkpoint` converts halves, which is exact.
#[inline(always)]
fn half_to_f32(bytes: [u8; 2]) -> f32 {
    const TWO_POW_112: f32 = f32::from_bits((127 + 112) << 23);
    let half = u32::from(u16::from_le_bytes(bytes));
    let magnitude = f32::from_bits((half & 0x7fff) << 13) * TWO_POW_112;
    let special = if half & 0x7c00 == 0x7c00 {
        0x7f80_0000
    } else {
        0
    };
    f32::from_bits(magnitude.to_bits() | special | (half & 0x8000) << 16)
}

#[inline(always)]
fn pairs(halves: &RowHalves) -> [[u8; 2]; TILE_ROWS] {
    let mut out = [[0; 2]; TILE_ROWS];
    for (out, pair) in out.iter_mut().zip(halves.as_chunks::<2>().0) {
        *out = *pair;
    }
    out
}

impl Isa for Portable {
    const LANES: usize = TILE_ROWS;
    type Bytes = Quads;
    type Pairs = [[i16; 2]; TILE_ROWS];
    type Ints = [i32; TILE_ROWS];
    type Floats = RowFloats;

    fn run<J: Job>(self, job: J) -> J::Output {
        job.run(self)
    }

    #[inline(always)]
    fn load(self, bytes: &RowBytes, _: usize) -> Quads {
        let mut out = [[0; 4]; TILE_ROWS];
        for (out, quad) in out.iter_mut().zip(bytes.as_chunks::<4>().0) {
            *out = *quad;
        }
        out
    }

    #[inline(always)]
    fn low_nibbles(self, bytes: Quads) -> Quads {
        map(bytes, |quad| quad.map(|b| b & 0x0f))
    }

    #[inline(always)]
    fn high_nibbles(self, bytes: Quads) -> Quads {
        map(bytes, |quad| quad.map(|b| b >> 4))
    }

    #[inline(always)]
    fn with_bits(self, mut bytes: Quads, bits: Quads, from: u32, to: u32, mask: u8) -> Quads {
        for (quad, bits) in bytes.iter_mut().zip(bits) {
            for (byte, bits) in quad.iter_mut().zip(bits) {
                let shifted = (u32::from(bits) << to >> from) as u8;
                *byte |= shifted & mask;
            }
        }
        bytes
    }

    #[inline(always)]
    fn pairs(self, bytes: Quads) -> Self::Pairs {
        map(bytes, |[a, b, c, d]| {
            [[a, b], [c, d]].map(i16::from_le_bytes)
        })
    }

    #[inline(always)]
    fn widen(self, bytes: Quads) -> [Self::Pairs; 2] {
        [
            map(bytes, |b| [b[0], b[2]].map(i16::from)),
            map(bytes, |b| [b[1], b[3]].map(i16::from)),
        ]
    }

    #[inline(always)]
    fn widen_signed(self, bytes: Quads) -> [Self::Pairs; 2] {
        [
            map(bytes, |b| [b[0], b[2]].map(|b| i16::from(b as i8))),
            map(bytes, |b| [b[1], b[3]].map(|b| i16::from(b as i8))),
        ]
    }

    #[inline(always)]
    fn unpack_nibbles(self, bytes: Quads) -> [Self::Pairs; 4] {
        let [a, b] = self.widen(self.low_nibbles(bytes));
        let [c, d] = self.widen(self.high_nibbles(bytes));
        [a, b, c, d]
    }

    #[inline(always)]
    fn start(self, offset: i32) -> Self::Ints {
        [offset; TILE_ROWS]
    }

    #[inline(always)]
    fn dot(self, mut sum: Self::Ints, pairs: Self::Pairs, word: u32) -> Self::Ints {
        let (x, y) = (word as i16, (word >> 16) as i16);
        for (sum, [a, b]) in sum.iter_mut().zip(pairs) {
            *sum += i32::from(a) * i32::from(x) + i32::from(b) * i32::from(y);
        }
        sum
    }

    #[inline(always)]
    fn total(self, sum: Self::Ints) -> RowFloats {
        map(sum, |sum| sum as f32)
    }

    #[inline(always)]
    fn splat(self, value: f32) -> RowFloats {
        [value; TILE_ROWS]
    }

    #[inline(always)]
    fn load_floats(self, values: &RowFloats, _: usize) -> RowFloats {
        *values
    }

    #[inline(always)]
    fn store_floats(self, values: RowFloats, out: &mut RowFloats, _: usize) {
        *out = values;
    }

    #[inline(always)]
    fn scales(self, halves: &RowHalves, part: usize) -> RowFloats {
        self.halves(halves, part)
    }

    #[inline(always)]
    fn halves(self, halves: &RowHalves, _: usize) -> RowFloats {
        map(pairs(halves), half_to_f32)
    }

    #[inline(always)]
    fn brain_halves(self, halves: &RowHalves, _: usize) -> RowFloats {
        map(pairs(halves), |pair| {
            f32::from_bits(u32::from(u16::from_le_bytes(pair)) << 16)
        })
    }

    #[inline(always)]
    fn unsigned(self, bytes: &RowSmall, _: usize) -> RowFloats {
        map(*bytes, f32::from)
    }

    #[inline(always)]
    fn signed(self, bytes: &RowSmall, _: usize) -> RowFloats {
        map(*bytes, |b| f32::from(b as i8))
    }

    #[inline(always)]
    fn add(self, a: RowFloats, b: RowFloats) -> RowFloats {
        zip(a, b, |a, b| a + b)
    }

    #[inline(always)]
    fn sub(self, a: RowFloats, b: RowFloats) -> RowFloats {
        zip(a, b, |a, b| a - b)
    }

    #[inline(always)]
    fn mul(self, a: RowFloats, b: RowFloats) -> RowFloats {
        zip(a, b, |a, b| a * b)
    }
}
