use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::select::{dot, nearest, normalised, row};
use super::{Reduction, TokenReducer, TokenView, tome};
use crate::VisionError;

/// VQToken (arXiv 2503.16980) with a fixed number of tokens: hidden states are clustered by cosine
/// (k-means++), each cluster becomes its mean, and the map from patches to clusters is kept.
#[derive(Debug, Clone, Copy)]
pub struct VqToken {
    /// Rounds of k-means at most.
    pub rounds: usize,
    pub seed: u64,
}

impl Default for VqToken {
    fn default() -> Self {
        Self {
            rounds: 20,
            seed: 0,
        }
    }
}

impl TokenReducer for VqToken {
    fn name(&self) -> &'static str {
        "vqtoken"
    }

    /// Duplicates may leave fewer clusters than `keep`.
    fn reduce(&self, view: &TokenView<'_>, keep: usize) -> Result<Reduction, VisionError> {
        view.check(keep)?;
        if keep == view.reducible() || keep == 0 {
            let kept: Vec<usize> = (0..keep).collect();
            return Ok(Reduction::keep(view.tokens(), view.leading, &kept));
        }
        let labels = cluster(view.features(), view.width, keep, self.rounds, self.seed);
        let mut groups: Vec<Vec<usize>> = Vec::new();
        let mut order: Vec<usize> = Vec::new();
        for (index, label) in labels.iter().enumerate() {
            let token = view.leading + index;
            match order.iter().position(|known| known == label) {
                Some(at) => {
                    if let Some(group) = groups.get_mut(at) {
                        group.push(token);
                    }
                }
                None => {
                    order.push(*label);
                    groups.push(vec![token]);
                }
            }
        }
        let mut reduction = Reduction::begin(view.tokens(), view.leading);
        for group in groups {
            tome::push_mean(&mut reduction, &group, view.sizes);
        }
        Ok(reduction)
    }
}

/// k-means with cosine assignment over rows of `[n, width]`: the cluster of each row.
///
/// Centres begin as k-means++ draws them with squared cosine distances; each round assigns and takes
/// the mean of unit vectors; it ends when nothing moves.
pub fn cluster(rows: &[f32], width: usize, k: usize, rounds: usize, seed: u64) -> Vec<usize> {
    let unit = normalised(rows, width);
    let n = rows.len() / width.max(1);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut uniform = || (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
    let mut centres = Vec::with_capacity(k * width);
    let mut distances = vec![f64::INFINITY; n];
    let mut chosen = (uniform() * n as f64) as usize;
    for _ in 0..k.min(n) {
        let centre = row(&unit, chosen, width).to_vec();
        for (index, slot) in distances.iter_mut().enumerate() {
            let distance = f64::from(1.0 - dot(&centre, row(&unit, index, width))).max(0.0);
            *slot = slot.min(distance * distance);
        }
        centres.extend(centre);
        let total: f64 = distances.iter().sum();
        let mut rest = uniform() * total;
        chosen = distances
            .iter()
            .position(|distance| {
                rest -= distance;
                rest < 0.0
            })
            .unwrap_or(0);
    }
    let mut labels = nearest(&unit, &centres, width);
    for _ in 0..rounds {
        let mut sums = vec![0f32; centres.len()];
        for (label, token) in labels.iter().zip(unit.chunks_exact(width.max(1))) {
            let sum = sums.get_mut(label * width..(label + 1) * width);
            for (sum, value) in sum.unwrap_or_default().iter_mut().zip(token) {
                *sum += value;
            }
        }
        let moved = normalised(&sums, width);
        // A cluster that lost all its members stays where it was.
        for (centre, new) in centres
            .chunks_exact_mut(width.max(1))
            .zip(moved.chunks_exact(width.max(1)))
        {
            if new.iter().any(|value| *value != 0.0) {
                centre.copy_from_slice(new);
            }
        }
        let again = nearest(&unit, &centres, width);
        if again == labels {
            break;
        }
        labels = again;
    }
    labels
}
