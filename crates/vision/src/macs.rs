//! Analytic multiply-accumulates of the blocks of a vision transformer.

use serde::Serialize;

use crate::reduce::Step;

/// Tokens of one block before and after its reduction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct BlockTokens {
    pub before: usize,
    pub after: usize,
}

/// `4 n d² + 2 n² d + 8 n' d²` a block: projections, attention, and an MLP four times as wide.
pub fn total(blocks: &[BlockTokens], width: usize) -> u64 {
    let d = width as u64;
    blocks
        .iter()
        .map(|tokens| {
            let (n, after) = (tokens.before as u64, tokens.after as u64);
            4 * n * d * d + 2 * n * n * d + 8 * after * d * d
        })
        .sum()
}

/// The part of [`total`] that grows with the square of the tokens.
pub fn attention(blocks: &[BlockTokens], width: usize) -> u64 {
    blocks
        .iter()
        .map(|tokens| 2 * (tokens.before as u64).pow(2) * width as u64)
        .sum()
}

/// Nothing reduced.
pub fn dense(blocks: usize, tokens: usize) -> Vec<BlockTokens> {
    vec![
        BlockTokens {
            before: tokens,
            after: tokens,
        };
        blocks
    ]
}

/// What a plan leads to, when a method keeps exactly what it is asked to.
pub fn planned(steps: &[Step], patches: usize, leading: usize) -> Vec<BlockTokens> {
    let mut left = patches;
    steps
        .iter()
        .map(|step| {
            let before = left;
            left = step.keep(left).unwrap_or(left);
            BlockTokens {
                before: leading + before,
                after: leading + left,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reduce::Schedule;

    #[test]
    fn shares_of_the_measured_table() {
        let dense = total(&dense(12, 257), 384) as f64;
        let share = |schedule: Schedule| {
            let steps = schedule.plan(12, 256, 1, 384).unwrap();
            total(&planned(&steps, 256, 1), 384) as f64 / dense
        };
        for (r, expected) in [(4, 0.897), (8, 0.797), (16, 0.602), (20, 0.508)] {
            let found = share(Schedule::merge(r, 0.0).unwrap());
            assert!((found - expected).abs() < 1e-3, "r={r}: {found}");
        }
        let found = share(Schedule::keep(0.7, vec![3, 6, 9]).unwrap());
        assert!((found - 0.644).abs() < 1e-3, "{found}");
    }
}
