#[cfg(feature = "model")]
use super::Asked;
use super::select::top_k;
use super::{Reduction, TokenReducer, TokenView};
use crate::VisionError;
#[cfg(feature = "model")]
use lexigraft_models::vision::{ByAttention, Rule};

/// The adversarial control: keeps the tokens that CLS attends to least.
#[derive(Debug, Clone, Copy, Default)]
pub struct Lowest;

impl TokenReducer for Lowest {
    fn name(&self) -> &'static str {
        "lowest"
    }

    fn reduce(&self, view: &TokenView<'_>, keep: usize) -> Result<Reduction, VisionError> {
        view.check(keep)?;
        let inverted: Vec<f32> = view.scores().iter().map(|score| -score).collect();
        let kept = top_k(&inverted, keep);
        Ok(Reduction::keep(view.tokens(), view.leading, &kept))
    }

    #[cfg(feature = "model")]
    fn rule(&self, _asked: Asked) -> Option<Rule> {
        Some(Rule::ByAttention(ByAttention::Least))
    }
}
