/// Why there is no constraint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrammarError {
    /// It does not parse, asks for what is not supported, or is too large.
    #[error("{0}")]
    Bad(String),
    /// No text satisfies it.
    #[error("{0}")]
    Contradictory(String),
}

impl GrammarError {
    /// Stable across releases.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Bad(_) => "bad-constraint",
            Self::Contradictory(_) => "contradictory-constraints",
        }
    }
}
