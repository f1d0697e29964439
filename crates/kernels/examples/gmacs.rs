//! Speed of the packed products, in billions of multiplications and additions a second.
//!
//! ```text
//! cargo run --release -p lexigraft-kernels --example gmacs [type substring] [instructions substring]
//! ```
//!
//! For each type and shape: one token, then 32 tokens, each the median of
//! rounds that are interleaved over all cases, so that a neighbour on the
//! machine disturbs all of them alike.

use lexigraft_checkpoint::DType;
use lexigraft_kernels::KernelError;
use lexigraft_kernels::cpu::{Instructions, PackedMatrix, Scratch};
use std::time::Instant;

const TYPES: [DType; 11] = [
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
/// Rows and columns; the last is the output head of a small language model.
const SHAPES: [(usize, usize); 4] = [(576, 576), (1536, 576), (576, 1536), (49152, 576)];
const TOKENS: [usize; 2] = [1, 32];
const ROUNDS: usize = 9;
/// Products and sums of a timed run.
const WORK: usize = 60_000_000;

struct Case {
    label: String,
    matrix: PackedMatrix,
    tokens: usize,
    x: Vec<f32>,
    out: Vec<f32>,
    rates: Vec<f64>,
}

impl Case {
    fn new(dtype: DType, rows: usize, cols: usize, tokens: usize) -> Result<Self, KernelError> {
        // Any bytes are blocks but for the exponents of scales: these are small numbers.
        let size = rows * cols / dtype.block_len() * dtype.block_bytes();
        let blocks: Vec<u8> = (0..size).map(|i| (i * 37 % 97) as u8 & 0x33).collect();
        let x = (0..tokens * cols)
            .map(|i| (i * 7919 % 2001) as f32 / 1000.0 - 1.0)
            .collect();
        Ok(Self {
            label: format!("{:5} {rows:5} x {cols:4} {tokens:3}", dtype.name()),
            matrix: PackedMatrix::from_blocks(dtype, rows, cols, &blocks)?,
            tokens,
            x,
            out: vec![0.0; tokens * rows],
            rates: Vec::new(),
        })
    }

    fn time(&mut self, scratch: &mut Scratch) -> Result<(), KernelError> {
        let macs = self.matrix.rows() * self.matrix.cols() * self.tokens;
        let repeats = (WORK / macs).max(1);
        let start = Instant::now();
        for _ in 0..repeats {
            self.matrix
                .matmul(&self.x, self.tokens, &mut self.out, scratch)?;
        }
        let rate = (macs * repeats) as f64 / start.elapsed().as_secs_f64() / 1e9;
        self.rates.push(rate);
        Ok(())
    }

    fn median(&mut self) -> f64 {
        self.rates.sort_by(f64::total_cmp);
        let middle = self.rates.len() / 2;
        self.rates.get(middle).copied().unwrap_or_default()
    }
}

fn main() -> Result<(), KernelError> {
    let mut arguments = std::env::args().skip(1);
    let types = arguments.next().unwrap_or_default();
    let set = arguments.next().unwrap_or_default();
    for instructions in Instructions::available().filter(|i| i.name().contains(&set)) {
        println!(
            "{}: type, rows x columns, tokens, GMAC/s",
            instructions.name()
        );
        let mut scratch = Scratch::with(instructions);
        for dtype in TYPES.into_iter().filter(|t| t.name().contains(&types)) {
            let mut cases = Vec::new();
            // A K block is 256 long and 576 is not a multiple: the nearest that is.
            for (rows, cols) in SHAPES.map(|(rows, cols)| match dtype.block_len() {
                256 => (rows, cols.next_multiple_of(256)),
                _ => (rows, cols),
            }) {
                for tokens in TOKENS {
                    cases.push(Case::new(dtype, rows, cols, tokens)?);
                }
            }
            for _ in 0..ROUNDS {
                for case in &mut cases {
                    case.time(&mut scratch)?;
                }
            }
            for case in &mut cases {
                let median = case.median();
                println!("{} {median:8.2}", case.label);
            }
        }
    }
    Ok(())
}
