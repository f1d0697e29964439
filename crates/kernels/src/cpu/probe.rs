//! What this machine can do at most, for benchmarks to compare with.

use super::Instructions;
use super::isa::{Isa, Job, TILE_ROWS};

/// Reads all bytes once and gives a sum that depends on each, so that none is left out.
pub fn read_all(bytes: &[u8]) -> u32 {
    let mut sums = [0u32; 32];
    let (chunks, _) = bytes.as_chunks::<128>();
    for chunk in chunks {
        for (sum, word) in sums.iter_mut().zip(chunk.as_chunks::<4>().0) {
            *sum = sum.wrapping_add(u32::from_le_bytes(*word));
        }
    }
    sums.iter().fold(0, |all, sum| all.wrapping_add(*sum))
}

/// Does `rounds` of 16-bit products as kernels do them, on registers alone, and gives how many
/// multiplications and additions these were.
pub fn multiply(rounds: u32) -> u64 {
    Instructions::best().run(Multiply { rounds })
}

struct Multiply {
    rounds: u32,
}

impl Job for Multiply {
    type Output = u64;

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> u64 {
        // As many as stay in registers.
        const SUMS: usize = 6;
        let bytes = [1u8, 2, 3, 4, 5, 6].map(|byte| [byte; 4 * TILE_ROWS]);
        let weights = bytes.map(|bytes| isa.pairs(isa.load(&std::hint::black_box(bytes), 0)));
        let mut sums = [isa.start(0); SUMS];
        for word in 0..self.rounds {
            for (sum, weights) in sums.iter_mut().zip(weights) {
                *sum = isa.dot(*sum, weights, word);
            }
        }
        // What nobody looks at would not be computed.
        for sum in sums {
            std::hint::black_box(isa.total(sum));
        }
        u64::from(self.rounds) * (SUMS * I::LANES * 2) as u64
    }
}
