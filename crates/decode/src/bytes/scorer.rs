//! What a byte-level model needs of a token-level one.

use crate::DecodeError;

/// Work done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Cost {
    /// Distributions of the next token that were computed.
    pub evaluations: usize,
    /// Passes through the model; one may give several distributions.
    pub forwards: usize,
    /// Tokens that went through the model, those of the prompt included.
    pub tokens: usize,
}

impl std::ops::Sub for Cost {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            evaluations: self.evaluations.saturating_sub(before.evaluations),
            forwards: self.forwards.saturating_sub(before.forwards),
            tokens: self.tokens.saturating_sub(before.tokens),
        }
    }
}

impl std::ops::Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            evaluations: self.evaluations + other.evaluations,
            forwards: self.forwards + other.forwards,
            tokens: self.tokens + other.tokens,
        }
    }
}

/// Scores of the next token after sequences of tokens.
///
/// Toy models of the tests and real ones behind one face. Logits need not be normalised.
#[allow(
    async_fn_in_trait,
    reason = "one thread drives a model, in the browser too"
)]
pub trait TokenScorer {
    /// Most tokens of a sequence.
    fn context_length(&self) -> usize;

    /// Logits `[vocab]` of the token after each of `paths`, in their order. A path begins with
    /// the first token that the model reads, and is not empty.
    ///
    /// # Errors
    /// `prompt-too-long` for a path longer than the context, `device-lost`.
    async fn logits(&mut self, paths: &[&[u32]]) -> Result<Vec<Vec<f32>>, DecodeError>;

    /// What has been computed since the scorer was made.
    fn cost(&self) -> Cost;
}

/// Paths in an order in which those that begin alike stand together, and a path stands before
/// those that go on from it: places in `paths`.
pub(super) fn order(paths: &[&[u32]]) -> Vec<usize> {
    let mut places: Vec<usize> = (0..paths.len()).collect();
    places.sort_by(|a, b| paths.get(*a).cmp(&paths.get(*b)));
    places
}

/// How many tokens two paths have in common at their beginning.
pub(super) fn common(a: &[u32], b: &[u32]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}
