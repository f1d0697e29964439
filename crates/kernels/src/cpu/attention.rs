//! Grouped-query attention over the cache (arXiv 2305.13245).
#![allow(unsafe_code)]

use super::Instructions;
use super::isa::{Isa, Job};
use super::math::{dot, exp};
use super::pool::{self, Disjoint};
use super::rope::Heads;
use crate::KernelError;
use std::cell::RefCell;

/// Each token attends to all cached positions up to its own.
///
/// `queries` and `out` are `[tokens, heads * head_dim]`, `keys` and `values`
/// `[kv_heads, capacity, head_dim]` with positions `0..start + tokens` filled. Scores are scaled
/// by `1 / sqrt(head_dim)`.
///
/// # Errors
/// `invalid-argument` when a length does not fit.
pub fn attention(
    queries: &[f32],
    keys: &[f32],
    values: &[f32],
    heads: Heads,
    start: usize,
    out: &mut [f32],
    instructions: Instructions,
) -> Result<(), KernelError> {
    let width = heads.query_columns();
    let cache_row = heads.kv_heads * heads.head_dim;
    let tokens = queries.len().checked_div(width).unwrap_or(0);
    let capacity = keys.len().checked_div(cache_row).unwrap_or(0);
    let fits = width > 0
        && cache_row > 0
        && heads.heads.is_multiple_of(heads.kv_heads)
        && queries.len() == tokens * width
        && out.len() == queries.len()
        && keys.len() == capacity * cache_row
        && values.len() == keys.len()
        && start + tokens <= capacity;
    if !fits {
        return Err(KernelError::InvalidArgument(format!(
            "attention of {} query elements over {} keys and {} values from position {start} does \
             not fit {heads:?}",
            queries.len(),
            keys.len(),
            values.len()
        )));
    }
    let lay = Layout {
        heads: heads.heads,
        group: heads.heads / heads.kv_heads,
        dim: heads.head_dim,
        query_row: width,
        kv_head: capacity * heads.head_dim,
        kv_row: heads.head_dim,
        visible: Visible::Before(start),
    };
    run(lay, tokens, queries, keys, values, out, instructions);
    Ok(())
}

/// Each token attends to all: `[tokens, 3 heads * head_dim] -> [tokens, heads * head_dim]`, where a
/// row holds the queries of all heads, then their keys, then their values.
///
/// # Errors
/// `invalid-argument` when a length does not fit.
pub fn full_attention(
    qkv: &[f32],
    heads: usize,
    head_dim: usize,
    out: &mut [f32],
    instructions: Instructions,
) -> Result<(), KernelError> {
    let width = heads * head_dim;
    let tokens = out.len().checked_div(width).unwrap_or(0);
    if width == 0 || out.len() != tokens * width || qkv.len() != 3 * out.len() {
        return Err(KernelError::InvalidArgument(format!(
            "attention of {} elements to {} does not fit {heads} heads of {head_dim}",
            qkv.len(),
            out.len()
        )));
    }
    let lay = Layout {
        heads,
        group: 1,
        dim: head_dim,
        query_row: 3 * width,
        kv_head: head_dim,
        kv_row: 3 * width,
        visible: Visible::All(tokens),
    };
    let from = |first: usize| qkv.get(first..).unwrap_or_default();
    let (keys, values) = (from(width), from(2 * width));
    run(lay, tokens, qkv, keys, values, out, instructions);
    Ok(())
}

/// Where queries, keys and values lie: distances in elements.
#[derive(Clone, Copy)]
struct Layout {
    heads: usize,
    /// Query heads that share a head of keys and values.
    group: usize,
    dim: usize,
    /// From a token's queries to the next one's.
    query_row: usize,
    /// From a head's keys to the next one's.
    kv_head: usize,
    /// From a position's key to the next one's.
    kv_row: usize,
    visible: Visible,
}

/// The positions that a token sees.
#[derive(Clone, Copy)]
enum Visible {
    /// This many before the first token, then all tokens up to itself.
    Before(usize),
    /// This many, whichever token it is.
    All(usize),
}

impl Visible {
    fn positions(self, token: usize) -> usize {
        match self {
            Self::Before(start) => start + token + 1,
            Self::All(positions) => positions,
        }
    }
}

fn run(
    lay: Layout,
    tokens: usize,
    queries: &[f32],
    keys: &[f32],
    values: &[f32],
    out: &mut [f32],
    instructions: Instructions,
) {
    let items = tokens * lay.heads;
    let longest = lay.visible.positions(tokens.saturating_sub(1));
    let work = (items * lay.dim).saturating_mul(2 * longest);
    let parts = pool::parts(work).min(items);
    let out = Disjoint::new(out);
    pool::run(parts, &|part| {
        let share = pool::share(items, parts, part);
        // SAFETY: the shares do not overlap.
        let out = unsafe { out.get(share.start * lay.dim..share.end * lay.dim) };
        with_scores(longest, |scores| {
            instructions.run(Attention {
                lay,
                queries,
                keys,
                values,
                first: share.start,
                out: out.unwrap_or_default(),
                scores,
            });
        });
    });
}

/// Runs `job` with this thread's memory for the scores of one head.
fn with_scores(len: usize, job: impl FnOnce(&mut [f32])) {
    thread_local! {
        static SCORES: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
    }
    SCORES.with_borrow_mut(|scores| {
        if scores.len() < len {
            scores.resize(len, 0.0);
        }
        job(scores);
    });
}

/// The heads of all tokens from `first` on, token after token: as many as `out` has room for.
struct Attention<'a> {
    lay: Layout,
    queries: &'a [f32],
    keys: &'a [f32],
    values: &'a [f32],
    first: usize,
    out: &'a mut [f32],
    scores: &'a mut [f32],
}

impl Job for Attention<'_> {
    type Output = ();

    /// Plain loops: the instruction set that they are compiled for is all that differs.
    #[inline(always)]
    fn run<I: Isa>(self, _isa: I) {
        let lay = self.lay;
        let scale = (lay.dim as f32).sqrt().recip();
        for (item, out) in (self.first..).zip(self.out.chunks_exact_mut(lay.dim)) {
            let (token, head) = (item / lay.heads, item % lay.heads);
            let length = lay.visible.positions(token);
            let query = token * lay.query_row + head * lay.dim;
            let from = head / lay.group * lay.kv_head;
            let (Some(query), Some(keys), Some(values), Some(scores)) = (
                self.queries.get(query..query + lay.dim),
                self.keys.get(from..),
                self.values.get(from..),
                self.scores.get_mut(..length),
            ) else {
                return;
            };
            let mut largest = f32::NEG_INFINITY;
            for (score, key) in scores.iter_mut().zip(rows(keys, lay)) {
                *score = dot(query, key) * scale;
                largest = largest.max(*score);
            }
            let sum = softmax_numerators(scores, largest);
            mix(scores, values, lay, sum.recip(), out);
        }
    }
}

/// The rows of a head, one a position.
#[inline(always)]
fn rows(head: &[f32], lay: Layout) -> impl Iterator<Item = &[f32]> {
    head.chunks(lay.kv_row)
        .map_while(move |row| row.get(..lay.dim))
}

/// `exp(score - largest)` in place; returns their sum.
#[inline(always)]
fn softmax_numerators(scores: &mut [f32], largest: f32) -> f32 {
    let mut sums = [0.0f32; 8];
    let (chunks, rest) = scores.as_chunks_mut::<8>();
    for chunk in chunks {
        for (score, sum) in chunk.iter_mut().zip(&mut sums) {
            *score = exp(*score - largest);
            *sum += *score;
        }
    }
    for (score, sum) in rest.iter_mut().zip(&mut sums) {
        *score = exp(*score - largest);
        *sum += *score;
    }
    sums.iter().sum()
}

/// `out = scale Σ weight value`, sixteen elements of a head at a time in registers.
#[inline(always)]
fn mix(weights: &[f32], values: &[f32], lay: Layout, scale: f32, out: &mut [f32]) {
    let (lanes, rest) = out.as_chunks_mut::<16>();
    let done = lanes.len() * 16;
    for (i, out) in lanes.iter_mut().enumerate() {
        let mut sums = [0.0f32; 16];
        for (weight, value) in weights.iter().zip(rows(values, lay)) {
            if let Some(value) = value.get(i * 16..).and_then(|v| v.first_chunk::<16>()) {
                for (sum, value) in sums.iter_mut().zip(value) {
                    *sum += weight * value;
                }
            }
        }
        for (out, sum) in out.iter_mut().zip(sums) {
            *out = sum * scale;
        }
    }
    for (i, out) in rest.iter_mut().enumerate() {
        let column = rows(values, lay).filter_map(|value| value.get(done + i));
        *out = weights.iter().zip(column).map(|(w, v)| w * v).sum::<f32>() * scale;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One equation after the other, in f64.
    fn oracle(q: &[f32], k: &[f32], v: &[f32], heads: Heads, start: usize) -> Vec<f64> {
        let dim = heads.head_dim;
        let capacity = k.len() / (heads.kv_heads * dim);
        let tokens = q.len() / heads.query_columns();
        let mut out = Vec::new();
        for token in 0..tokens {
            for head in 0..heads.heads {
                let kv = head / (heads.heads / heads.kv_heads);
                let at = |pos: usize, i: usize| (kv * capacity + pos) * dim + i;
                let query = &q[(token * heads.heads + head) * dim..][..dim];
                let scores: Vec<f64> = (0..start + token + 1)
                    .map(|pos| {
                        let dot: f64 = (0..dim)
                            .map(|i| f64::from(query[i]) * f64::from(k[at(pos, i)]))
                            .sum();
                        (dot / (dim as f64).sqrt()).exp()
                    })
                    .collect();
                let sum: f64 = scores.iter().sum();
                out.extend((0..dim).map(|i| {
                    let mixed: f64 = scores
                        .iter()
                        .enumerate()
                        .map(|(pos, w)| w * f64::from(v[at(pos, i)]))
                        .sum();
                    mixed / sum
                }));
            }
        }
        out
    }

    #[test]
    fn equals_the_equations_on_every_instruction_set() {
        for (heads, kv_heads, head_dim) in [(1, 1, 2), (4, 2, 6), (9, 3, 64), (2, 1, 18)] {
            let heads = Heads {
                heads,
                kv_heads,
                head_dim,
            };
            for (start, tokens, spare) in [(0, 1, 0), (0, 5, 2), (7, 1, 3), (30, 9, 0)] {
                let capacity = start + tokens + spare;
                let noise = |n: usize, seed: f32| -> Vec<f32> {
                    (0..n)
                        .map(|i| (i as f32 * 1.37 + seed).sin() * 2.0)
                        .collect()
                };
                let q = noise(tokens * heads.query_columns(), 0.1);
                let mut k = noise(capacity * kv_heads * head_dim, 0.2);
                let mut v = noise(k.len(), 0.3);
                // What lies behind the last position must not matter.
                for head in 0..kv_heads {
                    let from = (head * capacity + start + tokens) * head_dim;
                    let to = (head + 1) * capacity * head_dim;
                    k[from..to].fill(f32::NAN);
                    v[from..to].fill(f32::NAN);
                }
                let want = oracle(&q, &k, &v, heads, start);
                for instructions in Instructions::available() {
                    let mut out = vec![f32::NAN; q.len()];
                    attention(&q, &k, &v, heads, start, &mut out, instructions).unwrap();
                    for (have, want) in out.iter().zip(&want) {
                        assert!((f64::from(*have) - want).abs() < 1e-5, "{instructions:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn lengths_that_do_not_fit_are_refused() {
        let heads = Heads {
            heads: 2,
            kv_heads: 1,
            head_dim: 4,
        };
        let run = |q: usize, k: usize, start: usize| {
            let mut out = vec![0.0; q];
            attention(
                &vec![0.0; q],
                &vec![0.0; k],
                &vec![0.0; k],
                heads,
                start,
                &mut out,
                Instructions::PORTABLE,
            )
        };
        assert!(run(8, 8, 1).is_ok());
        for (q, k, start) in [(7, 8, 0), (8, 7, 0), (8, 8, 2), (0, 0, 1)] {
            assert_eq!(run(q, k, start).unwrap_err().code(), "invalid-argument");
        }
    }
}
