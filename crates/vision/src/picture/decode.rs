use std::io::Cursor;

use image::codecs::gif::GifDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::metadata::Orientation;
use image::{
    AnimationDecoder, DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits,
};

use super::jpeg;
use crate::VisionError;

/// Most pixels of a picture: 64 million, 256 MB as decoded.
pub const MAX_PIXELS: u64 = 64 << 20;

/// A decoded picture: upright, three channels of eight bits, transparency dropped.
#[derive(Debug, Clone)]
pub struct Picture {
    pub(super) pixels: image::RgbImage,
}

impl Picture {
    /// Decodes a PNG, JPEG, WebP, GIF or BMP file and turns it as its EXIF orientation says.
    ///
    /// # Errors
    /// `not-an-image`, `empty-image`, `image-too-large` above [`MAX_PIXELS`] (before anything is
    /// allocated for them), `animated-image`, `cmyk-image`.
    pub fn decode(bytes: &[u8]) -> Result<Self, VisionError> {
        let format = image::guess_format(bytes).map_err(unreadable)?;
        let (width, height) = ImageReader::with_format(Cursor::new(bytes), format)
            .into_dimensions()
            .or_else(|error| declared(bytes, format).ok_or_else(|| unreadable(error)))?;
        check_size(width, height)?;
        if format == ImageFormat::Jpeg && jpeg::components(bytes) == Some(4) {
            return Err(VisionError::CmykImage);
        }
        if animated(bytes, format)? {
            return Err(VisionError::AnimatedImage);
        }
        let mut limits = Limits::default();
        // Eight bytes a pixel is the widest form that is decoded to, twice for scratch.
        limits.max_alloc = Some(MAX_PIXELS * 16);
        let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
        reader.limits(limits);
        let mut decoder = reader.into_decoder().map_err(unreadable)?;
        // A picture whose EXIF block is damaged is shown as it lies.
        let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
        let mut decoded = DynamicImage::from_decoder(decoder).map_err(unreadable)?;
        decoded.apply_orientation(orientation);
        Ok(Self {
            pixels: decoded.into_rgb8(),
        })
    }

    /// Takes pixels that something else decoded, row by row, three bytes each.
    ///
    /// # Errors
    /// `empty-image`, `image-too-large`, `invalid-argument` when `rgb` has another length.
    pub fn from_rgb(rgb: Vec<u8>, width: u32, height: u32) -> Result<Self, VisionError> {
        check_size(width, height)?;
        let length = rgb.len();
        let pixels = image::RgbImage::from_raw(width, height, rgb)
            .filter(|_| length as u64 == 3 * u64::from(width) * u64::from(height))
            .ok_or_else(|| {
                VisionError::InvalidArgument(format!(
                    "{length} bytes are no {width} x {height} pixels of three"
                ))
            })?;
        Ok(Self { pixels })
    }

    pub fn width(&self) -> u32 {
        self.pixels.width()
    }

    pub fn height(&self) -> u32 {
        self.pixels.height()
    }

    /// The pixels row by row, three bytes each.
    pub fn rgb(&self) -> &[u8] {
        self.pixels.as_raw()
    }
}

fn check_size(width: u32, height: u32) -> Result<(), VisionError> {
    if width == 0 || height == 0 {
        return Err(VisionError::EmptyImage { width, height });
    }
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(VisionError::ImageTooLarge {
            width,
            height,
            limit: MAX_PIXELS,
        });
    }
    Ok(())
}

/// The size that the header of a PNG or GIF declares: decoders refuse an empty picture without
/// saying that it is empty.
fn declared(bytes: &[u8], format: ImageFormat) -> Option<(u32, u32)> {
    match format {
        ImageFormat::Png => {
            let width = bytes.get(16..20)?.first_chunk()?;
            let height = bytes.get(20..24)?.first_chunk()?;
            let size = (u32::from_be_bytes(*width), u32::from_be_bytes(*height));
            (size.0 == 0 || size.1 == 0 || u64::from(size.0) * u64::from(size.1) > MAX_PIXELS)
                .then_some(size)
        }
        ImageFormat::Gif => {
            let width = u16::from_le_bytes(*bytes.get(6..8)?.first_chunk()?);
            let height = u16::from_le_bytes(*bytes.get(8..10)?.first_chunk()?);
            (width == 0 || height == 0).then_some((width.into(), height.into()))
        }
        _ => None,
    }
}

fn animated(bytes: &[u8], format: ImageFormat) -> Result<bool, VisionError> {
    let cursor = Cursor::new(bytes);
    Ok(match format {
        ImageFormat::Gif => {
            let frames = GifDecoder::new(cursor).map_err(unreadable)?.into_frames();
            frames.take(2).filter(Result::is_ok).count() > 1
        }
        ImageFormat::Png => PngDecoder::new(cursor)
            .and_then(|decoder| decoder.is_apng())
            .map_err(unreadable)?,
        ImageFormat::WebP => WebPDecoder::new(cursor)
            .map_err(unreadable)?
            .has_animation(),
        _ => false,
    })
}

fn unreadable(error: ImageError) -> VisionError {
    VisionError::NotAnImage(error.to_string())
}
