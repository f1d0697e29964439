//! StochasTok (arXiv 2506.01687): tokens split at random into shorter ones of the same vocabulary.

use std::collections::HashMap;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::TokenTable;

/// The ways to cut each token into two tokens.
#[derive(Debug, Default)]
pub struct Splits {
    ways: HashMap<u32, Vec<(u32, u32)>>,
}

impl Splits {
    /// All cuts of the tokens in `ids`, and of their halves.
    pub fn new(table: &TokenTable, ids: &[u32]) -> Self {
        let mut splits = Self::default();
        let mut todo = ids.to_vec();
        while let Some(id) = todo.pop() {
            if splits.ways.contains_key(&id) || table.is_special(id) {
                continue;
            }
            let bytes = table.bytes(id).unwrap_or_default();
            let cuts = (1..bytes.len()).filter_map(|at| {
                let (left, right) = bytes.split_at(at);
                Some((table.find(left)?, table.find(right)?))
            });
            let ways: Vec<(u32, u32)> = cuts.collect();
            todo.extend(ways.iter().flat_map(|(left, right)| [*left, *right]));
            splits.ways.insert(id, ways);
        }
        splits
    }
}

/// Splits `ids` in place `share` times their number; the halves may be split again, and the bytes
/// stay. Draws of a token that cannot be split count, as in the paper.
pub fn stochastok(ids: &mut Vec<u32>, splits: &Splits, share: f64, seed: u64) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let draws = (ids.len() as f64 * share) as usize;
    for _ in 0..draws {
        let at = random.random_range(0..ids.len());
        let ways = ids.get(at).and_then(|id| splits.ways.get(id));
        let Some(ways) = ways.filter(|ways| !ways.is_empty()) else {
            continue;
        };
        if let Some((left, right)) = ways.get(random.random_range(0..ways.len())) {
            ids.splice(at..=at, [*left, *right]);
        }
    }
}
