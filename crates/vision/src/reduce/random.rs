use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Reduction, TokenReducer, TokenView};
use crate::VisionError;

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
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(view.layer as u64);
        let mut drawn: Vec<(u64, usize)> = (0..view.reducible())
            .map(|index| (rng.next_u64(), index))
            .collect();
        drawn.sort_unstable();
        let mut kept: Vec<usize> = drawn.into_iter().take(keep).map(|(_, i)| i).collect();
        kept.sort_unstable();
        Ok(Reduction::keep(view.tokens(), view.leading, &kept))
    }
}
