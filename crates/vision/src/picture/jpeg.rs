//! What a JPEG's frame header says before anything is decoded.

/// A frame header.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub width: usize,
    pub height: usize,
    /// Colour components: 1 grey, 3 colour, 4 CMYK or YCCK.
    pub components: u8,
}

/// The first frame header; `None` when there is none.
pub(super) fn frame(bytes: &[u8]) -> Option<Frame> {
    let mut rest = bytes.strip_prefix(&[0xff, 0xd8])?;
    loop {
        // Any number of fill bytes may stand before a marker.
        rest = rest.strip_prefix(&[0xff])?;
        let (&marker, after) = rest.split_first()?;
        match marker {
            0xff => continue,
            0x01 | 0xd0..=0xd8 => {
                rest = after;
                continue;
            }
            _ => {}
        }
        let length = usize::from(u16::from_be_bytes(*after.first_chunk()?));
        // Start of frame, of any kind; the other three numbers are tables.
        if matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc) {
            let &[_, _, _, a, b, c, d, components] = after.first_chunk()?;
            return Some(Frame {
                width: usize::from(u16::from_be_bytes([c, d])),
                height: usize::from(u16::from_be_bytes([a, b])),
                components,
            });
        }
        if marker == 0xda {
            return None;
        }
        rest = after.get(length.max(2)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::{Frame, frame};

    #[test]
    fn finds_the_frame_behind_other_segments_and_ends_on_damage() {
        let header = [0xff, 0xc2, 0, 20, 8, 0, 1, 0, 1, 4];
        let segment = [0xff, 0xd8, 0xff, 0xe1, 0, 5, 1, 2, 3, 0xff];
        let expected = Frame {
            width: 1,
            height: 1,
            components: 4,
        };
        assert_eq!(frame(&[&segment[..], &header].concat()), Some(expected));
        for end in 0..segment.len() {
            assert_eq!(frame(&segment[..end]), None);
        }
        assert_eq!(frame(&[0xff, 0xd8, 0xff, 0xda, 0, 2]), None);
        assert_eq!(frame(b"\x89PNG"), None);
    }
}
