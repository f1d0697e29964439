//! The few vector operations that kernels are written in, once for each
//! instruction set.
//!
//! A kernel is generic over [`Isa`]; what differs between machines is only
//! how a handful of primitives are computed. Integer sums are exact and the
//! order of the float operations is fixed by the kernel, so every instruction
//! set gives the same bits.

mod portable;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod wasm;
#[cfg(target_arch = "x86_64")]
mod x86;

use super::activations::Words;
use portable::Portable;
use std::fmt;

/// Rows that are packed side by side.
pub(crate) const TILE_ROWS: usize = 8;

/// Bytes for all rows of a tile: four a row, row after row.
pub(crate) type RowBytes = [u8; 4 * TILE_ROWS];
/// A half-precision number a row, little-endian.
pub(crate) type RowHalves = [u8; 2 * TILE_ROWS];
/// A byte a row.
pub(crate) type RowSmall = [u8; TILE_ROWS];
/// A single a row.
pub(crate) type RowFloats = [f32; TILE_ROWS];

/// An instruction set. The value proves that the machine has it.
///
/// Vectors hold [`LANES`](Isa::LANES) rows of a tile; `part` says which, and
/// is 0 where a vector holds all.
pub(crate) trait Isa: Copy {
    /// Rows of a vector: 4 or 8.
    const LANES: usize;
    /// Four bytes a row.
    type Bytes: Copy;
    /// Two 16-bit numbers a row.
    type Pairs: Copy;
    /// An integer sum a row.
    type Ints: Copy;
    /// A single a row.
    type Floats: Copy;

    /// Runs `job` with this instruction set enabled.
    fn run<J: Job>(self, job: J) -> J::Output;

    fn load(self, bytes: &RowBytes, part: usize) -> Self::Bytes;
    fn low_nibbles(self, bytes: Self::Bytes) -> Self::Bytes;
    fn high_nibbles(self, bytes: Self::Bytes) -> Self::Bytes;
    /// `bytes | field`, where the field is the bits of `mask` in each byte of
    /// `bits` once these are shifted from bit `from` to bit `to`.
    fn with_bits(
        self,
        bytes: Self::Bytes,
        bits: Self::Bytes,
        from: u32,
        to: u32,
        mask: u8,
    ) -> Self::Bytes;

    /// The four bytes of each row as two 16-bit numbers, little-endian.
    fn pairs(self, bytes: Self::Bytes) -> Self::Pairs;
    /// Elements (0, 2) and (1, 3) of each row, unsigned.
    fn widen(self, bytes: Self::Bytes) -> [Self::Pairs; 2];
    /// Elements (0, 2) and (1, 3) of each row, signed.
    fn widen_signed(self, bytes: Self::Bytes) -> [Self::Pairs; 2];
    /// Elements (0, 2), (1, 3), (4, 6) and (5, 7) of each row, the lower nibbles first.
    fn unpack_nibbles(self, bytes: Self::Bytes) -> [Self::Pairs; 4];

    /// Sums that begin at `offset` in every row.
    fn start(self, offset: i32) -> Self::Ints;
    /// Adds the products with one word of activations, two a row.
    fn dot(self, sum: Self::Ints, pairs: Self::Pairs, word: u32) -> Self::Ints;
    /// Adds the products with `N` words of activations from `first` on.
    #[inline(always)]
    fn dot_words<const N: usize>(
        self,
        mut sum: Self::Ints,
        pairs: [Self::Pairs; N],
        x: &Words,
        first: usize,
    ) -> Self::Ints {
        for (i, pairs) in pairs.into_iter().enumerate() {
            sum = self.dot(sum, pairs, x[first + i]);
        }
        sum
    }
    fn total(self, sum: Self::Ints) -> Self::Floats;

    fn splat(self, value: f32) -> Self::Floats;
    fn load_floats(self, values: &RowFloats, part: usize) -> Self::Floats;
    fn store_floats(self, values: Self::Floats, out: &mut RowFloats, part: usize);
    /// Finite half-precision numbers.
    fn scales(self, halves: &RowHalves, part: usize) -> Self::Floats;
    /// Half-precision numbers, infinities and NaNs among them.
    fn halves(self, halves: &RowHalves, part: usize) -> Self::Floats;
    /// Upper halves of singles.
    fn brain_halves(self, halves: &RowHalves, part: usize) -> Self::Floats;
    fn unsigned(self, bytes: &RowSmall, part: usize) -> Self::Floats;
    fn signed(self, bytes: &RowSmall, part: usize) -> Self::Floats;
    fn add(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;
    fn sub(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;
    fn mul(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;
}

/// Work that is compiled once for each instruction set.
pub(crate) trait Job {
    type Output;
    /// Must be `#[inline(always)]`: an instruction set is enabled on the
    /// function that this is inlined into.
    fn run<I: Isa>(self, isa: I) -> Self::Output;
}

/// The instruction set that kernels use.
///
/// All give the same bits; [`Instructions::PORTABLE`] is plain Rust and the
/// twin that the others are compared with.
#[derive(Clone, Copy)]
pub struct Instructions(Kind);

#[derive(Clone, Copy)]
enum Kind {
    Portable(Portable),
    #[cfg(target_arch = "x86_64")]
    Avx2(x86::Avx2<{ x86::MADD }>),
    #[cfg(target_arch = "x86_64")]
    AvxVnni(x86::Avx2<{ x86::AVX_VNNI }>),
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni(x86::Avx2<{ x86::AVX512_VNNI }>),
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    Wasm(wasm::Wasm),
}

impl Instructions {
    /// Plain Rust.
    pub const PORTABLE: Self = Self(Kind::Portable(Portable));

    /// The fastest that this machine has.
    pub fn best() -> Self {
        Self::available().next().unwrap_or(Self::PORTABLE)
    }

    /// All that this machine has, the fastest first.
    pub fn available() -> impl Iterator<Item = Self> {
        [
            #[cfg(target_arch = "x86_64")]
            x86::Avx2::<{ x86::AVX512_VNNI }>::detect().map(Kind::Avx512Vnni),
            #[cfg(target_arch = "x86_64")]
            x86::Avx2::<{ x86::AVX_VNNI }>::detect().map(Kind::AvxVnni),
            #[cfg(target_arch = "x86_64")]
            x86::Avx2::<{ x86::MADD }>::detect().map(Kind::Avx2),
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Some(Kind::Wasm(wasm::Wasm)),
            Some(Kind::Portable(Portable)),
        ]
        .into_iter()
        .flatten()
        .map(Self)
    }

    /// The name for people, such as `AVX2` or `WebAssembly SIMD128`.
    pub fn name(self) -> &'static str {
        match self.0 {
            Kind::Portable(_) => "portable",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(_) => "AVX2",
            #[cfg(target_arch = "x86_64")]
            Kind::AvxVnni(_) => "AVX-VNNI",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512Vnni(_) => "AVX-512 VNNI",
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Kind::Wasm(_) => "WebAssembly SIMD128",
        }
    }

    pub(crate) fn run<J: Job>(self, job: J) -> J::Output {
        match self.0 {
            Kind::Portable(isa) => isa.run(job),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(isa) => isa.run(job),
            #[cfg(target_arch = "x86_64")]
            Kind::AvxVnni(isa) => isa.run(job),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512Vnni(isa) => isa.run(job),
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Kind::Wasm(isa) => isa.run(job),
        }
    }
}

impl fmt::Debug for Instructions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
