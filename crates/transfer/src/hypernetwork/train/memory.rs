//! What is learned of single strings: a row for each of the commonest ones beside the head.
//!
//! The head has to say the same of all tokens that look alike to it. Of a new token that comes up
//! often (`.\n`, `):\n        `, ` walked`) more can be known than that, and a few thousand such
//! strings are most of what a text has.

use std::collections::HashMap;

use super::TrainError;
use super::network::MAX_PIECES;
use super::target::Target;

/// Rows that are added to what the head says of tokens of certain pieces.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    /// Elements of a row: as many as the head gives.
    pub columns: usize,
    /// The pieces of each row.
    pub keys: Vec<Vec<u32>>,
    /// `[keys, columns]`.
    pub rows: Vec<f32>,
    /// Sums of the mean squares of the gradients of the two parts of each row, `[keys, 2]`.
    pub squares: Vec<f32>,
    /// What the mean square of a gradient that matters is, for each part: the mean of all, each
    /// weighed by itself. Rows are drawn as other tokens far more often than they occur, and those
    /// gradients are small; the rate must not make as much of them.
    pub usual: [f32; 2],
    slots: HashMap<Vec<u32>, usize>,
}

/// Strings that come up less often are left to the head.
const LEAST: usize = 3;

impl Memory {
    pub fn new(columns: usize, keys: Vec<Vec<u32>>) -> Self {
        Self {
            columns,
            rows: vec![0.0; keys.len() * columns],
            squares: vec![0.0; keys.len() * 2],
            usual: [0.0; 2],
            slots: keys.iter().cloned().zip(0..).collect(),
            keys,
        }
    }

    /// The `size` commonest new tokens of `targets` over texts, each text with its share.
    pub fn choose(
        columns: usize,
        size: usize,
        targets: &[Target],
        texts: &[(String, f64)],
    ) -> Result<Self, TrainError> {
        let mut counts: HashMap<&[u32], (usize, f64)> = HashMap::new();
        for (text, share) in texts {
            let weight = share / text.len().max(1) as f64;
            for target in targets {
                for line in text.split_inclusive("\n\n") {
                    for id in target.tokenizer.encode(line, false)? {
                        // Longer ones may be other strings that begin alike.
                        if let Some(pieces) = target.pieces(id).filter(|p| p.len() < MAX_PIECES) {
                            let count = counts.entry(pieces).or_default();
                            count.0 += 1;
                            count.1 += weight;
                        }
                    }
                }
            }
        }
        let mut found: Vec<_> = counts
            .into_iter()
            .filter(|(_, (count, _))| *count >= LEAST)
            .collect();
        found.sort_by(|a, b| b.1.1.total_cmp(&a.1.1).then_with(|| a.0.cmp(b.0)));
        found.truncate(size);
        let keys = found.into_iter().map(|(key, _)| key.to_vec()).collect();
        Ok(Self::new(columns, keys))
    }

    /// Takes over what `other` knows of strings that both have.
    ///
    /// # Errors
    /// `bad-checkpoint` where its rows have another length.
    pub fn take_over(&mut self, other: &Self) -> Result<(), TrainError> {
        if other.keys.is_empty() {
            return Ok(());
        }
        let columns = self.columns;
        if other.columns != columns {
            return Err(TrainError::OtherNetwork("memory".to_owned()));
        }
        for (from, key) in other.keys.iter().enumerate() {
            if let Some(to) = self.slot(key) {
                let row = &mut self.rows[to * columns..(to + 1) * columns];
                row.copy_from_slice(other.row(from));
                self.squares[to * 2..to * 2 + 2]
                    .copy_from_slice(&other.squares[from * 2..from * 2 + 2]);
            }
        }
        self.usual = other.usual;
        Ok(())
    }

    pub fn slot(&self, pieces: &[u32]) -> Option<usize> {
        self.slots.get(pieces).copied()
    }

    pub fn row(&self, slot: usize) -> &[f32] {
        &self.rows[slot * self.columns..(slot + 1) * self.columns]
    }

    /// Moves rows against their gradients, each `columns` long and of a row of its own: Adagrad (Duchi
    /// 2011) with one rate for each part of a row, `split` elements and the rest, as is usual for
    /// tables of which a step touches little.
    pub fn step(&mut self, gradients: &HashMap<usize, Vec<f32>>, split: usize, rate: f32) {
        let means = |gradient: &[f32]| {
            let (left, right) = gradient.split_at(split);
            [left, right].map(|part| {
                let squares: f32 = part.iter().map(|g| g * g).sum();
                squares / part.len().max(1) as f32
            })
        };
        let means: HashMap<usize, [f32; 2]> = gradients
            .iter()
            .map(|(slot, gradient)| (*slot, means(gradient)))
            .collect();
        for (part, usual) in self.usual.iter_mut().enumerate() {
            let of = means.values().map(|means| means[part]);
            let (sum, squares) = of.fold((0f32, 0f32), |(sum, squares), mean| {
                (sum + mean, squares + mean * mean)
            });
            if sum > 0.0 {
                let now = squares / sum;
                *usual += if *usual > 0.0 {
                    0.02 * (now - *usual)
                } else {
                    now
                };
            }
        }
        for (slot, gradient) in gradients {
            let row = &mut self.rows[slot * self.columns..(slot + 1) * self.columns];
            let (left, right) = row.split_at_mut(split);
            let (of_left, of_right) = gradient.split_at(split);
            for (part, (row, gradient)) in
                [(left, of_left), (right, of_right)].into_iter().enumerate()
            {
                let square = &mut self.squares[slot * 2 + part];
                *square += means[slot][part];
                let sum = *square + self.usual[part];
                if sum > 0.0 {
                    let scale = rate / sum.sqrt();
                    for (x, g) in row.iter_mut().zip(gradient) {
                        *x -= scale * g;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_gradient_moves_a_row_little_and_later_ones_less() {
        let mut memory = Memory::new(4, vec![vec![1, 2], vec![3, 4]]);
        let slot = memory.slot(&[3, 4]).unwrap();
        memory.step(&HashMap::from([(slot, vec![0.5, -0.5, 0.0, 0.0])]), 2, 0.1);
        let first = 0.1 * 0.5 / (0.25f32 + 0.25).sqrt();
        assert_eq!(memory.row(slot), [-first, first, 0.0, 0.0]);
        memory.step(&HashMap::from([(slot, vec![0.5, -0.5, 4.0, 4.0])]), 2, 0.1);
        let left = -first - 0.1 * 0.5 / 0.75f32.sqrt();
        let right = -0.1 * 4.0 / 32f32.sqrt();
        for (found, want) in memory.row(slot).iter().zip([left, -left, right, right]) {
            assert!((found - want).abs() < 1e-6, "{found} {want}");
        }
        // A hundredth of the usual gradient moves a row by a hundredth, though it is its first.
        memory.step(&HashMap::from([(0, vec![0.005, 0.005, 0.0, 0.0])]), 2, 0.1);
        assert!(memory.row(0)[0].abs() < 0.0015, "{:?}", memory.row(0));
        assert_eq!(memory.slot(&[1, 3]), None);
    }
}
