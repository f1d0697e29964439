use std::io::Cursor;

use image_webp::WebPDecoder;
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;
use zune_png::PngDecoder;

use super::pixels::{MAX_PIXELS, MAX_SIDE, Picture, check_size};
use super::{jpeg, orientation, unreadable};
use crate::VisionError;

impl Picture {
    /// Decodes a PNG, JPEG, WebP or GIF file and turns it as its EXIF orientation says.
    ///
    /// # Errors
    /// `not-an-image`, `empty-image`, `image-too-large` above [`MAX_PIXELS`] (before anything is
    /// allocated for them), `animated-image`, `cmyk-image`.
    pub fn decode(bytes: &[u8]) -> Result<Self, VisionError> {
        let (picture, exif) = match bytes {
            [0x89, b'P', b'N', b'G', ..] => decode_png(bytes)?,
            [0xff, 0xd8, 0xff, ..] => decode_jpeg(bytes)?,
            [b'G', b'I', b'F', b'8', ..] => (decode_gif(bytes)?, None),
            [
                b'R',
                b'I',
                b'F',
                b'F',
                _,
                _,
                _,
                _,
                b'W',
                b'E',
                b'B',
                b'P',
                ..,
            ] => decode_webp(bytes)?,
            _ => {
                return Err(unreadable("it begins like none of the known formats"));
            }
        };
        let turn = exif.and_then(|exif| orientation::read(&exif)).unwrap_or(1);
        Ok(orientation::apply(picture, turn))
    }
}

type Decoded = Result<(Picture, Option<Vec<u8>>), VisionError>;

fn options() -> DecoderOptions {
    DecoderOptions::default()
        .set_max_width(MAX_SIDE)
        .set_max_height(MAX_SIDE)
        // Eight bytes a pixel is the widest form of a PNG; its rows have a byte each besides.
        .inflate_set_limit((MAX_PIXELS * 9) as usize)
        .png_set_strip_to_8bit(true)
        .jpeg_set_out_colorspace(ColorSpace::RGB)
}

fn decode_png(bytes: &[u8]) -> Decoded {
    // The decoder refuses an empty or enormous picture without saying that it is.
    let side = |at: usize| -> Option<usize> {
        let bytes = bytes.get(at..at + 4)?.first_chunk()?;
        usize::try_from(u32::from_be_bytes(*bytes)).ok()
    };
    let (Some(width), Some(height)) = (side(16), side(20)) else {
        return Err(unreadable("the PNG ends within its header"));
    };
    check_size(width, height)?;
    let mut decoder = PngDecoder::new_with_options(ZCursor::new(bytes), options());
    decoder.decode_headers().map_err(|e| debug(&e))?;
    if decoder.is_animated() {
        return Err(VisionError::AnimatedImage);
    }
    let pixels = decoder.decode_raw().map_err(|e| debug(&e))?;
    let channels = decoder
        .colorspace()
        .map_or(0, |space| space.num_components());
    let exif = decoder.info().and_then(|info| info.exif.clone());
    Ok((
        Picture::from_channels(pixels, channels, width, height)?,
        exif,
    ))
}

fn decode_jpeg(bytes: &[u8]) -> Decoded {
    if jpeg::frame(bytes).is_some_and(|frame| frame.components == 4) {
        return Err(VisionError::CmykImage);
    }
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options());
    decoder.decode_headers().map_err(|e| debug(&e))?;
    let info = decoder
        .info()
        .ok_or_else(|| unreadable("the JPEG has no frame"))?;
    let (width, height) = (usize::from(info.width), usize::from(info.height));
    check_size(width, height)?;
    let pixels = decoder.decode().map_err(|e| debug(&e))?;
    let channels = decoder
        .output_colorspace()
        .map_or(0, |space| space.num_components());
    let exif = decoder.exif().cloned();
    Ok((
        Picture::from_channels(pixels, channels, width, height)?,
        exif,
    ))
}

fn decode_webp(bytes: &[u8]) -> Decoded {
    let mut decoder =
        WebPDecoder::new(Cursor::new(bytes)).map_err(|e| unreadable(&e.to_string()))?;
    // A block of metadata is allocated as long as it claims to be, up to 4 GiB.
    decoder.set_memory_limit(bytes.len());
    let (width, height) = decoder.dimensions();
    let (width, height) = (width as usize, height as usize);
    check_size(width, height)?;
    if decoder.is_animated() {
        return Err(VisionError::AnimatedImage);
    }
    let channels = if decoder.has_alpha() { 4 } else { 3 };
    let mut pixels = vec![0; width * height * channels];
    decoder
        .read_image(&mut pixels)
        .map_err(|e| unreadable(&e.to_string()))?;
    // A picture whose EXIF block is damaged is shown as it lies.
    let exif = decoder.exif_metadata().ok().flatten();
    Ok((
        Picture::from_channels(pixels, channels, width, height)?,
        exif,
    ))
}

fn decode_gif(bytes: &[u8]) -> Result<Picture, VisionError> {
    let failed = |error: gif::DecodingError| unreadable(&error.to_string());
    let side = |at: usize| -> Option<usize> {
        let bytes = bytes.get(at..at + 2)?.first_chunk()?;
        Some(usize::from(u16::from_le_bytes(*bytes)))
    };
    if let (Some(width), Some(height)) = (side(6), side(8)) {
        check_size(width, height)?;
    }
    let mut options = gif::DecodeOptions::new();
    options.set_color_output(gif::ColorOutput::RGBA);
    // A frame lies within the screen, whatever it claims.
    let screen = side(6).unwrap_or(0) as u64 * side(8).unwrap_or(0) as u64 * 4;
    if let Some(most) = std::num::NonZeroU64::new(screen) {
        options.set_memory_limit(gif::MemoryLimit::Bytes(most));
    }
    let mut decoder = options.read_info(bytes).map_err(failed)?;
    let (width, height) = (usize::from(decoder.width()), usize::from(decoder.height()));
    check_size(width, height)?;
    let mut rgb = vec![0; width * height * 3];
    let frame = decoder
        .read_next_frame()
        .map_err(failed)?
        .ok_or_else(|| unreadable("the GIF has no frame"))?;
    let (left, top) = (usize::from(frame.left), usize::from(frame.top));
    let frame_width = usize::from(frame.width).max(1);
    let (pixels, _) = frame.buffer.as_chunks::<4>();
    for (index, &[r, g, b, alpha]) in pixels.iter().enumerate() {
        let (x, y) = (left + index % frame_width, top + index / frame_width);
        if alpha == 0 || x >= width {
            continue;
        }
        if let Some(pixel) = rgb.get_mut((y * width + x) * 3..(y * width + x) * 3 + 3) {
            pixel.copy_from_slice(&[r, g, b]);
        }
    }
    if matches!(decoder.next_frame_info(), Ok(Some(_))) {
        return Err(VisionError::AnimatedImage);
    }
    Ok(Picture { width, height, rgb })
}

/// These decoders' errors have no other text for people.
fn debug(error: &dyn std::fmt::Debug) -> VisionError {
    let text = format!("{error:?}");
    unreadable(text.trim())
}
