//! What a picture's first bytes tell, for those who have it decoded by somebody else.

use super::pixels::check_size;
use super::{jpeg, unreadable};
use crate::VisionError;

/// Refuses what [`Picture::decode`](super::Picture) would refuse of a PNG, JPEG, GIF or WebP file,
/// as far as its structure tells: size, animation, CMYK. Other formats pass.
///
/// `bytes` is the whole file.
///
/// # Errors
/// `not-an-image` for a header that ends early, `empty-image`, `image-too-large`,
/// `animated-image`, `cmyk-image`.
pub fn check_header(bytes: &[u8]) -> Result<(), VisionError> {
    match bytes {
        [] => Err(unreadable("the file is empty")),
        [0x89, b'P', b'N', b'G', ..] => check_png(bytes),
        [0xff, 0xd8, 0xff, ..] => check_jpeg(bytes),
        [b'G', b'I', b'F', b'8', ..] => check_gif(bytes),
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
        ] => check_webp(bytes),
        _ => Ok(()),
    }
}

fn take<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], VisionError> {
    bytes
        .get(at..)
        .and_then(|bytes| bytes.first_chunk())
        .copied()
        .ok_or_else(|| unreadable("it ends within its header"))
}

fn check_png(bytes: &[u8]) -> Result<(), VisionError> {
    let side = |at| Ok::<_, VisionError>(u32::from_be_bytes(take(bytes, at)?) as usize);
    check_size(side(16)?, side(20)?)?;
    // Chunks: length, name, that many bytes, a checksum. An animation is told before the pixels.
    let mut at = 8;
    while let (Ok(length), Ok(name)) = (side(at), take::<4>(bytes, at + 4)) {
        match &name {
            b"acTL" => return Err(VisionError::AnimatedImage),
            b"IDAT" => break,
            _ => at = at.saturating_add(12).saturating_add(length),
        }
    }
    Ok(())
}

fn check_jpeg(bytes: &[u8]) -> Result<(), VisionError> {
    let Some(frame) = jpeg::frame(bytes) else {
        return Err(unreadable("the JPEG has no frame"));
    };
    if frame.components == 4 {
        return Err(VisionError::CmykImage);
    }
    check_size(frame.width, frame.height)
}

fn check_gif(bytes: &[u8]) -> Result<(), VisionError> {
    let side = |at| Ok::<_, VisionError>(usize::from(u16::from_le_bytes(take(bytes, at)?)));
    check_size(side(6)?, side(8)?)?;
    let [flags] = take(bytes, 10)?;
    let table = |flags: u8| match flags & 0x80 {
        0 => 0,
        _ => 3 << ((flags & 7) + 1),
    };
    let mut at = 13 + table(flags);
    let mut frames = 0;
    loop {
        match bytes.get(at) {
            // An extension: its kind, then blocks.
            Some(0x21) => at += 2,
            // A frame: place and size, flags, its colours, the code size, then blocks.
            Some(0x2c) => {
                frames += 1;
                if frames > 1 {
                    return Err(VisionError::AnimatedImage);
                }
                let [flags] = take(bytes, at + 9)?;
                at += 11 + table(flags);
            }
            _ => return Ok(()),
        }
        while let Some(&length) = bytes.get(at) {
            at += 1 + usize::from(length);
            if length == 0 {
                break;
            }
        }
    }
}

fn check_webp(bytes: &[u8]) -> Result<(), VisionError> {
    const ANIMATION: u8 = 2;
    match &take::<4>(bytes, 12)? {
        b"VP8X" => {
            let [flags] = take(bytes, 20)?;
            // Sides less one, of three bytes each.
            let side = |at| {
                let [a, b, c] = take(bytes, at)?;
                Ok::<_, VisionError>(1 + u32::from_le_bytes([a, b, c, 0]) as usize)
            };
            check_size(side(24)?, side(27)?)?;
            match flags & ANIMATION {
                0 => Ok(()),
                _ => Err(VisionError::AnimatedImage),
            }
        }
        b"VP8L" => {
            let bits = u32::from_le_bytes(take(bytes, 21)?) as usize;
            check_size(1 + (bits & 0x3fff), 1 + (bits >> 14 & 0x3fff))
        }
        b"VP8 " => {
            let side = |at| {
                let side = u16::from_le_bytes(take(bytes, at)?);
                Ok::<_, VisionError>(usize::from(side & 0x3fff))
            };
            check_size(side(26)?, side(28)?)
        }
        _ => Err(unreadable("the WebP holds no picture")),
    }
}
