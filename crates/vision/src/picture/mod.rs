//! From the bytes of a file to the pixels that a model takes.

mod area;
mod decode;
mod jpeg;
mod preprocess;

pub use decode::{MAX_PIXELS, Picture};
pub use preprocess::{Crop, Frame, Preprocessed, preprocess};
