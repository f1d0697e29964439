//! Valid UTF-8.

use super::{ByteConstraint, ByteSet};

/// Lets whole characters through, and an end only between two of them.
#[derive(Debug, Clone, Default)]
pub struct Utf8Constraint {
    open: Vec<u8>,
}

impl Utf8Constraint {
    /// After `prefix`, whose last bytes may be the beginning of a character; what is no UTF-8
    /// before them is let be.
    pub fn after(prefix: &[u8]) -> Self {
        let chunk = prefix.utf8_chunks().last();
        let open = chunk.map(|chunk| chunk.invalid()).unwrap_or_default();
        let mut utf8 = Self::default();
        if may_open(open) {
            utf8.open = open.to_vec();
        }
        utf8
    }
}

/// Whether the bytes are the beginning of a character, and not a whole one.
fn may_open(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes)
        .is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
}

impl ByteConstraint for Utf8Constraint {
    fn allowed(&self) -> ByteSet {
        ByteSet::of(self.open.is_empty(), |byte| {
            let next = [&self.open, &[byte][..]].concat();
            std::str::from_utf8(&next).is_ok() || may_open(&next)
        })
    }

    fn push(&mut self, byte: u8) {
        self.open.push(byte);
        if !may_open(&self.open) {
            self.open.clear();
        }
    }

    fn name(&self) -> String {
        "UTF-8".to_owned()
    }

    fn fork(&self) -> Box<dyn ByteConstraint> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_let_through_if_and_only_if_they_are_text() {
        let mut checked = 0;
        for text in ["a", "é", "€", "😀", "ab😀é"] {
            let mut utf8 = Utf8Constraint::default();
            for (at, byte) in text.bytes().enumerate() {
                assert_eq!(utf8.allowed().contains(256), text.is_char_boundary(at));
                assert!(utf8.allowed().contains(byte.into()));
                utf8.push(byte);
                checked += 1;
            }
            assert_eq!(utf8.allowed(), Utf8Constraint::default().allowed());
        }
        assert_eq!(checked, 18);
        // No lone continuation byte, no overlong form, no surrogate, nothing beyond U+10FFFF.
        let mut utf8 = Utf8Constraint::default();
        for byte in [0x80, 0xbf, 0xc0, 0xc1, 0xf5, 0xff] {
            assert!(!utf8.allowed().contains(byte), "{byte:x}");
        }
        utf8.push(0xed);
        assert!(utf8.allowed().contains(0x9f) && !utf8.allowed().contains(0xa0));
        let cut = Utf8Constraint::after("x€".get(..2).unwrap_or("x").as_bytes());
        assert_eq!(cut.allowed(), Utf8Constraint::default().allowed());
        let cut = Utf8Constraint::after(&"x€".as_bytes()[..3]);
        assert!(cut.allowed().contains(0xac) && !cut.allowed().contains(256));
    }
}
