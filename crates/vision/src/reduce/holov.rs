use super::select::{dot, normalised, ranking, row};
use super::{Reduction, TokenReducer, TokenView};
use crate::VisionError;

/// HoloV (arXiv 2510.02912): the budget is spread over contiguous crops of the picture, so that
/// none is left without context. Within a crop a token's score is its attention plus the variance
/// of its similarities to the crop's other tokens; a crop's share follows the sum of its scores.
#[derive(Debug, Clone, Copy)]
pub struct HoloV {
    /// Runs of neighbouring tokens.
    pub crops: usize,
    /// Weight of the variance.
    pub alpha: f32,
}

/// Weight of the attention, which is of the order of one over the number of tokens.
const ATTENTION_WEIGHT: f32 = 1e3;

impl Default for HoloV {
    fn default() -> Self {
        Self {
            crops: 16,
            alpha: 1.0,
        }
    }
}

impl TokenReducer for HoloV {
    fn name(&self) -> &'static str {
        "holov"
    }

    fn reduce(&self, view: &TokenView<'_>, keep: usize) -> Result<Reduction, VisionError> {
        view.check(keep)?;
        let n = view.reducible();
        let crops = self.crops.clamp(1, n.max(1));
        let bounds: Vec<usize> = (0..=crops).map(|crop| crop * n / crops).collect();
        let unit = normalised(view.features(), view.width);
        let mut scores = Vec::with_capacity(n);
        let mut spans = Vec::with_capacity(crops);
        for pair in bounds.windows(2) {
            let &[start, end] = pair else { continue };
            for token in start..end {
                let own = row(&unit, token, view.width);
                let others: Vec<f32> = (start..end)
                    .filter(|&other| other != token)
                    .map(|other| dot(own, row(&unit, other, view.width)))
                    .collect();
                let attention = view.scores().get(token).copied().unwrap_or_default();
                scores.push(ATTENTION_WEIGHT * attention + self.alpha * variance(&others));
            }
            spans.push(start..end);
        }
        let sums: Vec<f32> = spans
            .iter()
            .map(|span| scores.get(span.clone()).unwrap_or_default().iter().sum())
            .collect();
        let sizes: Vec<usize> = spans.iter().map(ExactSizeIterator::len).collect();
        let mut kept = Vec::with_capacity(keep);
        for (span, quota) in spans.iter().zip(quotas(&sums, &sizes, keep)) {
            let order = ranking(scores.get(span.clone()).unwrap_or_default());
            kept.extend(order.into_iter().take(quota).map(|at| span.start + at));
        }
        kept.sort_unstable();
        Ok(Reduction::keep(view.tokens(), view.leading, &kept))
    }
}

fn variance(values: &[f32]) -> f32 {
    let count = values.len().max(1) as f32;
    let mean = values.iter().sum::<f32>() / count;
    values.iter().map(|v| (v - mean) * (v - mean)).sum::<f32>() / count
}

/// Splits `total` in proportion to `weights`, none above its size: each unit goes where quota plus
/// one half lags its due most, so the sum is exact.
pub(super) fn quotas(weights: &[f32], sizes: &[usize], total: usize) -> Vec<usize> {
    let sum: f32 = weights.iter().sum();
    let due: Vec<f32> = weights
        .iter()
        .map(|weight| {
            if sum > 0.0 {
                weight / sum * total as f32
            } else {
                total as f32 / weights.len() as f32
            }
        })
        .collect();
    let mut quotas: Vec<usize> = due
        .iter()
        .zip(sizes)
        .map(|(due, &size)| (due.floor() as usize).min(size))
        .collect();
    let mut left = total.saturating_sub(quotas.iter().sum());
    while left > 0 {
        let lag = due
            .iter()
            .zip(&quotas)
            .zip(sizes)
            .map(|((due, &quota), &size)| {
                if quota < size {
                    due - quota as f32
                } else {
                    f32::NEG_INFINITY
                }
            });
        let Some(at) = super::select::argmax(lag) else {
            break;
        };
        match (quotas.get_mut(at), sizes.get(at)) {
            (Some(quota), Some(&size)) if *quota < size => *quota += 1,
            _ => break,
        }
        left -= 1;
    }
    quotas
}
