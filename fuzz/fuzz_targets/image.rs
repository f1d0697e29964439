//! Picture files: the header check that the page makes, and the decoders of the command line.
#![no_main]

use lexigraft_fuzz::within;
use lexigraft_vision::picture::{Picture, check_header};
use libfuzzer_sys::fuzz_target;

/// Larger pictures take their time rightly, and lead through the same code.
const DECODED: usize = 1 << 20;

fuzz_target!(|file: &[u8]| {
    // The header check looks, and keeps nothing but an error's text.
    let header = within(4096, || check_header(file));
    if header.is_err() || claimed(file).is_none_or(|pixels| pixels > DECODED) {
        return;
    }
    // Pixels of up to eight bytes in a few forms, beside the file and the decoders' tables.
    let bound = (16 << 20) + 64 * DECODED + 16 * file.len();
    if let Ok(picture) = within(bound, || Picture::decode(file)) {
        assert!(picture.width() * picture.height() <= DECODED);
        assert_eq!(picture.rgb().len(), picture.width() * picture.height() * 3);
    }
});

/// The pixels that a file claims to hold, as far as this is easily told.
fn claimed(file: &[u8]) -> Option<usize> {
    let number = |at: usize, count: usize, big: bool| {
        let bytes = file.get(at..at.checked_add(count)?)?;
        let add = |sum: usize, byte: &u8| (sum << 8) | usize::from(*byte);
        Some(match big {
            true => bytes.iter().fold(0, add),
            false => bytes.iter().rev().fold(0, add),
        })
    };
    let (width, height) = match file.first()? {
        0x89 => (number(16, 4, true)?, number(20, 4, true)?),
        b'G' => (number(6, 2, false)?, number(8, 2, false)?),
        0xff => {
            // Any start of frame, the largest of them.
            let frames = (0..file.len()).filter(|&at| {
                number(at, 2, true).is_some_and(|marker| (0xffc0..=0xffcf).contains(&marker))
            });
            let sizes =
                frames.filter_map(|at| Some((number(at + 5, 2, true)?, number(at + 7, 2, true)?)));
            sizes.max_by_key(|(height, width)| height * width)?
        }
        _ => match file.get(12..16)? {
            b"VP8X" => (number(24, 3, false)? + 1, number(27, 3, false)? + 1),
            b"VP8L" => {
                let bits = number(21, 4, false)?;
                (1 + (bits & 0x3fff), 1 + (bits >> 14 & 0x3fff))
            }
            _ => (
                number(26, 2, false)? & 0x3fff,
                number(28, 2, false)? & 0x3fff,
            ),
        },
    };
    width.checked_mul(height)
}
