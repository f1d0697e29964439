#[cfg(feature = "model")]
use super::Asked;
use super::select::{argmax, dot, max_min, normalised, row};
use super::{Reduction, TokenReducer, TokenView};
use crate::VisionError;
#[cfg(feature = "model")]
use lexigraft_models::vision::Rule;

/// DivPrune (arXiv 2503.02175): the most diverse tokens by the max-min rule over cosine distances
/// of hidden states, beginning with the token that is farthest from its nearest neighbour.
#[derive(Debug, Clone, Copy, Default)]
pub struct DivPrune;

impl TokenReducer for DivPrune {
    fn name(&self) -> &'static str {
        "divprune"
    }

    fn reduce(&self, view: &TokenView<'_>, keep: usize) -> Result<Reduction, VisionError> {
        view.check(keep)?;
        let mut kept = diverse(view.features(), view.width, keep);
        kept.sort_unstable();
        Ok(Reduction::keep(view.tokens(), view.leading, &kept))
    }

    #[cfg(feature = "model")]
    fn rule(&self, _asked: Asked) -> Option<Rule> {
        Some(Rule::Diverse)
    }
}

/// k indices of rows of `[n, width]` in the order taken.
pub(super) fn diverse(rows: &[f32], width: usize, k: usize) -> Vec<usize> {
    let unit = normalised(rows, width);
    let n = rows.len() / width.max(1);
    // The largest distance to the nearest neighbour is the smallest largest cosine.
    let first = argmax((0..n).map(|index| {
        let own = row(&unit, index, width);
        let closest = (0..n)
            .filter(|&other| other != index)
            .map(|other| dot(own, row(&unit, other, width)))
            .fold(f32::NEG_INFINITY, f32::max);
        1.0 - closest
    }));
    max_min(&unit, width, &vec![1.0; n], first.unwrap_or(0), k)
}
