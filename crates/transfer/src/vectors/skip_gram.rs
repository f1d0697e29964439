//! Static vectors of tokens, learned from a text: skip-gram with negative sampling over tokens and
//! the byte n-grams in them (fastText, arXiv 1607.04606).

use std::ops::ControlFlow;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::UnitVectors;
use super::similarity::dot;
use crate::{TokenTable, TransferError};

/// How vectors are learned.
#[derive(Debug, Clone, Copy)]
pub struct SkipGramOptions {
    /// Elements of a vector.
    pub columns: usize,
    /// Passes over the text.
    pub epochs: usize,
    /// Tokens on either side, at most; each place draws its own number.
    pub window: usize,
    /// Tokens drawn against each one that is there.
    pub negatives: usize,
    /// Tokens that the text has less often are made of their n-grams alone.
    pub min_count: usize,
    /// Frequent tokens are passed over: those above this share of the text, more and more often.
    pub subsample: f64,
    /// The first step length; it falls to zero along the way.
    pub rate: f32,
    /// Of the draws.
    pub seed: u64,
}

impl Default for SkipGramOptions {
    /// Those of FOCUS (arXiv 2305.14481), with fewer columns than fastText's 300 and a minimum count
    /// for texts of a few megabytes.
    fn default() -> Self {
        Self {
            columns: 100,
            epochs: 3,
            window: 5,
            negatives: 5,
            min_count: 5,
            subsample: 1e-3,
            rate: 0.05,
            seed: 1,
        }
    }
}

/// Places of n-grams; different ones may share a place.
const BUCKETS: usize = 1 << 16;
/// Lengths of n-grams, in bytes.
const GRAMS: std::ops::RangeInclusive<usize> = 3..=6;

/// Learned vectors.
#[derive(Debug)]
pub struct SkipGram {
    columns: usize,
    /// Rows of tokens, then of n-grams.
    input: Vec<f32>,
    /// Tokens that were learned from the text itself.
    learned: Vec<bool>,
    /// Places of n-grams that were in a learned token.
    seen: Vec<bool>,
}

impl SkipGram {
    /// Learns from a text as the ids of its tokens. One thread, and the same seed gives the same
    /// vectors; `progress` gets places done and all of them, and may break.
    ///
    /// # Errors
    /// `invalid-argument` for a text in which no token is frequent enough; `aborted`.
    pub fn train(
        table: &TokenTable,
        text: &[u32],
        options: SkipGramOptions,
        mut progress: impl FnMut(usize, usize) -> ControlFlow<()>,
    ) -> Result<Self, TransferError> {
        let mut counts = vec![0usize; table.len()];
        for id in text {
            if let Some(count) = counts.get_mut(*id as usize) {
                *count += 1;
            }
        }
        let learned: Vec<bool> = counts
            .iter()
            .map(|count| *count >= options.min_count.max(1))
            .collect();
        let text: Vec<u32> = text
            .iter()
            .copied()
            .filter(|id| learned.get(*id as usize) == Some(&true))
            .collect();
        if text.len() < 2 {
            return Err(TransferError::InvalidArgument(format!(
                "no token stands {} times in the text that vectors are learned from; give more text",
                options.min_count
            )));
        }
        let mut random = ChaCha8Rng::seed_from_u64(options.seed);
        let columns = options.columns.max(1);
        let scale = 1.0 / columns as f32;
        let input = (0..(table.len() + BUCKETS) * columns)
            .map(|_| random.random_range(-scale..scale))
            .collect();
        let mut vectors = Self {
            columns,
            input,
            learned,
            seen: vec![false; BUCKETS],
        };
        let parts: Vec<Vec<u32>> = (0..table.len() as u32)
            .map(|id| match vectors.learned.get(id as usize) {
                Some(true) => vectors.parts(table, id),
                _ => Vec::new(),
            })
            .collect();
        let grams = parts.iter().flatten().copied();
        for place in grams.filter_map(|row| (row as usize).checked_sub(table.len())) {
            if let Some(seen) = vectors.seen.get_mut(place) {
                *seen = true;
            }
        }
        let sampler = Sampler::new(&counts, &vectors.learned, text.len(), options);
        let mut output = vec![0f32; table.len() * columns];
        let total = text.len() * options.epochs;
        for done in 0..total {
            if done % 4096 == 0 && progress(done, total).is_break() {
                return Err(TransferError::Aborted);
            }
            let rate = options.rate * (1.0 - done as f32 / total as f32);
            let at = done % text.len();
            let Some(centre) = text.get(at).filter(|id| sampler.keeps(**id, &mut random)) else {
                continue;
            };
            let reach = random.random_range(1..=options.window.max(1));
            let around = at.saturating_sub(reach)..text.len().min(at + reach + 1);
            let Some(parts) = parts.get(*centre as usize) else {
                continue;
            };
            for place in around.filter(|place| *place != at) {
                if let Some(context) = text.get(place) {
                    let drawn = (0..options.negatives).map(|_| sampler.draw(&mut random));
                    let targets: Vec<u32> = std::iter::once(*context).chain(drawn).collect();
                    vectors.step(parts, &targets, &mut output, rate);
                }
            }
        }
        let _ = progress(total, total);
        Ok(vectors)
    }

    /// One context of a token against drawn ones: `targets` begins with the true one.
    fn step(&mut self, parts: &[u32], targets: &[u32], output: &mut [f32], rate: f32) {
        let columns = self.columns;
        let hidden = self.mean(parts);
        let mut gradient = vec![0f32; columns];
        for (place, target) in targets.iter().enumerate() {
            if place > 0 && targets.first() == Some(target) {
                continue;
            }
            let start = *target as usize * columns;
            let Some(row) = output.get_mut(start..start + columns) else {
                continue;
            };
            let score = 1.0 / (1.0 + (-dot(row, &hidden)).exp());
            let label = if place == 0 { 1.0 } else { 0.0 };
            let by = rate * (label - score);
            for ((row, gradient), hidden) in row.iter_mut().zip(&mut gradient).zip(&hidden) {
                *gradient += by * *row;
                *row += by * hidden;
            }
        }
        let share = 1.0 / parts.len().max(1) as f32;
        for part in parts {
            let start = *part as usize * columns;
            if let Some(row) = self.input.get_mut(start..start + columns) {
                for (x, gradient) in row.iter_mut().zip(&gradient) {
                    *x += share * gradient;
                }
            }
        }
    }

    fn mean(&self, parts: &[u32]) -> Vec<f32> {
        let mut mean = vec![0f32; self.columns];
        let share = 1.0 / parts.len().max(1) as f32;
        for part in parts {
            let start = *part as usize * self.columns;
            let row = self.input.get(start..start + self.columns);
            for (mean, x) in mean.iter_mut().zip(row.unwrap_or_default()) {
                *mean += share * x;
            }
        }
        mean
    }

    /// The rows that a token's vector is the mean of: its own, and its n-grams'.
    fn parts(&self, table: &TokenTable, id: u32) -> Vec<u32> {
        let mut framed = vec![0u8];
        framed.extend_from_slice(table.bytes(id).unwrap_or_default());
        framed.push(0);
        let grams = GRAMS.flat_map(|len| framed.windows(len)).map(|gram| {
            // FNV-1a.
            let hash = gram.iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
                (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
            });
            (table.len() + (hash % BUCKETS as u64) as usize) as u32
        });
        std::iter::once(id).chain(grams).collect()
    }

    /// Vectors of all tokens: those that the text had too seldom are made of n-grams that it had,
    /// and are zero where it had none.
    pub fn vectors(&self, table: &TokenTable) -> UnitVectors {
        let mut values = Vec::with_capacity(table.len() * self.columns);
        for id in 0..table.len() as u32 {
            let mut parts = match table.is_special(id) {
                true => Vec::new(),
                false => self.parts(table, id),
            };
            if self.learned.get(id as usize) != Some(&true) {
                parts.retain(|row| {
                    let place = (*row as usize).checked_sub(table.len());
                    place.is_some_and(|place| self.seen.get(place) == Some(&true))
                });
            }
            values.extend(self.mean(&parts));
        }
        UnitVectors::new(values, self.columns)
    }
}

/// Draws tokens as often as the 3/4th power of their counts, and passes over frequent ones.
struct Sampler {
    /// Sums of the weights up to each token.
    sums: Vec<f64>,
    keep: Vec<f64>,
}

impl Sampler {
    fn new(counts: &[usize], learned: &[bool], total: usize, options: SkipGramOptions) -> Self {
        let (mut sums, mut keep, mut sum) = (Vec::new(), Vec::new(), 0.0);
        for (count, learned) in counts.iter().zip(learned) {
            let count = if *learned { *count as f64 } else { 0.0 };
            sum += count.powf(0.75);
            sums.push(sum);
            let share = count / total.max(1) as f64;
            keep.push(match share > 0.0 {
                true => (options.subsample / share).sqrt() + options.subsample / share,
                false => 0.0,
            });
        }
        Self { sums, keep }
    }

    fn keeps(&self, id: u32, random: &mut ChaCha8Rng) -> bool {
        let keep = self.keep.get(id as usize).copied().unwrap_or(0.0);
        keep >= 1.0 || random.random::<f64>() < keep
    }

    fn draw(&self, random: &mut ChaCha8Rng) -> u32 {
        let end = self.sums.last().copied().unwrap_or(0.0);
        let at = random.random::<f64>() * end;
        self.sums.partition_point(|sum| *sum <= at) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lexigraft_text::Tokenizer;

    fn table(words: &[&str]) -> TokenTable {
        let vocab: serde_json::Map<String, serde_json::Value> = words
            .iter()
            .enumerate()
            .map(|(id, word)| ((*word).to_owned(), id.into()))
            .collect();
        let json = serde_json::json!({
            "decoder": {"type": "ByteLevel"},
            "model": {"type": "BPE", "vocab": vocab, "merges": []},
        });
        let tokenizer = Tokenizer::from_json(json.to_string().as_bytes()).unwrap();
        TokenTable::new(&tokenizer).unwrap()
    }

    #[test]
    fn tokens_of_the_same_places_become_alike() {
        // Two kinds of sentence: 0 or 1 among 4 and 5, 2 or 3 among 6 and 7.
        let table = table(&["a", "b", "c", "d", "e", "f", "g", "h", "never"]);
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let mut text = Vec::new();
        for _ in 0..3000 {
            let kind = random.random_range(0..2u32);
            let other = 4 + kind * 2;
            text.extend([other, kind * 2 + random.random_range(0..2u32), other + 1]);
            // Blocks long enough that windows see one kind alone would be too easy a text.
        }
        let options = SkipGramOptions {
            columns: 16,
            epochs: 8,
            window: 1,
            subsample: 1.0,
            ..SkipGramOptions::default()
        };
        let learned =
            SkipGram::train(&table, &text, options, |_, _| ControlFlow::Continue(())).unwrap();
        let vectors = learned.vectors(&table);
        let cosine = |a: usize, b: usize| dot(vectors.row(a), vectors.row(b));
        assert!(cosine(0, 1) > 0.8, "{}", cosine(0, 1));
        assert!(cosine(2, 3) > 0.8, "{}", cosine(2, 3));
        assert!(cosine(0, 1) > cosine(0, 2) + 0.3 && cosine(2, 3) > cosine(1, 3) + 0.3);
        assert!(
            !vectors.has(8),
            "a token without a seen n-gram has no vector"
        );
        let again = SkipGram::train(&table, &text, options, |_, _| ControlFlow::Continue(()));
        assert_eq!(again.unwrap().vectors(&table), vectors);
    }

    #[test]
    fn tokens_that_the_text_lacks_are_made_of_their_n_grams() {
        let table = table(&["walking", "walked", "walks", "of", "the"]);
        let text: Vec<u32> = (0..400).flat_map(|at| [3, 4, at % 2]).collect();
        let learned = SkipGram::train(&table, &text, SkipGramOptions::default(), |_, _| {
            ControlFlow::Continue(())
        });
        let vectors = learned.unwrap().vectors(&table);
        assert!(vectors.has(2));
        let cosine = |a: usize, b: usize| dot(vectors.row(a), vectors.row(b));
        assert!(
            cosine(2, 0) > cosine(2, 3),
            "walks is like walking, not like of"
        );
    }

    #[test]
    fn too_little_text_is_refused() {
        let table = table(&["a", "b"]);
        let found = SkipGram::train(&table, &[0, 1], SkipGramOptions::default(), |_, _| {
            ControlFlow::Continue(())
        });
        assert_eq!(found.unwrap_err().code(), "invalid-argument");
    }
}
