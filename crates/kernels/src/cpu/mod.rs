//! Matrices packed for the SIMD units of a processor.
//!
//! ```text
//! blocks of a checkpoint ─► Builder ─► PackedMatrix: tiles of 8 rows
//!                                          │
//! x [tokens, cols] ─► int16 blocks of 32 ───┴─► integer dot products ─► out [tokens, rows]
//! ```
//!
//! # Layout
//!
//! A tile holds one block (256 elements for the K types, four for the plain
//! floats) of eight consecutive rows: first the eight scales, then the
//! minima, then the quants, four consecutive elements of a row beside four of
//! the next. A vector of 16 or 32 bytes so holds 4 or 8 rows, its sums need
//! no reduction, and an activation is broadcast. Nothing is rounded:
//! [`PackedMatrix::rows_into`] gives the checkpoint's numbers back, and a
//! packed matrix takes the bytes of its blocks (2.8 % more for Q4_K, 2.3 %
//! for Q5_K, whose 6-bit scales become bytes), plus the rows that fill up the
//! last tile.
//!
//! # Error
//!
//! Weights of quantised types meet activations rounded to 16 bits: with
//! `s_b = max |x| / 32767` over block `b` of 32 activations,
//!
//! ```text
//! |out - Σ w x| <= Σ_b s_b / 2 * Σ_{i in b} |w_i|  + rounding of f32 sums
//! ```
//!
//! (A block of activations all below 1e-34 counts as zero.) The plain floats
//! meet `f32` activations. Eight bits would be no faster in WebAssembly, whose
//! integer dot product takes 16-bit pairs, and cost a small language model its
//! text: SmolLM2 kept 0 to 17 of 48 greedy tokens on four of five prompts. Every [`Instructions`] gives the
//! same bits.

mod activations;
mod attention;
mod attention_tile;
mod builder;
mod formats;
mod gelu;
mod isa;
mod log_sum_exp;
mod math;
mod matrix;
mod norm;
mod patch_attention;
pub mod pool;
pub mod probe;
mod quick_gelu;
mod rope;
mod store;
mod swiglu;
mod upsample;

pub use activations::Scratch;
pub use attention::{attention, full_attention};
pub use builder::{Builder, Part, RowOrder};
pub use gelu::gelu;
pub use isa::Instructions;
pub use log_sum_exp::log_sum_exp;
pub use matrix::PackedMatrix;
pub use norm::{layer_norm, rms_norm};
pub use patch_attention::patch_attention;
pub use quick_gelu::quick_gelu;
pub use rope::{Heads, rope_append};
pub use swiglu::swiglu;
pub use upsample::upsample;

use crate::KernelError;

/// Makes `items` at least `len` long. What fails is the allocation, with an
/// error instead of the process.
fn reserve<T: Clone>(
    items: &mut Vec<T>,
    len: usize,
    filler: T,
    what: &'static str,
) -> Result<(), KernelError> {
    if items.len() < len {
        items
            .try_reserve_exact(len - items.len())
            .map_err(|_| KernelError::OutOfMemory {
                what,
                bytes: len.saturating_mul(size_of::<T>()),
            })?;
        items.resize(len, filler);
    }
    Ok(())
}
