//! From the bytes of a file to the pixels that a model takes.

mod decode;
mod jpeg;
mod orientation;
mod preprocess;
mod resample;

pub use decode::{MAX_PIXELS, Picture};
pub use preprocess::{Crop, Frame, Preprocessed, preprocess};
