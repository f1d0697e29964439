use super::select::{argmax, complement, dot, normalised, ranking, row, top_k};
use super::{Reduction, TokenReducer, TokenView};
use crate::VisionError;

/// LLaVA-PruMerge (arXiv 2403.15388): tokens whose CLS attention is an outlier stay, and each takes
/// in the tokens nearest to it by keys, weighted by their attention; one more token sums up those
/// that nobody took in.
#[derive(Debug, Clone, Copy)]
pub struct PruMerge {
    /// Nearest tokens that each kept one takes in.
    pub neighbours: usize,
    /// Keep the outliers, however many they are, instead of the count asked for.
    pub adaptive: bool,
}

impl Default for PruMerge {
    fn default() -> Self {
        Self {
            neighbours: 32,
            adaptive: false,
        }
    }
}

impl TokenReducer for PruMerge {
    fn name(&self) -> &'static str {
        if self.adaptive {
            "prumerge-adaptive"
        } else {
            "prumerge"
        }
    }

    /// There may be one token more than `keep`, the summary; when no attention is an outlier the
    /// adaptive form falls back on `keep`.
    fn reduce(&self, view: &TokenView<'_>, keep: usize) -> Result<Reduction, VisionError> {
        view.check(keep)?;
        let (n, leading, scores) = (view.reducible(), view.leading, view.scores());
        if keep == n {
            return Ok(Reduction::all(view.tokens()));
        }
        let outliers = outliers(scores);
        let kept = if self.adaptive && !outliers.is_empty() {
            outliers
        } else {
            top_k(scores, keep)
        };
        let rest = complement(&kept, n);
        let width = view.key_width;
        let unit = normalised(view.feature_keys(), width);
        let score = |index: usize| scores.get(index).copied().unwrap_or_default();
        // Who takes in whom, and for each dropped token the nearest of those that take it in.
        let mut nearest: Vec<Option<(usize, f32)>> = vec![None; n];
        let mut taken_in: Vec<Vec<usize>> = Vec::with_capacity(kept.len());
        for (number, &center) in kept.iter().enumerate() {
            let cosines: Vec<f32> = rest
                .iter()
                .map(|&token| dot(row(&unit, center, width), row(&unit, token, width)))
                .collect();
            let mut list = Vec::with_capacity(self.neighbours);
            for at in ranking(&cosines).into_iter().take(self.neighbours) {
                let (Some(&token), Some(&cosine)) = (rest.get(at), cosines.get(at)) else {
                    continue;
                };
                list.push(token);
                if let Some(slot) = nearest.get_mut(token)
                    && slot.is_none_or(|(_, best)| cosine > best)
                {
                    *slot = Some((number, cosine));
                }
            }
            list.sort_unstable();
            taken_in.push(list);
        }
        let mut reduction = Reduction::begin(view.tokens(), leading);
        for (number, (&center, list)) in kept.iter().zip(&taken_in).enumerate() {
            let mut sources = vec![(leading + center, 1.0)];
            sources.extend(list.iter().map(|&token| (leading + token, score(token))));
            let members: Vec<usize> = [center]
                .into_iter()
                .chain(rest.iter().copied().filter(|&token| {
                    nearest
                        .get(token)
                        .copied()
                        .flatten()
                        .is_some_and(|(owner, _)| owner == number)
                }))
                .map(|token| leading + token)
                .collect();
            reduction.push(sources, &members);
        }
        let left: Vec<usize> = rest
            .into_iter()
            .filter(|&token| nearest.get(token).copied().flatten().is_none())
            .collect();
        if !left.is_empty() {
            let total: f32 = left.iter().map(|&token| score(token)).sum();
            let even = 1.0 / left.len() as f32;
            let weight = |token| {
                if total > 0.0 {
                    score(token) / total
                } else {
                    even
                }
            };
            let sources = left.iter().map(|&t| (leading + t, weight(t))).collect();
            let members: Vec<usize> = left.iter().map(|&token| leading + token).collect();
            reduction.push(sources, &members);
        }
        if reduction.outputs() == leading {
            // Nothing kept and nothing left: a picture of no patches.
            return Ok(Reduction::all(view.tokens()));
        }
        Ok(reduction)
    }
}

/// Indices whose score exceeds the third quartile by more than 1.5 times the interquartile range
/// (quartiles by linear interpolation).
pub fn outliers(scores: &[f32]) -> Vec<usize> {
    if argmax(scores.iter().copied()).is_none() {
        return Vec::new();
    }
    let mut sorted = scores.to_vec();
    sorted.sort_by(f32::total_cmp);
    let quantile = |share: f32| {
        let at = share * (sorted.len() - 1) as f32;
        let lower = at.floor() as usize;
        let value = |index: usize| sorted.get(index).copied().unwrap_or_default();
        value(lower)
            + (at - lower as f32)
                * (value(lower + 1) - value(lower))
                * f32::from(u8::from(lower + 1 < sorted.len()))
    };
    let (first, third) = (quantile(0.25), quantile(0.75));
    let limit = third + 1.5 * (third - first);
    (0..scores.len())
        .filter(|&index| scores.get(index).is_some_and(|&score| score > limit))
        .collect()
}
