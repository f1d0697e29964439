//! From a checkpoint to text: generation, scoring and embedding.
//!
//! [`LanguageModel`] joins tokenizer and decoder; [`Generation`] is one run of it, a chunk of the
//! prompt or one token a step, so that a caller can stop between any two. [`TextEncoder`] joins
//! tokenizer and encoder.

pub mod bytes;
mod error;
mod generation;
mod language_model;
mod sampler;
mod score;
mod stop;
mod text_encoder;
mod vocabulary;

pub use error::DecodeError;
pub use generation::{EndReason, Generation, GenerationOptions, GenerationResult, Prefilled, Step};
pub use language_model::{LanguageModel, LoadOptions, ModelInfo};
pub use sampler::{Sampler, SamplerOptions};
pub use score::{Score, Scoring};
pub use text_encoder::{EncoderInfo, TextEncoder};
pub use vocabulary::tokenizer_of;
