//! From the bytes of a file to the pixels that a model takes.

#[cfg(feature = "files")]
mod decode;
mod header;
mod jpeg;
#[cfg(feature = "files")]
mod orientation;
mod pixels;
mod preprocess;
mod resample;

pub use header::check_header;
pub use pixels::{MAX_PIXELS, Picture};
pub use preprocess::{Crop, Frame, Preprocessed, preprocess};

fn unreadable(what: &str) -> crate::VisionError {
    crate::VisionError::NotAnImage(what.to_owned())
}
