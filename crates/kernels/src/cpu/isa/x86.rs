//! x86-64: AVX2, with the byte dot product of VNNI where the machine has it.
#![allow(unsafe_code)]

use super::{Isa, Job, RowBytes, RowFloats, RowHalves, RowSmall};
use crate::cpu::activations::{Form, Words, byte_words, split_words};
use core::arch::x86_64::*;

/// Dot products by `vpmaddubsw` and `vpmaddwd`.
pub(crate) const MADD: u8 = 0;
/// Dot products by `vpdpbusd` of AVX-VNNI.
pub(crate) const AVX_VNNI: u8 = 1;
/// Dot products by `vpdpbusd` of AVX-512 VNNI, on vectors of 256 bits.
pub(crate) const AVX512_VNNI: u8 = 2;

/// A machine that has AVX2, F16C and the dot product `DOT`.
///
/// [`Avx2::detect`] is the only way to make one: a value proves that the
/// instructions exist, which is what the `unsafe` blocks below rest on.
#[derive(Clone, Copy)]
pub(crate) struct Avx2<const DOT: u8>(());

impl<const DOT: u8> Avx2<DOT> {
    pub(crate) fn detect() -> Option<Self> {
        let base = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("f16c");
        let dot = match DOT {
            AVX512_VNNI => {
                is_x86_feature_detected!("avx512vnni") && is_x86_feature_detected!("avx512vl")
            }
            AVX_VNNI => is_x86_feature_detected!("avxvnni"),
            _ => true,
        };
        (base && dot).then_some(Self(()))
    }

    #[inline(always)]
    fn splat_word(self, word: u32) -> __m256i {
        // SAFETY: the value proves that the machine has AVX.
        unsafe { _mm256_set1_epi32(word as i32) }
    }

    /// `sum + Σ unsigned * signed` over the four bytes of each lane. Pairs of
    /// products must fit 16 bits: `unsigned` is at most 127.
    #[inline(always)]
    fn dot_bytes(self, sum: __m256i, unsigned: __m256i, signed: __m256i) -> __m256i {
        // SAFETY: the value proves that the machine has these instructions.
        unsafe {
            match DOT {
                AVX_VNNI => _mm256_dpbusd_avx_epi32(sum, unsigned, signed),
                AVX512_VNNI => _mm256_dpbusd_epi32(sum, unsigned, signed),
                _ => {
                    let pairs = _mm256_maddubs_epi16(unsigned, signed);
                    _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
                }
            }
        }
    }
}

#[target_feature(enable = "avx2,f16c")]
fn run_madd<J: Job>(isa: Avx2<MADD>, job: J) -> J::Output {
    job.run(isa)
}

#[target_feature(enable = "avx2,f16c,avxvnni")]
fn run_avx_vnni<J: Job>(isa: Avx2<AVX_VNNI>, job: J) -> J::Output {
    job.run(isa)
}

#[target_feature(enable = "avx2,f16c,avx512vnni,avx512vl")]
fn run_avx512_vnni<J: Job>(isa: Avx2<AVX512_VNNI>, job: J) -> J::Output {
    job.run(isa)
}

impl<const DOT: u8> Isa for Avx2<DOT> {
    const LANES: usize = 8;
    type Bytes = __m256i;
    type Wide = __m256i;
    type Nibbles = [__m256i; 2];
    type Ints = __m256i;
    type SignedInts = [__m256i; 2];
    type Floats = __m256;

    fn run<J: Job>(self, job: J) -> J::Output {
        // SAFETY: the value proves that the machine has these instructions.
        unsafe {
            match DOT {
                AVX_VNNI => run_avx_vnni(Avx2(()), job),
                AVX512_VNNI => run_avx512_vnni(Avx2(()), job),
                _ => run_madd(Avx2(()), job),
            }
        }
    }

    #[inline(always)]
    fn arrange(self, form: Form, quants: &[i8; 32]) -> Words {
        match form {
            Form::Nibbles | Form::Bytes => byte_words(quants),
            Form::Signed => split_words(quants),
        }
    }

    #[inline(always)]
    fn load(self, bytes: &RowBytes, _: usize) -> __m256i {
        // SAFETY: 32 readable bytes; no alignment is asked for.
        unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
    }

    #[inline(always)]
    fn low_nibbles(self, bytes: __m256i) -> __m256i {
        // SAFETY: the value proves that the machine has AVX2.
        unsafe { _mm256_and_si256(bytes, _mm256_set1_epi8(0x0f)) }
    }

    #[inline(always)]
    fn high_nibbles(self, bytes: __m256i) -> __m256i {
        // SAFETY: the value proves that the machine has AVX2.
        self.low_nibbles(unsafe { _mm256_srli_epi16::<4>(bytes) })
    }

    #[inline(always)]
    fn with_bits(self, bytes: __m256i, bits: __m256i, from: u32, to: u32, mask: u8) -> __m256i {
        // Bits that cross into a neighbouring byte are masked away.
        // SAFETY: the value proves that the machine has AVX2.
        unsafe {
            let shifted = if from < to {
                _mm256_sll_epi16(bits, _mm_cvtsi32_si128((to - from) as i32))
            } else {
                _mm256_srl_epi16(bits, _mm_cvtsi32_si128((from - to) as i32))
            };
            let field = _mm256_and_si256(shifted, _mm256_set1_epi8(mask as i8));
            _mm256_or_si256(bytes, field)
        }
    }

    #[inline(always)]
    fn widen(self, bytes: __m256i) -> __m256i {
        bytes
    }

    #[inline(always)]
    fn unpack_nibbles(self, bytes: __m256i) -> [__m256i; 2] {
        [self.low_nibbles(bytes), self.high_nibbles(bytes)]
    }

    #[inline(always)]
    fn start(self, offset: i32) -> __m256i {
        // SAFETY: the value proves that the machine has AVX.
        unsafe { _mm256_set1_epi32(offset) }
    }

    #[inline(always)]
    fn dot(self, sum: __m256i, bytes: __m256i, x: &Words, index: usize) -> __m256i {
        self.dot_bytes(sum, bytes, self.splat_word(x[index]))
    }

    #[inline(always)]
    fn dot_nibbles(
        self,
        sum: __m256i,
        [low, high]: [__m256i; 2],
        x: &Words,
        index: usize,
    ) -> __m256i {
        let sum = self.dot(sum, low, x, 2 * index);
        self.dot(sum, high, x, 2 * index + 1)
    }

    #[inline(always)]
    fn total(self, sum: __m256i) -> __m256 {
        // SAFETY: the value proves that the machine has AVX.
        unsafe { _mm256_cvtepi32_ps(sum) }
    }

    #[inline(always)]
    fn start_signed(self) -> [__m256i; 2] {
        [self.start(0); 2]
    }

    #[inline(always)]
    fn dot_signed(
        self,
        [positive, negative]: [__m256i; 2],
        bytes: __m256i,
        x: &Words,
        index: usize,
    ) -> [__m256i; 2] {
        let up = self.splat_word(x[index]);
        let down = self.splat_word(x[8 + index]);
        [
            self.dot_bytes(positive, up, bytes),
            self.dot_bytes(negative, down, bytes),
        ]
    }

    #[inline(always)]
    fn total_signed(self, [positive, negative]: [__m256i; 2]) -> __m256 {
        // SAFETY: the value proves that the machine has AVX2.
        self.total(unsafe { _mm256_sub_epi32(positive, negative) })
    }

    #[inline(always)]
    fn splat(self, value: f32) -> __m256 {
        // SAFETY: the value proves that the machine has AVX.
        unsafe { _mm256_set1_ps(value) }
    }

    #[inline(always)]
    fn load_floats(self, values: &RowFloats, _: usize) -> __m256 {
        // SAFETY: 8 readable singles; no alignment is asked for.
        unsafe { _mm256_loadu_ps(values.as_ptr()) }
    }

    #[inline(always)]
    fn store_floats(self, values: __m256, out: &mut RowFloats, _: usize) {
        // SAFETY: 8 writable singles; no alignment is asked for.
        unsafe { _mm256_storeu_ps(out.as_mut_ptr(), values) }
    }

    #[inline(always)]
    fn scales(self, halves: &RowHalves, part: usize) -> __m256 {
        self.halves(halves, part)
    }

    #[inline(always)]
    fn halves(self, halves: &RowHalves, _: usize) -> __m256 {
        // SAFETY: 16 readable bytes, and the value proves that the machine has F16C.
        unsafe { _mm256_cvtph_ps(_mm_loadu_si128(halves.as_ptr().cast())) }
    }

    #[inline(always)]
    fn brain_halves(self, halves: &RowHalves, _: usize) -> __m256 {
        // SAFETY: 16 readable bytes, and the value proves that the machine has AVX2.
        unsafe {
            let words = _mm256_cvtepu16_epi32(_mm_loadu_si128(halves.as_ptr().cast()));
            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(words))
        }
    }

    #[inline(always)]
    fn unsigned(self, bytes: &RowSmall, _: usize) -> __m256 {
        // SAFETY: 8 readable bytes, and the value proves that the machine has AVX2.
        unsafe { _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(bytes.as_ptr().cast()))) }
    }

    #[inline(always)]
    fn signed(self, bytes: &RowSmall, _: usize) -> __m256 {
        // SAFETY: 8 readable bytes, and the value proves that the machine has AVX2.
        unsafe { _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(bytes.as_ptr().cast()))) }
    }

    #[inline(always)]
    fn add(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: the value proves that the machine has AVX.
        unsafe { _mm256_add_ps(a, b) }
    }

    #[inline(always)]
    fn sub(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: the value proves that the machine has AVX.
        unsafe { _mm256_sub_ps(a, b) }
    }

    #[inline(always)]
    fn mul(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: the value proves that the machine has AVX.
        unsafe { _mm256_mul_ps(a, b) }
    }
}
