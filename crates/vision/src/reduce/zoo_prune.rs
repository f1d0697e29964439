use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

#[cfg(feature = "model")]
use super::Asked;
use super::select::{argmax, max_min, min_max, normalised};
use super::{Reduction, TokenReducer, TokenView};
use crate::VisionError;
#[cfg(feature = "model")]
use lexigraft_models::vision::Rule;

/// ZOO-Prune (arXiv 2509.24837): sensitivity of the projection layer to a token, estimated without
/// gradients, times diversity of the projected tokens by the max-min rule.
///
/// In a vision transformer the block's own MLP stands in for the projection to a language model:
/// that is an adaptation, not the paper's setting.
#[derive(Debug, Clone, Copy)]
pub struct ZooPrune {
    /// Random directions, shared by all tokens; 64 in the paper.
    pub directions: usize,
    /// Half the step of the central difference.
    pub step: f32,
    pub seed: u64,
}

impl Default for ZooPrune {
    fn default() -> Self {
        Self {
            directions: 64,
            step: 0.01,
            seed: 0,
        }
    }
}

impl TokenReducer for ZooPrune {
    fn name(&self) -> &'static str {
        "zoo-prune"
    }

    fn reduce(&self, view: &TokenView<'_>, keep: usize) -> Result<Reduction, VisionError> {
        view.check(keep)?;
        if keep == view.reducible() {
            return Ok(Reduction::all(view.tokens()));
        }
        let projected = view.projected.ok_or_else(|| {
            VisionError::InvalidArgument("zoo-prune needs its probes projected".to_owned())
        })?;
        let n = view.reducible();
        let weights = min_max(&sensitivities(projected, n, self.directions, self.step)?);
        let own = projected.len() / (1 + 2 * self.directions);
        let width = own / n.max(1);
        let unit = normalised(projected.get(..own).unwrap_or_default(), width);
        let first = argmax(weights.iter().copied()).unwrap_or(0);
        let mut kept = max_min(&unit, width, &weights, first, keep);
        kept.sort_unstable();
        Ok(Reduction::keep(view.tokens(), view.leading, &kept))
    }

    #[cfg(feature = "model")]
    fn rule(&self, asked: Asked) -> Option<Rule> {
        Some(Rule::Sensitive {
            directions: directions(self.directions, asked.width, self.seed),
            step: self.step,
        })
    }

    /// The tokens, then for each direction the tokens a step ahead and a step back.
    fn probes(&self, features: &[f32], width: usize) -> Option<Vec<f32>> {
        let directions = directions(self.directions, width, self.seed);
        let mut rows = features.to_vec();
        for direction in directions.chunks_exact(width.max(1)) {
            for sign in [1.0, -1.0] {
                let moved = features.iter().zip(direction.iter().cycle());
                rows.extend(moved.map(|(value, u)| value + sign * self.step * u));
            }
        }
        Some(rows)
    }
}

/// `[count, width]` independent Gaussian vectors scaled to length one.
fn directions(count: usize, width: usize, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut uniform = || (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
    let values: Vec<f32> = (0..count * width)
        .map(|_| {
            // Box and Muller; 1 - u is never zero.
            let radius = (-2.0 * (1.0 - uniform()).ln()).sqrt();
            (radius * (std::f64::consts::TAU * uniform()).cos()) as f32
        })
        .collect();
    normalised(&values, width)
}

/// Mean over the directions u of `||P(x + h u) - P(x - h u)|| / 2h` for each of n tokens x.
///
/// `projected` holds P of the tokens, then for each direction of all tokens ahead and all tokens
/// back, as [`TokenReducer::probes`] orders them.
///
/// # Errors
/// `invalid-argument` when the values are not that many rows.
pub fn sensitivities(
    projected: &[f32],
    n: usize,
    directions: usize,
    step: f32,
) -> Result<Vec<f32>, VisionError> {
    let groups = 1 + 2 * directions;
    let group = projected.len() / groups;
    if n == 0
        || directions == 0
        || group == 0
        || group * groups != projected.len()
        || !group.is_multiple_of(n)
    {
        return Err(VisionError::InvalidArgument(format!(
            "{} projected values are no probes of {n} tokens in {directions} directions",
            projected.len()
        )));
    }
    let width = group / n;
    let mut sums = vec![0f32; n];
    let moved = projected.get(group..).unwrap_or_default();
    for pair in moved.chunks_exact(2 * group) {
        let (ahead, back) = pair.split_at(group);
        let rows = ahead.chunks_exact(width).zip(back.chunks_exact(width));
        for (sum, (a, b)) in sums.iter_mut().zip(rows) {
            let squares: f32 = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum();
            *sum += squares.sqrt() / (2.0 * step);
        }
    }
    Ok(sums
        .into_iter()
        .map(|sum| sum / directions as f32)
        .collect())
}
