//! Activations quantised to 16 bits, in the order that kernels read them.

use super::{Instructions, reserve};
use crate::KernelError;

/// Elements of a block of activations.
pub(crate) const BLOCK: usize = 32;
/// Tokens that share one unpacking of the weights.
pub(crate) const TOKEN_TILE: usize = 4;

/// A block's activations, two 16-bit numbers a word: of each four the elements (0, 2), then (1, 3),
/// since that is how bytes come apart into 16-bit lanes without a shuffle.
pub(crate) type Words = [u32; 16];

/// 32 activations of a token: `x[i] ≈ scale * quant[i]`.
#[derive(Clone, Copy)]
#[repr(C, align(16))]
pub(crate) struct ActivationBlock {
    /// The quants.
    pub words: Words,
    /// `max |x| / 32767`.
    pub scale: f32,
    /// `scale * Σ quant`: what a minimum is multiplied with.
    pub sum: f32,
    /// `Σ quant` of elements 0..16 and 16..32: what a zero point is multiplied with.
    pub halves: [i32; 2],
}

impl ActivationBlock {
    const ZERO: Self = Self {
        words: [0; 16],
        scale: 0.0,
        sum: 0.0,
        halves: [0; 2],
    };

    /// `Σ quant`.
    #[inline(always)]
    pub fn total(&self) -> i32 {
        self.halves[0] + self.halves[1]
    }

    /// Quantises a block to `round(x * 32767 / max |x|)`, ties to even.
    ///
    /// A block whose magnitudes all lie below 1e-34 becomes zero, since the
    /// reciprocal would overflow. One that holds an infinity or NaN gets the
    /// scale NaN, so that it shows in the result.
    #[inline(always)]
    fn quantise(x: &[f32; BLOCK]) -> Self {
        const TINY: f32 = 1e-34;
        const LARGEST: f32 = 32767.0;
        let mut largest = 0u32;
        for x in x {
            // The order of magnitudes is that of their bits; NaN is above all.
            largest = largest.max(x.to_bits() & 0x7fff_ffff);
        }
        let largest = f32::from_bits(largest);
        let (scale, inverse) = if !largest.is_finite() {
            (f32::NAN, 0.0)
        } else if largest < TINY {
            (0.0, 0.0)
        } else {
            (largest / LARGEST, LARGEST / largest)
        };
        let quants = rounded(x, inverse);
        let mut halves = [0i32; 2];
        for (half, quants) in halves.iter_mut().zip(quants.as_chunks::<16>().0) {
            *half = quants.iter().map(|&q| i32::from(q)).sum();
        }
        Self {
            words: words(&quants),
            scale,
            sum: scale * (halves[0] + halves[1]) as f32,
            halves,
        }
    }
}

/// `round(x * factor)`, ties to even, which must fit 16 bits.
#[inline(always)]
pub(crate) fn rounded(x: &[f32; BLOCK], factor: f32) -> [i16; BLOCK] {
    /// Added to a small float, it leaves the rounded integer in the low bits.
    const MAGIC: f32 = 12_582_912.0;
    let mut quants = [0i16; BLOCK];
    for (quant, x) in quants.iter_mut().zip(x) {
        let rounded = (x * factor + MAGIC).to_bits() as i32;
        *quant = rounded.wrapping_sub(MAGIC.to_bits() as i32) as i16;
    }
    quants
}

/// Quants in the order of [`Words`].
#[inline(always)]
pub(crate) fn words(quants: &[i16; BLOCK]) -> Words {
    let mut words = [0; 16];
    let pairs = words.as_chunks_mut::<2>().0.iter_mut();
    for (words, &[a, b, c, d]) in pairs.zip(quants.as_chunks::<4>().0) {
        let word = |low: i16, high: i16| u32::from(low as u16) | u32::from(high as u16) << 16;
        *words = [word(a, c), word(b, d)];
    }
    words
}

/// Memory for quantised activations, used again by every product.
///
/// One serves any number of matrices, one product at a time. It grows to what
/// the largest product needs and allocates nothing after.
#[derive(Debug)]
pub struct Scratch {
    pub(crate) instructions: Instructions,
    pub(crate) blocks: Vec<ActivationBlock>,
    pub(crate) floats: Vec<[f32; 4]>,
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

impl Scratch {
    /// Empty, for the fastest instructions of this machine.
    pub fn new() -> Self {
        Self::with(Instructions::best())
    }

    /// Empty, for products with these instructions.
    pub fn with(instructions: Instructions) -> Self {
        Self {
            instructions,
            blocks: Vec::new(),
            floats: Vec::new(),
        }
    }

    /// The instructions that products with this scratch use.
    pub fn instructions(&self) -> Instructions {
        self.instructions
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.blocks.capacity() * size_of::<ActivationBlock>() + self.floats.capacity() * 16
    }

    /// Makes room for `tokens` rows of `cols` activations.
    pub(crate) fn grow(
        &mut self,
        quantised: bool,
        tokens: usize,
        cols: usize,
    ) -> Result<(), KernelError> {
        const WHAT: &str = "activations";
        if quantised {
            let len = (cols / BLOCK).saturating_mul(tokens);
            reserve(&mut self.blocks, len, ActivationBlock::ZERO, WHAT)
        } else {
            let len = cols.div_ceil(4).saturating_mul(tokens);
            reserve(&mut self.floats, len, [0.0; 4], WHAT)
        }
    }
}

impl std::fmt::Debug for ActivationBlock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ActivationBlock").finish_non_exhaustive()
    }
}

/// Quantises `x`, `[tokens, cols]`, into `out`: for each tile of tokens, for
/// each `group` blocks of a row, for each token of the tile, these blocks.
/// The tokens that do not fill a tile follow as tiles of one.
#[inline(always)]
pub(crate) fn quantise(x: &[f32], cols: usize, group: usize, out: &mut [ActivationBlock]) {
    tiled(x, cols, group * BLOCK, |unit, tokens, token, values| {
        let first = (unit * tokens + token) * group;
        let out = out.get_mut(first..).unwrap_or_default();
        for (out, values) in out.iter_mut().zip(values.as_chunks::<BLOCK>().0) {
            *out = ActivationBlock::quantise(values);
        }
    });
}

/// Copies `x`, `[tokens, cols]`, into `out` in the order of [`quantise`],
/// four elements a unit; the last unit of a row is filled up with zeros.
#[inline(always)]
pub(crate) fn interleave(x: &[f32], cols: usize, out: &mut [[f32; 4]]) {
    tiled(x, cols, 4, |unit, tokens, token, values| {
        if let Some(out) = out.get_mut(unit * tokens + token) {
            *out = [0.0; 4];
            for (out, value) in out.iter_mut().zip(values) {
                *out = *value;
            }
        }
    });
}

/// Calls `put(unit, tokens of the tile, token within the tile, values)` for
/// each piece of `len` elements, where `unit` counts pieces, `tokens` of them
/// as one, over the whole of `x` in units of the tile's tokens.
#[inline(always)]
fn tiled(x: &[f32], cols: usize, len: usize, mut put: impl FnMut(usize, usize, usize, &[f32])) {
    let units = cols.div_ceil(len);
    let tiles = x.chunks_exact(cols * TOKEN_TILE);
    let singles = tiles.remainder();
    let mut done = 0;
    for tile in tiles {
        for (token, row) in tile.chunks_exact(cols).enumerate() {
            for (unit, values) in row.chunks(len).enumerate() {
                put(done / TOKEN_TILE + unit, TOKEN_TILE, token, values);
            }
        }
        done += units * TOKEN_TILE;
    }
    for row in singles.chunks_exact(cols) {
        for (unit, values) in row.chunks(len).enumerate() {
            put(done + unit, 1, 0, values);
        }
        done += units;
    }
}
