//! Attention of every token of a picture to every other, for a few hundred tokens and more.
//!
//! Keys and values of a head are laid out once as the inner loop reads them, eight columns side by
//! side, and four queries meet each of them: so a value is read from memory for four products.
#![allow(unsafe_code)]

use std::cell::RefCell;

use super::Instructions;
use super::isa::{Isa, Job, RowFloats, TILE_ROWS};
use super::math::exp;
use super::pool::{self, Disjoint};
use crate::KernelError;

/// Queries that meet a key together.
const QUERIES: usize = 4;
/// What positions are filled up to: two vectors of the widest instruction set.
const PADDING: usize = 2 * TILE_ROWS;

/// Attention within each of a batch of pictures: `[batch * tokens, 3 heads * head_dim] ->
/// [batch * tokens, heads * head_dim]`, where a row holds the queries of all heads, then their
/// keys, then their values. Scores are scaled by `1 / sqrt(head_dim)`.
///
/// `log_sizes`, `[batch * tokens]`, is added to the scores of each key (proportional attention, arXiv
/// 2210.09461).
///
/// # Errors
/// `invalid-argument` when a length does not fit or heads are no multiple of eight long.
pub fn patch_attention(
    qkv: &[f32],
    tokens: usize,
    [heads, head_dim]: [usize; 2],
    log_sizes: Option<&[f32]>,
    out: &mut [f32],
    instructions: Instructions,
) -> Result<(), KernelError> {
    let width = heads * head_dim;
    let rows = out.len().checked_div(width).unwrap_or(0);
    let fits = width > 0
        && tokens > 0
        && head_dim.is_multiple_of(TILE_ROWS)
        && rows.is_multiple_of(tokens)
        && out.len() == rows * width
        && qkv.len() == 3 * out.len()
        && log_sizes.is_none_or(|sizes| sizes.len() == rows);
    if !fits {
        return Err(KernelError::InvalidArgument(format!(
            "attention of {} elements to {} does not fit pictures of {tokens} tokens and {heads} \
             heads of {head_dim}",
            qkv.len(),
            out.len()
        )));
    }
    let shape = Shape {
        tokens,
        heads,
        head_dim,
    };
    let blocks = tokens.div_ceil(QUERIES);
    let items = rows / tokens * heads * blocks;
    let work = (rows * width).saturating_mul(2 * tokens);
    let parts = pool::parts(work).min(items);
    let out = Disjoint::new(out);
    pool::run(parts, &|part| {
        let share = pool::share(items, parts, part);
        with_room(|room| {
            instructions.run(Share {
                shape,
                qkv,
                log_sizes,
                blocks,
                first: share.start,
                count: share.len(),
                out: &out,
                room,
            });
        });
    });
    Ok(())
}

#[derive(Clone, Copy)]
struct Shape {
    tokens: usize,
    heads: usize,
    head_dim: usize,
}

/// A thread's memory: one head of one picture as the loops read it.
#[derive(Default)]
struct Room {
    /// For each eight positions, each element of the head: `[positions / 8, head_dim]`.
    keys: Vec<RowFloats>,
    /// For each eight elements of the head, each position: `[head_dim / 8, positions]`.
    values: Vec<RowFloats>,
    /// What is added to the score of each position; minus infinity behind the last.
    bias: Vec<f32>,
    /// Scores of four queries.
    scores: [Vec<f32>; QUERIES],
}

fn with_room(job: impl FnOnce(&mut Room)) {
    thread_local! {
        static ROOM: RefCell<Room> = RefCell::default();
    }
    ROOM.with_borrow_mut(job);
}

impl Room {
    /// Lays out head `head` of picture `picture`.
    #[inline(always)]
    fn fill(
        &mut self,
        shape: Shape,
        qkv: &[f32],
        log_sizes: Option<&[f32]>,
        picture: usize,
        head: usize,
    ) {
        let Shape {
            tokens,
            heads,
            head_dim,
        } = shape;
        let padded = tokens.next_multiple_of(PADDING);
        let (width, chunks) = (heads * head_dim, head_dim / TILE_ROWS);
        self.keys.clear();
        self.keys
            .resize(padded / TILE_ROWS * head_dim, [0.0; TILE_ROWS]);
        self.values.clear();
        self.values.resize(chunks * padded, [0.0; TILE_ROWS]);
        self.bias.clear();
        match log_sizes.and_then(|sizes| sizes.get(picture * tokens..(picture + 1) * tokens)) {
            Some(sizes) => self.bias.extend_from_slice(sizes),
            None => self.bias.resize(tokens, 0.0),
        }
        self.bias.resize(padded, f32::NEG_INFINITY);
        for scores in &mut self.scores {
            scores.resize(padded, 0.0);
        }
        let rows = qkv.chunks_exact(3 * width).skip(picture * tokens);
        for (token, row) in rows.take(tokens).enumerate() {
            let part = |first: usize| row.get(first..first + head_dim).unwrap_or_default();
            let (key, value) = (
                part(width + head * head_dim),
                part(2 * width + head * head_dim),
            );
            let tile = token / TILE_ROWS * head_dim;
            let column = self.keys.get_mut(tile..tile + head_dim).unwrap_or_default();
            for (tile, key) in column.iter_mut().zip(key) {
                tile[token % TILE_ROWS] = *key;
            }
            for (chunk, value) in value.as_chunks::<TILE_ROWS>().0.iter().enumerate() {
                if let Some(tile) = self.values.get_mut(chunk * padded + token) {
                    *tile = *value;
                }
            }
        }
    }
}

/// Blocks of four queries, counted through the pictures and their heads.
struct Share<'a> {
    shape: Shape,
    qkv: &'a [f32],
    log_sizes: Option<&'a [f32]>,
    /// Blocks of a head.
    blocks: usize,
    first: usize,
    count: usize,
    out: &'a Disjoint<'a>,
    room: &'a mut Room,
}

impl Job for Share<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let Shape {
            tokens,
            heads,
            head_dim,
        } = self.shape;
        let width = heads * head_dim;
        let scale = (head_dim as f32).sqrt().recip();
        let mut laid_out = None;
        for item in self.first..self.first + self.count {
            let (of_all, block) = (item / self.blocks, item % self.blocks);
            let (picture, head) = (of_all / heads, of_all % heads);
            if laid_out != Some(of_all) {
                self.room
                    .fill(self.shape, self.qkv, self.log_sizes, picture, head);
                laid_out = Some(of_all);
            }
            // A block at the end repeats its last query.
            let token = |i: usize| picture * tokens + (block * QUERIES + i).min(tokens - 1);
            let queries: [&[f32]; QUERIES] = std::array::from_fn(|i| {
                let at = token(i) * 3 * width + head * head_dim;
                self.qkv.get(at..at + head_dim).unwrap_or_default()
            });
            score(isa, queries, self.room);
            let mut sums = [0.0; QUERIES];
            for (scores, sum) in self.room.scores.iter_mut().zip(&mut sums) {
                *sum = softmax_numerators(scores, &self.room.bias, scale);
            }
            let count = QUERIES.min(tokens - block * QUERIES);
            mix(isa, self.room, |i, chunk, values| {
                if i >= count {
                    return;
                }
                let at = token(i) * width + head * head_dim + chunk * TILE_ROWS;
                // SAFETY: these elements belong to this item, and the shares of items do not
                // overlap.
                if let Some(out) = unsafe { self.out.get(at..at + TILE_ROWS) } {
                    let scale = sums.get(i).map_or(0.0, |sum| sum.recip());
                    for (out, value) in out.iter_mut().zip(values) {
                        *out = value * scale;
                    }
                }
            });
        }
    }
}

/// Plain products of four queries with all keys.
#[inline(always)]
fn score<I: Isa>(isa: I, queries: [&[f32]; QUERIES], room: &mut Room) {
    let dim = queries.first().map_or(1, |query| query.len().max(1));
    for (pair, tiles) in room.keys.chunks_exact(2 * dim).enumerate() {
        let (first, second) = tiles.split_at(dim);
        let products = four(isa, queries, first, second);
        for (scores, products) in room.scores.iter_mut().zip(products) {
            let at = pair * PADDING;
            if let Some(scores) = scores.get_mut(at..at + PADDING) {
                scores.copy_from_slice(products.as_flattened());
            }
        }
    }
}

/// `Σ weight value` for four queries; `write(query, chunk of eight elements, values)`.
#[inline(always)]
fn mix<I: Isa>(isa: I, room: &Room, mut write: impl FnMut(usize, usize, &RowFloats)) {
    let weights = room.scores.each_ref().map(Vec::as_slice);
    let padded = room.bias.len().max(1);
    for (pair, tiles) in room.values.chunks(2 * padded).enumerate() {
        let (first, second) = tiles.split_at(padded);
        // An odd chunk at the end stands for its absent neighbour too.
        let single = second.is_empty();
        let second = if single { first } else { second };
        let products = four(isa, weights, first, second);
        for (i, [even, odd]) in products.iter().enumerate() {
            write(i, 2 * pair, even);
            if !single {
                write(i, 2 * pair + 1, odd);
            }
        }
    }
}

/// `Σ_k a_k b_k` of four rows with two tiles of eight columns.
#[inline(always)]
fn four<I: Isa>(
    isa: I,
    a: [&[f32]; QUERIES],
    first: &[RowFloats],
    second: &[RowFloats],
) -> [[RowFloats; 2]; QUERIES] {
    let mut out = [[[0.0; TILE_ROWS]; 2]; QUERIES];
    let zero = isa.splat(0.0);
    if I::LANES == TILE_ROWS {
        let mut sums = [[zero; 2]; QUERIES];
        let tiles = first.iter().zip(second);
        for ((((tiles, a0), a1), a2), a3) in tiles.zip(a[0]).zip(a[1]).zip(a[2]).zip(a[3]) {
            let tiles = [isa.load_floats(tiles.0, 0), isa.load_floats(tiles.1, 0)];
            add_products(isa, &mut sums, [*a0, *a1, *a2, *a3], tiles);
        }
        for (out, sums) in out.iter_mut().zip(sums) {
            for (out, sum) in out.iter_mut().zip(sums) {
                isa.store_floats(sum, out, 0);
            }
        }
        return out;
    }
    for (which, tiles) in [first, second].into_iter().enumerate() {
        let mut sums = [[zero; 2]; QUERIES];
        for ((((tile, a0), a1), a2), a3) in tiles.iter().zip(a[0]).zip(a[1]).zip(a[2]).zip(a[3]) {
            let tile = [isa.load_floats(tile, 0), isa.load_floats(tile, 1)];
            add_products(isa, &mut sums, [*a0, *a1, *a2, *a3], tile);
        }
        for (out, sums) in out.iter_mut().zip(sums) {
            for (part, sum) in sums.into_iter().enumerate() {
                isa.store_floats(sum, &mut out[which], part);
            }
        }
    }
    out
}

#[inline(always)]
fn add_products<I: Isa>(
    isa: I,
    sums: &mut [[I::Floats; 2]; QUERIES],
    a: [f32; QUERIES],
    b: [I::Floats; 2],
) {
    for (sums, a) in sums.iter_mut().zip(a) {
        let a = isa.splat(a);
        for (sum, b) in sums.iter_mut().zip(b) {
            *sum = isa.add(*sum, isa.mul(a, b));
        }
    }
}

/// `exp(scale score + bias - largest)` in place; returns their sum.
#[inline(always)]
fn softmax_numerators(scores: &mut [f32], bias: &[f32], scale: f32) -> f32 {
    let (chunks, _) = scores.as_chunks_mut::<TILE_ROWS>();
    let (biases, _) = bias.as_chunks::<TILE_ROWS>();
    let mut largest = [f32::NEG_INFINITY; TILE_ROWS];
    for (scores, biases) in chunks.iter_mut().zip(biases) {
        for ((score, bias), largest) in scores.iter_mut().zip(biases).zip(&mut largest) {
            *score = *score * scale + bias;
            *largest = if *score > *largest { *score } else { *largest };
        }
    }
    let largest = largest.into_iter().fold(f32::NEG_INFINITY, f32::max);
    let mut sums = [0.0f32; TILE_ROWS];
    for chunk in chunks {
        for (score, sum) in chunk.iter_mut().zip(&mut sums) {
            *score = exp(*score - largest);
            *sum += *score;
        }
    }
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(count: usize, seed: f32) -> Vec<f32> {
        (0..count)
            .map(|i| (i as f32 * 1.37 + seed).sin() * 2.0)
            .collect()
    }

    /// One equation after the other, in f64.
    fn oracle(qkv: &[f32], tokens: usize, heads: usize, dim: usize, bias: &[f32]) -> Vec<f64> {
        let width = heads * dim;
        let mut out = Vec::new();
        for row in 0..qkv.len() / (3 * width) {
            let start = row / tokens * tokens;
            for head in 0..heads {
                let at = |row: usize, part: usize, i: usize| {
                    f64::from(qkv[row * 3 * width + part * width + head * dim + i])
                };
                let weights: Vec<f64> = (start..start + tokens)
                    .map(|other| {
                        let dot: f64 = (0..dim).map(|i| at(row, 0, i) * at(other, 1, i)).sum();
                        (dot / (dim as f64).sqrt() + f64::from(bias[other])).exp()
                    })
                    .collect();
                let sum: f64 = weights.iter().sum();
                out.extend((0..dim).map(|i| {
                    let others = weights.iter().zip(start..);
                    others.map(|(w, other)| w * at(other, 2, i)).sum::<f64>() / sum
                }));
            }
        }
        out
    }

    #[test]
    fn equals_the_equations_on_every_instruction_set() {
        for (heads, dim) in [(1, 8), (2, 24), (6, 64)] {
            for (batch, tokens) in [(1, 1), (1, 17), (2, 5), (3, 33)] {
                let qkv = noise(batch * tokens * 3 * heads * dim, 0.3);
                let sizes: Vec<f32> = (0..batch * tokens)
                    .map(|i| ((1 + i % 4) as f32).ln())
                    .collect();
                for log_sizes in [None, Some(sizes.as_slice())] {
                    let zeros = vec![0.0; sizes.len()];
                    let want = oracle(&qkv, tokens, heads, dim, log_sizes.unwrap_or(&zeros));
                    let mut first: Option<Vec<f32>> = None;
                    for instructions in Instructions::available() {
                        let mut out = vec![f32::NAN; want.len()];
                        let shape = [heads, dim];
                        patch_attention(&qkv, tokens, shape, log_sizes, &mut out, instructions)
                            .unwrap();
                        for (have, want) in out.iter().zip(&want) {
                            assert!((f64::from(*have) - want).abs() < 1e-5, "{instructions:?}");
                        }
                        let first = first.get_or_insert_with(|| out.clone());
                        assert!(*first == out, "{instructions:?} has other bits");
                    }
                }
            }
        }
    }

    #[test]
    fn a_size_counts_as_that_many_equal_tokens() {
        let (heads, dim) = (2, 8);
        let row = 3 * heads * dim;
        let mut qkv = noise(4 * row, 0.7);
        let mut merged = vec![0.0; 4 * heads * dim];
        let log_sizes = [0.0, 3f32.ln(), 0.0, 0.0];
        let shape = [heads, dim];
        let best = Instructions::best();
        patch_attention(&qkv, 4, shape, Some(&log_sizes), &mut merged, best).unwrap();
        let copy = qkv[row..2 * row].to_vec();
        qkv.extend_from_slice(&copy);
        qkv.extend_from_slice(&copy);
        let mut repeated = vec![0.0; 6 * heads * dim];
        patch_attention(&qkv, 6, shape, None, &mut repeated, best).unwrap();
        for (a, b) in merged.iter().zip(&repeated) {
            assert!((a - b).abs() < 1e-5);
        }
    }

    #[test]
    fn lengths_that_do_not_fit_are_refused() {
        let run = |qkv: usize, tokens: usize, dim: usize, out: usize, sizes: Option<usize>| {
            let sizes = sizes.map(|count| vec![0.0; count]);
            let (qkv, mut out) = (vec![0.0; qkv], vec![0.0; out]);
            let best = Instructions::best();
            patch_attention(&qkv, tokens, [1, dim], sizes.as_deref(), &mut out, best)
        };
        assert!(run(48, 2, 8, 16, Some(2)).is_ok());
        for (qkv, tokens, dim, out, sizes) in [
            (47, 2, 8, 16, None),
            (48, 3, 8, 16, None),
            (48, 0, 8, 16, None),
            (48, 2, 8, 16, Some(1)),
            (24, 2, 4, 8, None),
            (0, 2, 8, 0, Some(1)),
        ] {
            let error = run(qkv, tokens, dim, out, sizes).unwrap_err();
            assert_eq!(error.code(), "invalid-argument");
        }
    }
}
