#[cfg(feature = "model")]
use super::Asked;
use super::select::{complement, top_k};
use super::{Reduction, TokenReducer, TokenView};
use crate::VisionError;
#[cfg(feature = "model")]
use lexigraft_models::vision::{ByAttention, Rule};

/// EViT (arXiv 2202.07800): the tokens that CLS attends to most stay. With `fuse`, one more token
/// at the end is the sum of the others weighted by that attention, not normalised.
#[derive(Debug, Clone, Copy, Default)]
pub struct EVit {
    pub fuse: bool,
}

impl TokenReducer for EVit {
    fn name(&self) -> &'static str {
        if self.fuse { "evit-fuse" } else { "evit" }
    }

    /// With `fuse` there is one token more than `keep`.
    fn reduce(&self, view: &TokenView<'_>, keep: usize) -> Result<Reduction, VisionError> {
        view.check(keep)?;
        if keep == view.reducible() {
            return Ok(Reduction::all(view.tokens()));
        }
        let kept = top_k(view.scores(), keep);
        let mut reduction = Reduction::keep(view.tokens(), view.leading, &kept);
        if self.fuse {
            let attention = |index: usize| view.scores().get(index).copied().unwrap_or_default();
            let sources = complement(&kept, view.reducible())
                .into_iter()
                .map(|index| (view.leading + index, attention(index)))
                .collect();
            reduction.push(sources, &[]);
        }
        Ok(reduction)
    }

    #[cfg(feature = "model")]
    fn rule(&self, _asked: Asked) -> Option<Rule> {
        Some(Rule::ByAttention(match self.fuse {
            true => ByAttention::MostAndFused,
            false => ByAttention::Most,
        }))
    }
}
