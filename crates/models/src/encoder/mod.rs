//! Bidirectional encoders that turn a text into one vector.

pub mod bert;

pub use bert::{Encoder, EncoderConfig};
