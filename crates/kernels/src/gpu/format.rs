//! How blocks of a checkpoint lie in the two buffers that the shaders of `shaders/blocks/` read.
//!
//! Nothing is rounded and nothing added: a matrix takes the bytes of its blocks, plus the rows that
//! fill up the last tile of 16. The files of `shaders/blocks/` say where each number goes.

use lexigraft_checkpoint::DType;

/// Elements of a chunk: what an invocation takes at a time.
pub(super) const CHUNK: usize = 32;
/// Rows of a tile, whose chunks lie side by side.
pub(super) const TILE: usize = 16;

/// Bytes of the two buffers for `chunks` chunks, a multiple of [`TILE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sizes {
    pub quants: usize,
    pub words: usize,
}

/// Whether there are words beside the quants.
pub(super) fn has_words(dtype: DType) -> bool {
    sizes(dtype, TILE * 8).words > 0
}

pub(super) fn sizes(dtype: DType, chunks: usize) -> Sizes {
    let (quants, words) = match dtype {
        DType::Q4_0 => (16 * chunks, 2 * chunks),
        DType::Q4_1 => (16 * chunks, 4 * chunks),
        DType::Q5_0 => (16 * chunks, 6 * chunks),
        DType::Q5_1 => (16 * chunks, 8 * chunks),
        DType::Q8_0 => (32 * chunks, 2 * chunks),
        DType::Q4K => (18 * chunks, 0),
        DType::Q5K => (18 * chunks, 4 * chunks),
        DType::Q6K => (16 * chunks, 10 * chunks + chunks / 8 * 2),
        DType::F16 | DType::BF16 => (64 * chunks, 0),
        DType::F32 => (128 * chunks, 0),
        DType::Other(_) => (0, 0),
    };
    Sizes { quants, words }
}

/// The host's copy of a shard while it is filled.
pub(super) struct Buffers {
    pub quants: Vec<u8>,
    pub words: Vec<u8>,
    /// Chunks in all.
    pub total: usize,
}

impl Buffers {
    /// Puts `bytes` at `at` of the quants; what does not fit is dropped, which no caller does.
    fn quants(&mut self, at: usize, bytes: &[u8]) {
        put(&mut self.quants, at, bytes);
    }

    fn words(&mut self, at: usize, bytes: &[u8]) {
        put(&mut self.words, at, bytes);
    }
}

fn put(buffer: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = buffer.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

/// Elements of a row that are packed at once: a block, or a chunk of the plain floats.
pub(super) fn unit(dtype: DType) -> usize {
    dtype.block_len().max(CHUNK)
}

/// Puts the elements of one [`unit`], as stored, at chunk number `first` and, where a unit has
/// several chunks, every [`TILE`]th after it. False when a scale is not finite.
pub(super) fn pack(dtype: DType, buffers: &mut Buffers, first: usize, stored: &[u8]) -> bool {
    let total = buffers.total;
    let part = |from: usize, to: usize| stored.get(from..to).unwrap_or_default();
    match dtype {
        DType::Q4_0 => {
            buffers.words(2 * first, part(0, 2));
            buffers.quants(16 * first, part(2, 18));
            finite(part(0, 2))
        }
        DType::Q4_1 => {
            buffers.words(4 * first, part(0, 4));
            buffers.quants(16 * first, part(4, 20));
            finite(part(0, 4))
        }
        DType::Q5_0 => {
            buffers.words(4 * first, part(2, 6));
            buffers.words(4 * total + 2 * first, part(0, 2));
            buffers.quants(16 * first, part(6, 22));
            finite(part(0, 2))
        }
        DType::Q5_1 => {
            buffers.words(4 * first, part(4, 8));
            buffers.words(4 * (total + first), part(0, 4));
            buffers.quants(16 * first, part(8, 24));
            finite(part(0, 4))
        }
        DType::Q8_0 => {
            buffers.words(2 * first, part(0, 2));
            buffers.quants(16 * first, part(2, 18));
            buffers.quants(16 * (total + first), part(18, 34));
            finite(part(0, 2))
        }
        DType::Q4K => {
            buffers.quants(16 * (total + superblock(first)), part(0, 16));
            for pair in 0..4 {
                nibble_groups(buffers, first, pair, part(16 + 32 * pair, 48 + 32 * pair));
            }
            finite(part(0, 4))
        }
        DType::Q5K => {
            buffers.quants(16 * (total + superblock(first)), part(0, 16));
            for pair in 0..4 {
                nibble_groups(buffers, first, pair, part(48 + 32 * pair, 80 + 32 * pair));
            }
            for group in 0..8 {
                let bits = part(16, 48).iter().enumerate();
                let fifth = bits.fold(0u32, |word, (i, byte)| {
                    word | u32::from(byte >> group & 1) << i
                });
                buffers.words(4 * (first + TILE * group), &fifth.to_le_bytes());
            }
            finite(part(0, 4))
        }
        DType::Q6K => {
            q6_k(buffers, first, stored);
            finite(part(208, 210))
        }
        DType::F16 | DType::BF16 => {
            for (plane, bytes) in stored.chunks_exact(16).enumerate() {
                buffers.quants(16 * (plane * total + first), bytes);
            }
            let exponent = if dtype == DType::F16 { 0x7c00 } else { 0x7f80 };
            let mut halves = stored.as_chunks::<2>().0.iter();
            halves.all(|&half| u16::from_le_bytes(half) & exponent != exponent)
        }
        DType::F32 => {
            for (plane, bytes) in stored.chunks_exact(16).enumerate() {
                buffers.quants(16 * (plane * total + first), bytes);
            }
            let mut singles = stored.as_chunks::<4>().0.iter();
            singles.all(|&single| f32::from_le_bytes(single).is_finite())
        }
        DType::Other(_) => false,
    }
}

/// The number of the superblock that begins with chunk `first`.
fn superblock(first: usize) -> usize {
    first / TILE / 8 * TILE + first % TILE
}

/// 32 bytes hold two groups of 32: the lower nibbles, then the upper ones. A chunk wants its own:
/// element `i` of 16 lower ones beside element `16 + i`.
fn nibble_groups(buffers: &mut Buffers, first: usize, pair: usize, bytes: &[u8]) {
    let (left, right) = bytes.split_at(bytes.len() / 2);
    for (group, shift) in [(2 * pair, 0), (2 * pair + 1, 4)] {
        let mut quants = [0; 16];
        for ((quant, a), b) in quants.iter_mut().zip(left).zip(right) {
            *quant = a >> shift & 15 | (b >> shift & 15) << 4;
        }
        buffers.quants(16 * (first + TILE * group), &quants);
    }
}

/// `low: [u4; 256], high: [u2; 256], scales: [i8; 16], d`, in halves of 128 elements: run `r` of 32
/// takes its low bits from byte `(r & 1) * 32 + i` and its high bits from bits `2 r` of byte `i`.
fn q6_k(buffers: &mut Buffers, first: usize, stored: &[u8]) {
    let total = buffers.total;
    for chunk in 0..8 {
        let (half, run) = (chunk / 4, chunk % 4);
        let k = first + TILE * chunk;
        let low = 64 * half + 32 * (run & 1);
        let low = stored.get(low..low + 32).unwrap_or_default();
        let high = 128 + 32 * half;
        let high = stored.get(high..high + 32).unwrap_or_default();
        let low: Vec<u8> = low.iter().map(|byte| byte >> (run / 2 * 4) & 15).collect();
        let (left, right) = low.split_at(low.len() / 2);
        let quants: Vec<u8> = left.iter().zip(right).map(|(a, b)| a | b << 4).collect();
        buffers.quants(16 * k, &quants);
        for (side, bits) in high.chunks(16).enumerate() {
            let word = bits.iter().enumerate().fold(0u32, |word, (i, byte)| {
                word | u32::from(byte >> (2 * run) & 3) << (2 * i)
            });
            buffers.words(4 * (2 * k + side), &word.to_le_bytes());
        }
        let scales = 192 + 2 * chunk;
        let scales = stored.get(scales..scales + 2).unwrap_or_default();
        buffers.words(8 * total + 2 * k, scales);
    }
    let d = stored.get(208..210).unwrap_or_default();
    buffers.words(10 * total + 2 * superblock(first), d);
}

/// Whether all halves are finite numbers.
fn finite(halves: &[u8]) -> bool {
    const EXPONENT: u16 = 0x7c00;
    let mut halves = halves.as_chunks::<2>().0.iter();
    halves.all(|&half| u16::from_le_bytes(half) & EXPONENT != EXPONENT)
}
