//! Token reduction between attention and MLP: which tokens stay, which are merged, and where each
//! patch went.
//!
//! A method is a [`TokenReducer`] over plain slices and a row of [`METHODS`]. Every result is a
//! [`Reduction`]: output tokens as weighted sums of input tokens, and for each input token the
//! output that stands for it, if any. Ties are broken on the lower index.

mod cdpruner;
mod correlation;
mod divprune;
mod evit;
mod holov;
mod lowest;
mod methods;
mod prumerge;
mod random;
mod reduction;
mod schedule;
pub mod select;
mod tome;
mod view;
mod vision_zip;
mod vqtoken;
mod ward;
mod zoo_prune;

pub use cdpruner::{CdPruner, conditional_kernel, greedy_map, relevance};
pub use correlation::Correlation;
pub use divprune::DivPrune;
pub use evit::EVit;
pub use holov::HoloV;
pub use lowest::Lowest;
pub use methods::{METHODS, Method, parse_reduce};
pub use prumerge::{PruMerge, outliers};
pub use random::Random;
pub use reduction::Reduction;
pub use schedule::{Schedule, Step};
pub use tome::ToMe;
pub use view::TokenView;
pub use vision_zip::VisionZip;
pub use vqtoken::{VqToken, cluster};
pub use ward::{Ward, cluster as ward_cluster};
pub use zoo_prune::{ZooPrune, sensitivities};

use crate::VisionError;

/// What a block is asked for, without what its tokens are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// Number of the block, from 0.
    pub layer: usize,
    /// Tokens that may be dropped or merged.
    pub reducible: usize,
    /// Elements of a hidden state.
    pub width: usize,
    /// Of the reducible tokens, those that are to remain.
    pub keep: usize,
}

/// A method that prunes or merges tokens.
pub trait TokenReducer: std::fmt::Debug {
    /// The name by which it is chosen, such as `tome`.
    fn name(&self) -> &'static str;

    /// Reduces the tokens so that `keep` of the [`reducible`](TokenView::reducible) ones remain
    /// (methods that add summary tokens say so). Leading tokens stay as they are.
    ///
    /// # Errors
    /// `invalid-argument` when `keep` exceeds the tokens there are.
    fn reduce(&self, view: &TokenView<'_>, keep: usize) -> Result<Reduction, VisionError>;

    /// Whether attention after the first reduction should count a token as often as the patches
    /// that it stands for.
    fn proportional_attention(&self) -> bool {
        false
    }

    /// Whether what a patch differed from its token by is added again behind the last block.
    fn restores_differences(&self) -> bool {
        false
    }

    /// The form in which a graphics card reduces without the host in between, if the method has one:
    /// the same form for every block and count.
    #[cfg(feature = "model")]
    fn rule(&self, _asked: Asked) -> Option<lexigraft_models::vision::Rule> {
        None
    }

    /// Rows `[count, width]` that the model's projection is to be applied to before
    /// [`reduce`](Self::reduce), whose results come as [`TokenView::projected`]. `features` is
    /// `[reducible, width]`. `None` for methods that need no projection.
    fn probes(&self, _features: &[f32], _width: usize) -> Option<Vec<f32>> {
        None
    }
}
