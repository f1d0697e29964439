//! The inner loops of attention: a few queries at a time meet each key and each value.
//!
//! What is added to what, and in which order, is for each query as if it were alone: a score is a
//! sum of sixteen lanes, an output the sum over the positions from the first on. So how queries
//! are grouped does not matter to a bit of the result.

use super::isa::{Isa, RowFloats, TILE_ROWS};
use super::math::exp;
use std::array::from_fn;
use std::ops::Range;

/// Queries that meet a key together: as many sums of sixteen lanes as registers hold.
const TILE: usize = if cfg!(target_arch = "wasm32") { 2 } else { 4 };

/// Queries that meet a block of keys one tile after the other, while it is near the core.
pub(super) const QUERIES: usize = 12;
/// Positions of such a block.
const BLOCK: usize = 64;

/// Queries that share a head of keys and values, the later ones seeing no fewer positions.
pub(super) struct Tiles<'a> {
    /// How many of the [`QUERIES`] there are.
    pub count: usize,
    pub scale: f32,
    pub keys: Rows<'a>,
    pub values: Rows<'a>,
    /// The positions that each sees: `longest` at most.
    pub lengths: [usize; QUERIES],
    pub queries: [&'a [f32]; QUERIES],
    pub out: [&'a mut [f32]; QUERIES],
    /// Room for the whole sixteens of the queries, side by side.
    pub lanes: &'a mut [f32],
    /// Room for a row of `longest` scores a query.
    pub scores: &'a mut [f32],
    pub longest: usize,
}

/// Calls a method for each tile of as many queries as there are.
macro_rules! each_tile {
    ($self:ident.$method:ident($($argument:expr),*)) => {
        for first in (0..$self.count).step_by(TILE) {
            match ($self.count - first).min(TILE) {
                ..=1 => $self.$method::<I, 1, P>(first $(, $argument)*),
                2 => $self.$method::<I, 2, P>(first $(, $argument)*),
                3 => $self.$method::<I, 3, P>(first $(, $argument)*),
                _ => $self.$method::<I, 4, P>(first $(, $argument)*),
            }
        }
    };
}

impl Tiles<'_> {
    #[inline(always)]
    pub fn run<I: Isa>(self, isa: I) {
        if I::LANES == TILE_ROWS {
            self.run_in::<I, 2>(isa);
        } else {
            self.run_in::<I, 4>(isa);
        }
    }

    /// With `P` vectors for sixteen lanes.
    #[inline(always)]
    fn run_in<I: Isa, const P: usize>(mut self, isa: I) {
        each_tile!(self.interleave(isa));
        for block in (0..self.longest).step_by(BLOCK) {
            each_tile!(self.score(isa, block));
        }
        let mut scales = [0.0; QUERIES];
        for (i, scale) in scales.iter_mut().enumerate().take(self.count) {
            let scores = row(self.scores, self.longest, i, 0..self.lengths[i]);
            *scale = softmax_numerators(scores).recip();
            self.out[i].fill(0.0);
        }
        for block in (0..self.longest).step_by(BLOCK) {
            each_tile!(self.mix(isa, block));
        }
        for (i, scale) in scales.into_iter().enumerate().take(self.count) {
            let weights = row(self.scores, self.longest, i, 0..self.lengths[i]);
            mix_rest(weights, self.values, scale, self.out[i]);
        }
    }

    #[inline(always)]
    fn interleave<I: Isa, const N: usize, const P: usize>(&mut self, first: usize, _isa: I) {
        let row = self.keys.dim / 16 * 16;
        let queries = from_fn(|n| self.queries[first + n]);
        let lanes = self.lanes.get_mut(first * row..).unwrap_or_default();
        interleave::<N>(queries, lanes);
    }

    /// Where all queries of a tile see a position of the block, and where only some.
    #[inline(always)]
    fn split<const N: usize>(&self, first: usize, block: usize) -> (Range<usize>, usize) {
        let end = block + BLOCK;
        let common = self.lengths[first].clamp(block, end);
        (block..common, self.lengths[first + N - 1].clamp(block, end))
    }

    #[inline(always)]
    fn score<I: Isa, const N: usize, const P: usize>(
        &mut self,
        first: usize,
        isa: I,
        block: usize,
    ) {
        let (common, end) = self.split::<N>(first, block);
        let row_len = self.keys.dim / 16 * 16;
        let tile = self.lanes.get(first * row_len..(first + N) * row_len);
        let queries: [&[f32]; N] = from_fn(|n| self.queries[first + n]);
        score::<I, N, P>(
            isa,
            sixteens(tile.unwrap_or_default()).as_chunks::<N>().0,
            queries.map(|query| query.as_chunks::<16>().1),
            self.keys.from(common.start),
            self.scale,
            rows(self.scores, self.longest, first, common.clone()),
        );
        if N == 1 || end == common.end {
            return;
        }
        for (n, query) in queries.iter().enumerate().skip(1) {
            let to = self.lengths[first + n].min(end);
            let (_, rest) = query.as_chunks::<16>();
            score::<I, 1, P>(
                isa,
                sixteens(query).as_chunks::<1>().0,
                [rest],
                self.keys.from(common.end),
                self.scale,
                rows(self.scores, self.longest, first + n, common.end..to),
            );
        }
    }

    #[inline(always)]
    fn mix<I: Isa, const N: usize, const P: usize>(&mut self, first: usize, isa: I, block: usize) {
        let (common, end) = self.split::<N>(first, block);
        let weights = rows::<N>(self.scores, self.longest, first, common.clone());
        let mut out = self.out.iter_mut().skip(first);
        mix::<I, N, P>(
            isa,
            weights.map(|row| &*row),
            self.values.from(common.start),
            from_fn(|_| out.next().map(|out| &mut **out).unwrap_or_default()),
        );
        if N == 1 || end == common.end {
            return;
        }
        for n in 1..N {
            let to = self.lengths[first + n].min(end);
            let weights = row(self.scores, self.longest, first + n, common.end..to);
            let values = self.values.from(common.end);
            mix::<I, 1, P>(isa, [&*weights], values, [&mut *self.out[first + n]]);
        }
    }
}

/// Part of one row of the scores; nothing where the range ends before it begins.
#[inline(always)]
fn row(scores: &mut [f32], width: usize, i: usize, part: Range<usize>) -> &mut [f32] {
    let part = i * width + part.start..i * width + part.end;
    scores.get_mut(part).unwrap_or_default()
}

/// Part of `N` rows of the scores.
#[inline(always)]
fn rows<const N: usize>(
    scores: &mut [f32],
    width: usize,
    first: usize,
    part: Range<usize>,
) -> [&mut [f32]; N] {
    let mut rows = scores.chunks_exact_mut(width).skip(first);
    from_fn(|_| {
        let row = rows.next().unwrap_or_default();
        row.get_mut(part.clone()).unwrap_or_default()
    })
}

/// The rows of a head, one a position.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub head: &'a [f32],
    /// From a row to the next one.
    pub stride: usize,
    pub dim: usize,
}

impl<'a> Rows<'a> {
    #[inline(always)]
    pub fn from(self, position: usize) -> Self {
        let head = self.head.get(position * self.stride..).unwrap_or_default();
        Self { head, ..self }
    }

    #[inline(always)]
    pub fn iter(self) -> impl Iterator<Item = &'a [f32]> {
        self.head
            .chunks(self.stride)
            .map_while(move |row| row.get(..self.dim))
    }
}

/// Puts the lanes of `N` queries side by side, as [`score`] reads them.
#[inline(always)]
pub(super) fn interleave<const N: usize>(queries: [&[f32]; N], out: &mut [f32]) {
    let (out, _) = out.as_chunks_mut::<16>();
    let (out, _) = out.as_chunks_mut::<N>();
    for (n, query) in queries.into_iter().enumerate() {
        for (out, query) in out.iter_mut().zip(query.as_chunks::<16>().0) {
            out[n] = *query;
        }
    }
}

/// Sixteen elements of a row.
type Sixteen = [RowFloats; 2];

/// The sixteens of a row, and what is left.
#[inline(always)]
fn sixteens(row: &[f32]) -> &[Sixteen] {
    row.as_chunks::<TILE_ROWS>().0.as_chunks::<2>().0
}

/// A sixteen in `P` vectors: two or four.
#[inline(always)]
fn load<I: Isa, const P: usize>(isa: I, values: &Sixteen) -> [I::Floats; P] {
    let mut vectors = [isa.splat(0.0); P];
    for p in 0..P {
        vectors[p] = isa.load_floats(&values[p * 2 / P], p % (P / 2));
    }
    vectors
}

#[inline(always)]
fn store<I: Isa, const P: usize>(isa: I, vectors: [I::Floats; P], out: &mut Sixteen) {
    for p in 0..P {
        isa.store_floats(vectors[p], &mut out[p * 2 / P], p % (P / 2));
    }
}

/// `sums += a b`
#[inline(always)]
fn add_products<I: Isa, const P: usize>(
    isa: I,
    sums: &mut [I::Floats; P],
    a: &[I::Floats; P],
    b: &[I::Floats; P],
) {
    for p in 0..P {
        sums[p] = isa.add(sums[p], isa.mul(a[p], b[p]));
    }
}

/// The tree of [`super::math::lanes`], whose first step is one of whole vectors.
#[inline(always)]
fn tree<I: Isa, const P: usize>(isa: I, sums: &[I::Floats; P]) -> f32 {
    let mut eight = [0.0; TILE_ROWS];
    for p in 0..P / 2 {
        isa.store_floats(isa.add(sums[p], sums[p + P / 2]), &mut eight, p);
    }
    let mut four = [0.0; 4];
    for i in 0..4 {
        four[i] = eight[i] + eight[i + 4];
    }
    let mut two = [0.0; 2];
    for i in 0..2 {
        two[i] = four[i] + four[i + 2];
    }
    two[0] + two[1]
}

/// `score = scale query key` of `N` queries with a key for each of `scores`.
///
/// `sixteens_of` are the queries interleaved, `rests` what does not fill sixteen lanes.
#[inline(always)]
fn score<I: Isa, const N: usize, const P: usize>(
    isa: I,
    sixteens_of: &[[Sixteen; N]],
    rests: [&[f32]; N],
    keys: Rows<'_>,
    scale: f32,
    scores: [&mut [f32]; N],
) {
    let count = scores.iter().map(|s| s.len()).min().unwrap_or(0);
    let mut block = [[0.0f32; BLOCK]; N];
    for (position, key) in keys.iter().take(count.min(BLOCK)).enumerate() {
        let mut sums = [[isa.splat(0.0); P]; N];
        for (queries, key) in sixteens_of.iter().zip(sixteens(key)) {
            let key = load::<I, P>(isa, key);
            for n in 0..N {
                add_products(isa, &mut sums[n], &load::<I, P>(isa, &queries[n]), &key);
            }
        }
        let (_, key_rest) = key.as_chunks::<16>();
        for n in 0..N {
            let mut rest = -0.0;
            for (a, b) in rests[n].iter().zip(key_rest) {
                rest += a * b;
            }
            block[n][position] = (tree(isa, &sums[n]) + rest) * scale;
        }
    }
    for (scores, block) in scores.into_iter().zip(&block) {
        for (score, block) in scores.iter_mut().zip(block) {
            *score = *block;
        }
    }
}

/// `exp(score - largest)` in place; returns their sum.
#[inline(always)]
pub(super) fn softmax_numerators(scores: &mut [f32]) -> f32 {
    let (chunks, rest) = scores.as_chunks::<8>();
    let mut largest = [f32::NEG_INFINITY; 8];
    for chunk in chunks {
        for (score, largest) in chunk.iter().zip(&mut largest) {
            *largest = if *score > *largest { *score } else { *largest };
        }
    }
    let largest = largest.iter().chain(rest.iter());
    let largest = largest.fold(f32::NEG_INFINITY, |a, b| a.max(*b));
    for score in scores.iter_mut() {
        *score = exp(*score - largest);
    }
    let mut sums = [0.0f32; 8];
    let (chunks, rest) = scores.as_chunks::<8>();
    for chunk in chunks {
        for (sum, score) in sums.iter_mut().zip(chunk) {
            *sum += score;
        }
    }
    for (sum, score) in sums.iter_mut().zip(rest) {
        *sum += score;
    }
    sums.iter().sum()
}

/// `out += Σ weight value` of `N` queries, sixteen elements of a head at a time in registers; what
/// does not fill sixteen is left to [`mix_rest`].
#[inline(always)]
fn mix<I: Isa, const N: usize, const P: usize>(
    isa: I,
    weights: [&[f32]; N],
    values: Rows<'_>,
    out: [&mut [f32]; N],
) {
    let count = weights.iter().map(|w| w.len()).min().unwrap_or(0);
    // Side by side, so that the loop over positions goes through one list.
    let mut block = [[0.0f32; N]; BLOCK];
    for (n, weights) in weights.into_iter().enumerate() {
        for (block, weight) in block.iter_mut().zip(weights) {
            block[n] = *weight;
        }
    }
    let block = block.get(..count).unwrap_or_default();
    for i in 0..values.dim / 16 {
        let mut sums = [[isa.splat(0.0); P]; N];
        for n in 0..N {
            if let Some(out) = sixteens(out[n]).get(i) {
                sums[n] = load(isa, out);
            }
        }
        for (weights, value) in block.iter().zip(values.iter()) {
            let Some(value) = sixteens(value).get(i) else {
                break;
            };
            let value = load::<I, P>(isa, value);
            for n in 0..N {
                add_products(isa, &mut sums[n], &[isa.splat(weights[n]); P], &value);
            }
        }
        for n in 0..N {
            let (out, _) = out[n].as_chunks_mut::<TILE_ROWS>();
            if let Some(out) = out.as_chunks_mut::<2>().0.get_mut(i) {
                store(isa, sums[n], out);
            }
        }
    }
}

/// Ends what [`mix`] began for one query: `out = scale Σ weight value`.
#[inline(always)]
pub(super) fn mix_rest(weights: &[f32], values: Rows<'_>, scale: f32, out: &mut [f32]) {
    let (lanes, rest) = out.as_chunks_mut::<16>();
    let done = lanes.len() * 16;
    for out in lanes.as_flattened_mut() {
        *out *= scale;
    }
    for (i, out) in rest.iter_mut().enumerate() {
        let column = values.iter().filter_map(|value| value.get(done + i));
        *out = weights.iter().zip(column).map(|(w, v)| w * v).sum::<f32>() * scale;
    }
}
