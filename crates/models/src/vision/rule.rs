use lexigraft_kernels::ops::{ByAttention, Matching};

/// How a graphics card reduces the tokens of a block without the host in between.
#[derive(Debug, Clone, PartialEq)]
pub enum Rule {
    /// Tokens merge.
    Merge(Matching),
    /// What CLS attends to decides.
    ByAttention(ByAttention),
    /// Tokens that are far from each other, by cosines of hidden states, are kept (arXiv 2503.02175).
    Diverse,
    /// As [`Rule::Diverse`] by the MLP's results, weighed by how far apart the MLP puts each token a
    /// `step` ahead and a `step` back, summed over `directions` `[count, hidden]` (arXiv 2509.24837).
    Sensitive { directions: Vec<f32>, step: f32 },
    /// These are kept, ascending, counted behind the leading tokens.
    Chosen(Vec<usize>),
}

impl Rule {
    /// Whether tokens are dropped, rather than becoming part of others.
    pub fn drops(&self) -> bool {
        !matches!(self, Self::Merge(_))
    }
}
