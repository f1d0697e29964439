//! x86-64: AVX2, with the dot product of VNNI where the machine has it.
#![allow(unsafe_code)]

use super::{Isa, Job, RowBytes, RowFloats, RowHalves, RowSmall, Words};
use core::arch::x86_64::*;
use core::mem::transmute;

/// Dot products by `vpmaddwd` and an addition.
pub(crate) const MADD: u8 = 0;
/// Dot products by `vpdpwssd` of AVX-VNNI.
pub(crate) const AVX_VNNI: u8 = 1;
/// Dot products by `vpdpwssd` of AVX-512 VNNI, on vectors of 256 bits.
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
    type Pairs = __m256i;
    type Ints = __m256i;
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
    fn load(self, bytes: &RowBytes, _: usize) -> __m256i {
        // In builds with assertions `_mm256_loadu_si256` compares addresses, and goes through memory.
        // SAFETY: a vector is 32 bytes, whichever they are.
        unsafe { transmute::<RowBytes, __m256i>(*bytes) }
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
    fn pairs(self, bytes: __m256i) -> __m256i {
        bytes
    }

    #[inline(always)]
    fn widen(self, bytes: __m256i) -> [__m256i; 2] {
        // SAFETY: the value proves that the machine has AVX2.
        unsafe {
            [
                _mm256_and_si256(bytes, _mm256_set1_epi16(0x00ff)),
                _mm256_srli_epi16::<8>(bytes),
            ]
        }
    }

    #[inline(always)]
    fn widen_signed(self, bytes: __m256i) -> [__m256i; 2] {
        // SAFETY: the value proves that the machine has AVX2.
        unsafe {
            [
                _mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(bytes)),
                _mm256_srai_epi16::<8>(bytes),
            ]
        }
    }

    #[inline(always)]
    fn unpack_nibbles(self, bytes: __m256i) -> [__m256i; 4] {
        // SAFETY: the value proves that the machine has AVX2.
        unsafe {
            let mask = _mm256_set1_epi16(0x000f);
            [
                _mm256_and_si256(bytes, mask),
                _mm256_and_si256(_mm256_srli_epi16::<8>(bytes), mask),
                _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), mask),
                _mm256_srli_epi16::<12>(bytes),
            ]
        }
    }

    #[inline(always)]
    fn start(self, offset: i32) -> __m256i {
        // SAFETY: the value proves that the machine has AVX.
        unsafe { _mm256_set1_epi32(offset) }
    }

    #[inline(always)]
    fn dot(self, sum: __m256i, pairs: __m256i, word: u32) -> __m256i {
        // SAFETY: the value proves that the machine has these instructions.
        unsafe {
            let word = _mm256_set1_epi32(word as i32);
            match DOT {
                AVX_VNNI => _mm256_dpwssd_avx_epi32(sum, pairs, word),
                AVX512_VNNI => _mm256_dpwssd_epi32(sum, pairs, word),
                _ => _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, word)),
            }
        }
    }

    /// The dot product of VNNI takes four cycles or more until the next can add to it, and two could
    /// begin in each: so each run of words has a sum of its own, which is added at its end.
    #[inline(always)]
    fn dot_words<const N: usize>(
        self,
        sum: __m256i,
        pairs: [__m256i; N],
        x: &Words,
        first: usize,
    ) -> __m256i {
        let is_own = DOT != MADD;
        let mut run = if is_own { self.start(0) } else { sum };
        for (i, pairs) in pairs.into_iter().enumerate() {
            run = self.dot(run, pairs, x[first + i]);
        }
        if !is_own {
            return run;
        }
        // SAFETY: the value proves that the machine has AVX2.
        unsafe { _mm256_add_epi32(sum, run) }
    }

    #[inline(always)]
    fn total(self, sum: __m256i) -> __m256 {
        // SAFETY: the value proves that the machine has AVX.
        unsafe { _mm256_cvtepi32_ps(sum) }
    }

    #[inline(always)]
    fn splat(self, value: f32) -> __m256 {
        // SAFETY: the value proves that the machine has AVX.
        unsafe { _mm256_set1_ps(value) }
    }

    #[inline(always)]
    fn load_floats(self, values: &RowFloats, _: usize) -> __m256 {
        // SAFETY: a vector is 8 singles, whichever they are.
        unsafe { transmute::<RowFloats, __m256>(*values) }
    }

    #[inline(always)]
    fn store_floats(self, values: __m256, out: &mut RowFloats, _: usize) {
        // SAFETY: a vector is 8 singles, whichever they are.
        *out = unsafe { transmute::<__m256, RowFloats>(values) };
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
