//! Blocks made by chance and products computed the slow way.
#![allow(dead_code, reason = "not every test file uses all of it")]

use lexigraft_checkpoint::{DType, dequant};

pub const TYPES: [DType; 11] = [
    DType::Q4_0,
    DType::Q4_1,
    DType::Q5_0,
    DType::Q5_1,
    DType::Q8_0,
    DType::Q4K,
    DType::Q5K,
    DType::Q6K,
    DType::F16,
    DType::BF16,
    DType::F32,
];

/// SplitMix64.
pub struct Random(pub u64);

impl Random {
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.bits() % n as u64) as usize
    }

    /// In -1.0..1.0.
    pub fn unit(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    pub fn activations(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| self.unit()).collect()
    }
}

/// Where the halves of a block are: its scales and minima.
pub fn half_places(dtype: DType) -> &'static [usize] {
    match dtype {
        DType::Q4_0 | DType::Q5_0 | DType::Q8_0 => &[0],
        DType::Q4_1 | DType::Q5_1 | DType::Q4K | DType::Q5K => &[0, 2],
        DType::Q6K => &[208],
        _ => &[],
    }
}

/// Blocks of random quants with scales of either sign between 2^-8 and 1.
pub fn random_blocks(random: &mut Random, dtype: DType, elements: usize) -> Vec<u8> {
    match dtype {
        DType::F32 => (0..elements)
            .flat_map(|_| random.unit().to_le_bytes())
            .collect(),
        DType::F16 => (0..elements)
            .flat_map(|_| half(random).to_le_bytes())
            .collect(),
        DType::BF16 => (0..elements)
            .flat_map(|_| ((random.unit().to_bits() >> 16) as u16).to_le_bytes())
            .collect(),
        _ => {
            let size = dtype.bytes_for(elements as u64).unwrap() as usize;
            let mut blocks: Vec<u8> = (0..size).map(|_| random.bits() as u8).collect();
            for block in blocks.chunks_exact_mut(dtype.block_bytes()) {
                for &place in half_places(dtype) {
                    block[place..place + 2].copy_from_slice(&half(random).to_le_bytes());
                }
            }
            blocks
        }
    }
}

/// A half of either sign with a magnitude between 2^-8 and 1.
fn half(random: &mut Random) -> u16 {
    let sign = (random.bits() as u16) & 0x8000;
    let exponent = 7 + random.below(8) as u16;
    sign | exponent << 10 | (random.bits() as u16 & 0x3ff)
}

pub fn dequantised(dtype: DType, blocks: &[u8]) -> Vec<f32> {
    let elements = blocks.len() / dtype.block_bytes() * dtype.block_len();
    let mut out = vec![0.0; elements];
    dequant::dequantize(dtype, blocks, &mut out).unwrap();
    out
}

/// `Σ w x` in double precision, and the bound of the documented error.
///
/// Int16 activations explain `scale / 2 * Σ |w|` of each block of 32; what
/// is added is the rounding of the `f32` sums, of at most `len / 32 + 8` terms
/// (`len / 4 + 4` of plain floats), relative to `Σ |terms|`. A term of a type
/// with a minimum is larger than its product: hence `spread`, the largest
/// `|w|` of the block instead of each weight.
pub fn reference(dtype: DType, w: &[f32], x: &[f32]) -> (f64, f64) {
    let exact = |(w, x): (&f32, &f32)| f64::from(*w) * f64::from(*x);
    let sum: f64 = w.iter().zip(x).map(exact).sum();
    let quantised = dtype.block_len() > 1;
    let mut bound = 0.0;
    let mut magnitude = 0.0;
    for (w, x) in w.chunks(32).zip(x.chunks(32)) {
        let largest = x.iter().fold(0f32, |m, x| m.max(x.abs()));
        let weight: f64 = w.iter().map(|w| f64::from(w.abs())).sum();
        let spread = w.iter().fold(0f32, |m, w| m.max(w.abs()));
        if quantised {
            // Blocks of smaller activations count as zero.
            let step = if largest < 1e-34 {
                largest
            } else {
                largest / 65534.0
            };
            bound += f64::from(step) * weight;
            magnitude += 32.0 * f64::from(spread) * f64::from(largest);
        } else {
            let terms = w.iter().zip(x).map(exact);
            magnitude += terms.map(f64::abs).sum::<f64>();
        }
    }
    let terms = if quantised {
        w.len() / 32 + 8
    } else {
        w.len() / 4 + 4
    };
    (
        sum,
        bound + terms as f64 * f64::from(f32::EPSILON) * magnitude + 1e-36,
    )
}

/// What a weight of a block of 32 in fixed-point numbers may be off by: half a step, where the
/// magnitudes of 16 of them add up to at most 65535 and none is above 32767.
pub fn fixed_error(block: &[f32]) -> f64 {
    let sum = |run: &[f32]| run.iter().map(|w| f64::from(w.abs())).sum::<f64>();
    let largest = block.iter().fold(0f32, |most, w| most.max(w.abs()));
    let sums = block.chunks(16).map(sum);
    (sums.fold(0.0, f64::max) / 65_500.0).max(f64::from(largest) / 32_760.0) / 2.0
}

/// As [`reference`], for weights that are rounded to fixed-point numbers.
pub fn fixed_reference(w: &[f32], x: &[f32]) -> (f64, f64) {
    let (sum, mut bound) = reference(DType::Q8_0, w, x);
    for (w, x) in w.chunks(32).zip(x.chunks(32)) {
        let inputs: f64 = x.iter().map(|x| f64::from(x.abs())).sum();
        // The activations' own rounding on top.
        bound += 1.001 * fixed_error(w) * inputs;
    }
    (sum, bound)
}
