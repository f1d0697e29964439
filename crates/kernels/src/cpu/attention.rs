//! Grouped-query attention over the cache (arXiv 2305.13245).
#![allow(unsafe_code)]

use super::Instructions;
use super::attention_tile::{QUERIES, Rows, Tiles};
use super::isa::{Isa, Job};
use super::pool::{self, Disjoint};
use super::rope::Heads;
use crate::KernelError;
use std::array::from_fn;
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

/// Each token attends to all of its text, each of `tokens` rows: `[texts * tokens, 3 heads * head_dim]
/// -> [texts * tokens, heads * head_dim]`, where a row holds the queries of all heads, then their keys,
/// then their values.
///
/// # Errors
/// `invalid-argument` when a length does not fit.
pub fn full_attention(
    qkv: &[f32],
    tokens: usize,
    [heads, head_dim]: [usize; 2],
    out: &mut [f32],
    instructions: Instructions,
) -> Result<(), KernelError> {
    let width = heads * head_dim;
    let text = tokens * width;
    if text == 0 || !out.len().is_multiple_of(text) || qkv.len() != 3 * out.len() {
        return Err(KernelError::InvalidArgument(format!(
            "attention of {} elements to {} does not fit texts of {tokens} tokens and {heads} heads \
             of {head_dim}",
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
    for (qkv, out) in qkv.chunks_exact(3 * text).zip(out.chunks_exact_mut(text)) {
        let from = |first: usize| qkv.get(first..).unwrap_or_default();
        let (keys, values) = (from(width), from(2 * width));
        run(lay, tokens, qkv, keys, values, out, instructions);
    }
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
    let parts = pool::parts(work).min(items).max(1);
    let of_head = tokens * lay.group;
    // The few queries of a decode step are dealt out singly rather than all to one thread.
    let width = items.div_ceil(parts).clamp(1, QUERIES).min(of_head.max(1));
    let units_of_head = of_head.div_ceil(width);
    let units = lay.heads / lay.group * units_of_head;
    let parts = parts.min(units);
    let out = Disjoint::new(out);
    pool::run(parts, &|part| {
        let lanes = width * (lay.dim / 16 * 16);
        with_scratch(width * longest + lanes, |scratch| {
            let (lanes, scores) = scratch.split_at_mut(lanes);
            // Every so many, since the later ones see more positions.
            for unit in (part..units).step_by(parts) {
                let first = unit % units_of_head * width;
                instructions.run(Unit {
                    lay,
                    queries,
                    keys,
                    values,
                    kv_head: unit / units_of_head,
                    first,
                    count: width.min(of_head - first),
                    out: &out,
                    lanes,
                    scores,
                    longest,
                });
            }
        });
    });
}

/// Runs `job` with `len` elements of this thread's memory.
fn with_scratch(len: usize, job: impl FnOnce(&mut [f32])) {
    thread_local! {
        static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
    }
    SCRATCH.with_borrow_mut(|scratch| {
        if scratch.len() < len {
            scratch.resize(len, 0.0);
        }
        job(scratch);
    });
}

/// Consecutive queries of those that share a head of keys and values, which are counted token after
/// token.
struct Unit<'a> {
    lay: Layout,
    queries: &'a [f32],
    keys: &'a [f32],
    values: &'a [f32],
    kv_head: usize,
    first: usize,
    /// At most [`QUERIES`].
    count: usize,
    out: &'a Disjoint<'a>,
    /// Room for the queries in tiles.
    lanes: &'a mut [f32],
    /// Room for a row of `longest` scores a query.
    scores: &'a mut [f32],
    longest: usize,
}

impl<'a> Job for Unit<'a> {
    type Output = ();

    /// Plain loops: the instruction set that they are compiled for is all that differs.
    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let lay = self.lay;
        let from = self.kv_head * lay.kv_head;
        let rows = |all: &'a [f32]| Rows {
            head: all.get(from..).unwrap_or_default(),
            stride: lay.kv_row,
            dim: lay.dim,
        };
        let at = |i: usize| {
            let query = self.first + i;
            let head = self.kv_head * lay.group + query % lay.group;
            (query / lay.group, head * lay.dim)
        };
        let tiles = Tiles {
            count: self.count,
            scale: (lay.dim as f32).sqrt().recip(),
            keys: rows(self.keys),
            values: rows(self.values),
            longest: self.longest,
            lengths: from_fn(|i| lay.visible.positions(at(i).0)),
            queries: from_fn(|i| {
                let (token, column) = at(i);
                let from = token * lay.query_row + column;
                self.queries.get(from..from + lay.dim).unwrap_or_default()
            }),
            out: from_fn(|i| {
                let (token, column) = at(i);
                let from = token * lay.heads * lay.dim + column;
                let len = if i < self.count { lay.dim } else { 0 };
                // SAFETY: each head of each token belongs to one query of one unit, and each unit
                // to one part.
                unsafe { self.out.get(from..from + len) }.unwrap_or_default()
            }),
            lanes: self.lanes,
            scores: self.scores,
        };
        tiles.run(isa);
    }
}

#[cfg(test)]
mod tests {
    use super::super::math::{dot, exp};
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

    /// One query after the other, each by itself.
    fn plain(q: &[f32], k: &[f32], v: &[f32], heads: Heads, start: usize) -> Vec<f32> {
        let dim = heads.head_dim;
        let capacity = k.len() / (heads.kv_heads * dim);
        let mut out = Vec::new();
        for (item, query) in q.chunks(dim).enumerate() {
            let (token, head) = (item / heads.heads, item % heads.heads);
            let from = head / (heads.heads / heads.kv_heads) * capacity * dim;
            let rows = |all: &[f32]| -> Vec<Vec<f32>> {
                let rows = all[from..].chunks(dim).take(start + token + 1);
                rows.map(<[f32]>::to_vec).collect()
            };
            let (keys, values) = (rows(k), rows(v));
            let scale = (dim as f32).sqrt().recip();
            let scores: Vec<f32> = keys.iter().map(|key| dot(query, key) * scale).collect();
            let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let weights: Vec<f32> = scores.iter().map(|score| exp(score - largest)).collect();
            let mut sums = [0.0f32; 8];
            for (i, weight) in weights.iter().enumerate() {
                sums[i % 8] += weight;
            }
            let scale = sums.iter().sum::<f32>().recip();
            for i in 0..dim {
                // Where the kernel begins at 0, a sum of negative zeros is 0.
                let zero = if i < dim / 16 * 16 { 0.0 } else { -0.0 };
                let products = weights.iter().zip(&values).map(|(w, value)| w * value[i]);
                out.push(products.fold(zero, |sum, product| sum + product) * scale);
            }
        }
        out
    }

    fn noise(n: usize, seed: f32) -> Vec<f32> {
        (0..n)
            .map(|i| (i as f32 * 1.37 + seed).sin() * 2.0)
            .collect()
    }

    #[test]
    fn tiles_change_no_bit() {
        // With helpers too, whatever share each gets.
        for threads in [1, 3] {
            pool::start(threads).unwrap();
            for (heads, kv_heads) in [(2, 2), (6, 2), (3, 1), (8, 2)] {
                for head_dim in [2, 6, 18, 64, 80] {
                    let heads = Heads {
                        heads,
                        kv_heads,
                        head_dim,
                    };
                    for (start, tokens) in [0, 7, 130, 300]
                        .into_iter()
                        .flat_map(|start| [1, 2, 3, 4, 5, 9, 33].map(|tokens| (start, tokens)))
                    {
                        let q = noise(tokens * heads.query_columns(), 0.1);
                        let k = noise((start + tokens + 1) * kv_heads * head_dim, 0.2);
                        let v = noise(k.len(), 0.3);
                        let want = plain(&q, &k, &v, heads, start);
                        for instructions in Instructions::available() {
                            let mut out = vec![f32::NAN; q.len()];
                            attention(&q, &k, &v, heads, start, &mut out, instructions).unwrap();
                            assert!(
                                out.iter()
                                    .map(|x| x.to_bits())
                                    .eq(want.iter().map(|x| x.to_bits())),
                                "{heads:?}, {tokens} from {start}, {instructions:?}"
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn rows_that_hold_all_three_change_no_bit() {
        for (heads, head_dim) in [(1, 2), (3, 18), (2, 64)] {
            for tokens in [1, 2, 5, 33, 150] {
                let width = heads * head_dim;
                let qkv = noise(tokens * 3 * width, 0.4);
                // A cache of the same keys and values: its last token sees all of them.
                let part = |which: usize, head: usize| -> Vec<f32> {
                    qkv.chunks(3 * width)
                        .flat_map(|row| &row[which * width + head * head_dim..][..head_dim])
                        .copied()
                        .collect()
                };
                let mut out = vec![f32::NAN; tokens * width];
                for instructions in Instructions::available() {
                    full_attention(&qkv, tokens, [heads, head_dim], &mut out, instructions)
                        .unwrap();
                    for head in 0..heads {
                        let (q, k, v) = (part(0, head), part(1, head), part(2, head));
                        let alone = Heads {
                            heads: 1,
                            kv_heads: 1,
                            head_dim,
                        };
                        for (token, query) in q.chunks(head_dim).enumerate() {
                            let want = plain(query, &k, &v, alone, tokens - 1);
                            let have = &out[token * width + head * head_dim..][..head_dim];
                            assert_eq!(have, want, "{instructions:?}");
                        }
                    }
                }
            }
        }
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
