use crate::VisionError;

/// Most pixels of a picture: 64 million.
pub const MAX_PIXELS: u64 = 64 << 20;

/// Longest side, so that no product of sides overflows anywhere.
pub(super) const MAX_SIDE: usize = 1 << 16;

/// A decoded picture: upright, three channels of eight bits, transparency dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    pub(super) width: usize,
    pub(super) height: usize,
    /// Row by row, three bytes a pixel.
    pub(super) rgb: Vec<u8>,
}

impl Picture {
    /// Takes pixels that something else decoded, row by row, three bytes each.
    ///
    /// # Errors
    /// `empty-image`, `image-too-large`, `invalid-argument` when `rgb` has another length.
    pub fn from_rgb(rgb: Vec<u8>, width: usize, height: usize) -> Result<Self, VisionError> {
        check_size(width, height)?;
        if rgb.len() != width * height * 3 {
            return Err(VisionError::InvalidArgument(format!(
                "{} bytes are no {width} x {height} pixels of three",
                rgb.len()
            )));
        }
        Ok(Self { width, height, rgb })
    }

    /// Takes pixels of four bytes each, whose last, their transparency, is dropped.
    ///
    /// # Errors
    /// As [`Picture::from_rgb`].
    pub fn from_rgba(rgba: &[u8], width: usize, height: usize) -> Result<Self, VisionError> {
        check_size(width, height)?;
        let (pixels, left) = rgba.as_chunks::<4>();
        if pixels.len() != width * height || !left.is_empty() {
            return Err(VisionError::InvalidArgument(format!(
                "{} bytes are no {width} x {height} pixels of four",
                rgba.len()
            )));
        }
        let rgb = pixels.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect();
        Ok(Self { width, height, rgb })
    }

    pub fn width(&self) -> usize {
        self.width
    }

    pub fn height(&self) -> usize {
        self.height
    }

    /// The pixels row by row, three bytes each.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// From pixels of one to four channels: grey, grey and alpha, RGB, RGB and alpha.
    #[cfg(feature = "files")]
    pub(super) fn from_channels(
        pixels: Vec<u8>,
        channels: usize,
        width: usize,
        height: usize,
    ) -> Result<Self, VisionError> {
        let rgb = match channels {
            3 => pixels,
            1 | 2 => pixels
                .chunks_exact(channels)
                .flat_map(|pixel| [pixel.first().copied().unwrap_or_default(); 3])
                .collect(),
            4 => {
                let (whole, _) = pixels.as_chunks::<4>();
                whole.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect()
            }
            _ => return Err(super::unreadable(&format!("it has {channels} channels"))),
        };
        if rgb.len() != width * height * 3 {
            return Err(super::unreadable(
                "its pixels are not as many as its size says",
            ));
        }
        Ok(Self { width, height, rgb })
    }
}

pub(super) fn check_size(width: usize, height: usize) -> Result<(), VisionError> {
    if width == 0 || height == 0 {
        return Err(VisionError::EmptyImage { width, height });
    }
    if width as u64 * height as u64 > MAX_PIXELS || width.max(height) > MAX_SIDE {
        return Err(VisionError::ImageTooLarge {
            width,
            height,
            limit: MAX_PIXELS,
        });
    }
    Ok(())
}
