//! Tokenized models as models of bytes.
//!
//! A model of tokens answers wrongly when a prompt ends inside a token, and two models with
//! different tokenizers have nothing to compare. Both go away one level down: a [`ByteModel`]
//! sums over the token sequences that cover a text and gives the distribution of the next byte,
//! wherever the text was cut.
//!
//! Two sums are meant by that, and [`Estimand`] names which. [`NextByte`] is the face of all that
//! predicts bytes: a [`ByteModel`], or an [`Ensemble`] of several. [`ByteGeneration`] draws text
//! from it under [constraints](ByteConstraint); [`TokenGeneration`] is decoding as users know it.

mod baseline;
mod constraint;
mod context;
mod cover;
mod distribution;
mod draw;
mod ensemble;
mod generation;
mod language_scorer;
mod middle;
mod model;
mod next_byte;
mod scorer;
mod tree;

pub use baseline::{TokenGeneration, TokenMethod};
#[cfg(feature = "grammar")]
pub use constraint::GrammarConstraint;
pub use constraint::{ByteConstraint, RegexConstraint, Utf8Constraint, allowed_by, token_mask};
pub use context::Context;
pub use cover::ShownCover;
pub use distribution::{ByteDistribution, SLOTS, STOP, jensen_shannon};
pub use ensemble::{Combination, Ensemble, combine};
pub use generation::{ByteEnd, ByteGeneration, ByteGenerationOptions, ByteResult, ByteStep};
pub use language_scorer::LanguageScorer;
pub use middle::{MiddlePrompt, fill_in_the_middle};
pub use model::{Beam, ByteModel, ByteScore, Cover, Estimand};
pub use next_byte::{ByteSet, LocalFuture, NextByte, Precision, READ_AHEAD};
pub use scorer::{Cost, TokenScorer};
