//! Spellings of bytes inside vocabularies.
//!
//! GPT-2's byte-level alphabet (Radford et al. 2019) writes each byte as one printable
//! character; SentencePiece (Kudo and Richardson 2018) writes a space as U+2581 and a byte
//! that no piece covers as `<0xNN>`.

/// SentencePiece's visible space.
pub(crate) const SPACE_MARK: char = '\u{2581}';

/// How a vocabulary spells the bytes of its ordinary tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spelling {
    /// GPT-2's byte-level alphabet.
    ByteLevel,
    /// `mark` stands for a space; `<0xNN>` for a byte where `byte_fallback`.
    Marked { mark: char, byte_fallback: bool },
    /// UTF-8 as it is.
    Plain,
}

impl Spelling {
    /// The bytes that a token stands for.
    ///
    /// A token with a character outside the byte-level alphabet stands for its own UTF-8,
    /// as the Hugging Face decoder takes it.
    pub(crate) fn bytes_of(self, token: &str) -> Vec<u8> {
        match self {
            Spelling::ByteLevel => token
                .chars()
                .map(byte_of)
                .collect::<Option<Vec<u8>>>()
                .unwrap_or_else(|| token.as_bytes().to_vec()),
            Spelling::Marked {
                mark,
                byte_fallback,
            } => match fallback_byte(token) {
                Some(byte) if byte_fallback => vec![byte],
                _ => token.replace(mark, " ").into_bytes(),
            },
            Spelling::Plain => token.as_bytes().to_vec(),
        }
    }
}

/// The byte that a character of the byte-level alphabet stands for.
///
/// Printable Latin-1 stands for itself; the 68 other bytes are U+0100 onward in byte order.
pub(crate) fn byte_of(c: char) -> Option<u8> {
    match u32::from(c) {
        code @ (0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff) => u8::try_from(code).ok(),
        code @ 0x100..=0x120 => u8::try_from(code - 0x100).ok(),
        code @ 0x121..=0x142 => u8::try_from(code - 0x121 + 0x7f).ok(),
        0x143 => Some(0xad),
        _ => None,
    }
}

/// The byte of a SentencePiece byte piece such as `<0x0A>`.
pub(crate) fn fallback_byte(token: &str) -> Option<u8> {
    let digits = token.strip_prefix("<0x")?.strip_suffix('>')?;
    // from_str_radix alone would let a sign pass.
    if digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        u8::from_str_radix(digits, 16).ok()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_alphabet_covers_each_byte_once() {
        let bytes: Vec<u8> = (0..0x400u32)
            .filter_map(char::from_u32)
            .filter_map(byte_of)
            .collect();
        assert_eq!(bytes.len(), 256);
        assert_eq!(bytes.iter().collect::<BTreeSet<_>>().len(), 256);
        assert_eq!(byte_of('Ġ'), Some(b' '));
        assert_eq!(byte_of('Ċ'), Some(b'\n'));
        assert_eq!(byte_of('\u{121}'), Some(0x7f));
        assert_eq!(byte_of('\u{142}'), Some(0xa0));
    }

    #[test]
    fn byte_pieces() {
        assert_eq!(fallback_byte("<0x0A>"), Some(10));
        assert_eq!(fallback_byte("<0xff>"), Some(255));
        assert_eq!(fallback_byte("<0x+1>"), None);
        assert_eq!(fallback_byte("<0x1>"), None);
        assert_eq!(fallback_byte("x<0x0A>"), None);
    }
}
