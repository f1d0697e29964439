//! One number for each number of pieces: how much less likely new tokens are than their rows say.
//!
//! Tens of thousands of new tokens that are each a little too likely take the probability of the
//! shared ones at every place of a text. A gradient from a few hundred of them at a time is slow to
//! see that; the sums over a few thousand, from states that were kept, show it at once.

use std::collections::HashMap;

use burn::tensor::{Device, Tensor, TensorData};

use super::TrainError;
use super::context::{Stratum, Window, values};
use super::head::FeatureTable;
use super::network::{MAX_PIECES, Network};
use super::target::{Source, Target};

/// Places of texts, as far as a bias by the number of pieces changes them.
#[derive(Debug, Default)]
pub struct Places {
    /// For each place, the summed exponentials of the new tokens' logits by their number of pieces,
    /// over those of the shared tokens.
    shares: Vec<[f64; MAX_PIECES + 1]>,
    /// What a bias of one adds to a logit there.
    slopes: Vec<f64>,
    /// The number of pieces of the token that comes, nought for a shared one.
    counts: Vec<usize>,
}

/// Biases that are tried, in nats.
const TRIED: std::ops::RangeInclusive<i32> = -32..=8;
const STEP: f64 = 0.25;
const SWEEPS: usize = 4;

impl Places {
    /// Adds the places of windows where a token of `target`, number `which` of the caches, begins
    /// where a source token ended. `strata` stand for all new tokens.
    pub fn add(
        &mut self,
        network: &Network,
        (target, which): (&Target, usize),
        (table, places): (&FeatureTable, &HashMap<u32, u32>),
        strata: &[Stratum],
        windows: &[Window],
        device: &Device,
    ) -> Result<(), TrainError> {
        let hidden = network.sizes.hidden;
        let (mut states, mut sums) = (Vec::new(), Vec::new());
        for window in windows {
            let (mut end, mut at) = (0u32, 0usize);
            let mut before: Option<usize> = None;
            for id in target.tokenizer.encode(&window.text, false)? {
                if let Some(place) = before {
                    let state = &window.last[place * hidden..(place + 1) * hidden];
                    states.extend(state.iter().map(|x| x.to_f32()));
                    sums.push(f64::from(window.shared[which][place]));
                    self.counts.push(target.pieces(id).map_or(0, <[u32]>::len));
                }
                end += target.tokenizer.token_bytes(id).map_or(0, <[u8]>::len) as u32;
                while window.ends.get(at).is_some_and(|&e| e < end) {
                    at += 1;
                }
                before = (window.ends.get(at) == Some(&end)).then_some(at);
            }
        }
        let states = TensorData::new(states, [sums.len(), hidden]);
        let states = Tensor::<2>::from_data(states, device);
        let slopes = values(
            states
                .clone()
                .matmul(network.bias_direction.clone().transpose()),
        );
        self.slopes.extend(slopes.into_iter().map(f64::from));
        let pool: Vec<u32> = strata.iter().flat_map(|s| &s.ids).copied().collect();
        let keys: Vec<u32> = pool.iter().map(|id| places[id]).collect();
        let rows = table
            .rows(network, network.head(), &keys, None, device)
            .output;
        let logits = values(states.matmul(rows.transpose()));
        let weights = strata.iter().flat_map(|stratum| {
            let count = stratum.ids.len();
            std::iter::repeat_n(stratum.size as f64 / count.max(1) as f64, count)
        });
        let counts = pool
            .iter()
            .map(|id| match target.sources.get(*id as usize) {
                Some(Source::Pieces(pieces)) => pieces.len().min(MAX_PIECES),
                _ => 0,
            });
        let shares: Vec<(usize, f64)> = counts.zip(weights).collect();
        for (logits, sum) in logits.chunks_exact(pool.len().max(1)).zip(&sums) {
            let mut found = [0f64; MAX_PIECES + 1];
            for (logit, (count, weight)) in logits.iter().zip(&shares) {
                found[*count] += weight * (f64::from(*logit) - sum).exp();
            }
            self.shares.push(found);
        }
        Ok(())
    }

    /// The mean loss, but for what no bias changes.
    pub fn loss(&self, bias: &[f32; MAX_PIECES + 1]) -> f64 {
        let places = self.shares.iter().zip(&self.slopes).zip(&self.counts);
        let losses = places.map(|((shares, slope), count)| {
            let biased = shares.iter().zip(bias);
            let new: f64 = biased
                .map(|(share, bias)| share * (f64::from(*bias) * slope).exp())
                .sum();
            (1.0 + new).ln() - f64::from(bias[*count]) * slope
        });
        losses.sum::<f64>() / self.shares.len().max(1) as f64
    }

    /// The biases of least loss, one after the other until none changes; that of nought pieces, the
    /// shared tokens, stays at nought.
    pub fn fit(&self) -> [f32; MAX_PIECES + 1] {
        let mut best = [0f32; MAX_PIECES + 1];
        for _ in 0..SWEEPS {
            for count in 2..=MAX_PIECES {
                let tried = TRIED.map(|step| {
                    let mut bias = best;
                    bias[count] = (f64::from(step) * STEP) as f32;
                    (self.loss(&bias), bias)
                });
                let least = tried.min_by(|a, b| a.0.total_cmp(&b.0));
                best = least.map_or(best, |(_, bias)| bias);
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With one kind of new token of share `s` everywhere and `p` of the places, the best bias is
    /// where `s e^b / (1 + s e^b) = p`.
    #[test]
    fn the_best_bias_gives_new_tokens_their_frequency() {
        let mut places = Places::default();
        for place in 0..100 {
            let mut shares = [0f64; MAX_PIECES + 1];
            shares[2] = 4.0;
            places.shares.push(shares);
            places.slopes.push(1.0);
            places.counts.push(if place < 20 { 2 } else { 0 });
        }
        let bias = places.fit();
        let want = (0.2f64 / 0.8 / 4.0).ln();
        assert!(
            (f64::from(bias[2]) - want).abs() <= STEP / 2.0 + 1e-9,
            "{bias:?}"
        );
        assert!(places.loss(&bias) < places.loss(&[0.0; MAX_PIECES + 1]));
    }
}
