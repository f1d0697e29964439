//! The EXIF orientation: one number in a TIFF block.

use super::Picture;

const ORIENTATION: u16 = 0x0112;

/// The orientation, 1 to 8, of an EXIF block; `None` when it holds no sensible one.
pub(super) fn read(exif: &[u8]) -> Option<u8> {
    let tiff = exif.strip_prefix(b"Exif\0\0").unwrap_or(exif);
    let big = match tiff.get(..4)? {
        b"MM\0\x2a" => true,
        b"II\x2a\0" => false,
        _ => return None,
    };
    let short = |at: usize| -> Option<u16> {
        let bytes = *tiff.get(at..)?.first_chunk()?;
        Some(if big {
            u16::from_be_bytes(bytes)
        } else {
            u16::from_le_bytes(bytes)
        })
    };
    let long = |at: usize| -> Option<u32> {
        let bytes = *tiff.get(at..)?.first_chunk()?;
        Some(if big {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        })
    };
    let directory = usize::try_from(long(4)?).ok()?;
    let entries = usize::from(short(directory)?);
    // An entry is twelve bytes: tag, type, count, and a value of four that begins with ours.
    (0..entries)
        .map_while(|entry| directory.checked_add(2 + 12 * entry))
        .find(|&at| short(at) == Some(ORIENTATION))
        .and_then(|at| short(at + 8))
        .and_then(|value| u8::try_from(value).ok())
        .filter(|value| (1..=8).contains(value))
}

/// Turns and mirrors a picture so that it is upright.
pub(super) fn apply(picture: Picture, orientation: u8) -> Picture {
    if orientation == 1 {
        return picture;
    }
    let (width, height) = (picture.width, picture.height);
    let swapped = orientation >= 5;
    let (new_width, new_height) = if swapped {
        (height, width)
    } else {
        (width, height)
    };
    let mut rgb = Vec::with_capacity(picture.rgb.len());
    for y in 0..new_height {
        for x in 0..new_width {
            // Where the pixel that belongs here lies in the file.
            let (from_x, from_y) = match orientation {
                2 => (width - 1 - x, y),
                3 => (width - 1 - x, height - 1 - y),
                4 => (x, height - 1 - y),
                5 => (y, x),
                6 => (y, height - 1 - x),
                7 => (width - 1 - y, height - 1 - x),
                8 => (width - 1 - y, x),
                _ => (x, y),
            };
            let at = (from_y * width + from_x) * 3;
            rgb.extend_from_slice(picture.rgb.get(at..at + 3).unwrap_or(&[0; 3]));
        }
    }
    Picture {
        width: new_width,
        height: new_height,
        rgb,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_byte_orders_and_survives_damage() {
        let little = b"II\x2a\0\x08\0\0\0\x02\0\x0f\x01\x02\0\x01\0\0\0\0\0\0\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0";
        assert_eq!(read(little), Some(6));
        let big = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x03\0\0";
        assert_eq!(read(big), Some(3));
        for end in 0..little.len() - 2 {
            let _ = read(&little[..end]);
        }
        assert_eq!(read(b"II\x2a\0\xff\xff\xff\xff"), None);
        assert_eq!(
            read(b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x09\0\0"),
            None
        );
    }

    #[test]
    fn all_eight_bring_the_same_corner_up() {
        // Two by three pixels, numbered; what each orientation shows, by the EXIF definition.
        let upright = Picture {
            width: 2,
            height: 3,
            rgb: (0..6u8).flat_map(|n| [n; 3]).collect(),
        };
        let shown = |orientation: u8| -> Vec<u8> {
            let turned = apply(upright.clone(), orientation);
            turned.rgb.iter().copied().step_by(3).collect()
        };
        assert_eq!(shown(1), [0, 1, 2, 3, 4, 5]);
        assert_eq!(shown(2), [1, 0, 3, 2, 5, 4]);
        assert_eq!(shown(3), [5, 4, 3, 2, 1, 0]);
        assert_eq!(shown(4), [4, 5, 2, 3, 0, 1]);
        assert_eq!(shown(5), [0, 2, 4, 1, 3, 5]);
        assert_eq!(shown(6), [4, 2, 0, 5, 3, 1]);
        assert_eq!(shown(7), [5, 3, 1, 4, 2, 0]);
        assert_eq!(shown(8), [1, 3, 5, 0, 2, 4]);
    }
}
