use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

#[cfg(feature = "model")]
use super::Asked;
use super::{Reduction, TokenReducer, TokenView};
use crate::VisionError;
#[cfg(feature = "model")]
use lexigraft_models::vision::Rule;

/// The fair control: keeps tokens drawn at random, the same ones for the same seed and layer.
#[derive(Debug, Clone, Copy, Default)]
pub struct Random {
    pub seed: u64,
}

impl TokenReducer for Random {
    fn name(&self) -> &'static str {
        "random"
    }

    fn reduce(&self, view: &TokenView<'_>, keep: usize) -> Result<Reduction, VisionError> {
        view.check(keep)?;
        let kept = self.draw(view.layer, view.reducible(), keep);
        Ok(Reduction::keep(view.tokens(), view.leading, &kept))
    }

    #[cfg(feature = "model")]
    fn rule(&self, asked: Asked) -> Option<Rule> {
        let kept = self.draw(asked.layer, asked.reducible, asked.keep);
        Some(Rule::Chosen(kept))
    }
}

impl Random {
    /// `keep` of `reducible` places, ascending.
    fn draw(&self, layer: usize, reducible: usize, keep: usize) -> Vec<usize> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(layer as u64);
        let mut drawn: Vec<(u64, usize)> = (0..reducible)
            .map(|index| (rng.next_u64(), index))
            .collect();
        drawn.sort_unstable();
        let mut kept: Vec<usize> = drawn.into_iter().take(keep).map(|(_, i)| i).collect();
        kept.sort_unstable();
        kept
    }
}
