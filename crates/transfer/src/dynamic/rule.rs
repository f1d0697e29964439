//! Which neighbours may become one token.

use crate::{TokenTable, TransferError};

/// Whether two neighbouring tokens may be joined.
///
/// Control tokens stay as they are. A joined token has no double newline in it, no space-like
/// character after its first character unless all of them are space-like, and is one pre-token of
/// the tokenizer. What is no UTF-8 by itself, as a part of a character is, no pre-tokenizer can
/// judge: it is allowed.
///
/// # Errors
/// `invalid-argument` for a run of blanks that the tokenizer's split pattern cannot take.
pub fn may_join(tokens: &TokenTable, left: u32, right: u32) -> Result<bool, TransferError> {
    let text = |id| tokens.bytes(id).filter(|_| !tokens.is_special(id));
    match (text(left), text(right)) {
        (Some(left), Some(right)) => may_be_token(tokens, left, right),
        _ => Ok(false),
    }
}

/// As [`may_join`], of the bytes of two tokens of text.
pub(super) fn may_be_token(
    tokens: &TokenTable,
    left: &[u8],
    right: &[u8],
) -> Result<bool, TransferError> {
    if left.is_empty() || right.is_empty() {
        return Ok(false);
    }
    let joined = [left, right].concat();
    if has_double_newline(&joined) || has_inner_space(&joined) {
        return Ok(false);
    }
    let Ok(text) = std::str::from_utf8(&joined) else {
        return Ok(true);
    };
    // Text that spells a control token would be taken for it.
    if tokens.find_special(&joined).is_some() {
        return Ok(false);
    }
    Ok(tokens.tokenizer().count_pretokens(text)? == 1)
}

fn has_double_newline(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|pair| pair == b"\n\n")
}

/// Bytes that are no character count as one that is no space.
fn has_inner_space(bytes: &[u8]) -> bool {
    let chunks = bytes.utf8_chunks();
    let is_space = chunks.flat_map(|chunk| {
        let broken = (!chunk.invalid().is_empty()).then_some(false);
        chunk.valid().chars().map(char::is_whitespace).chain(broken)
    });
    let is_space: Vec<bool> = is_space.collect();
    is_space.iter().skip(1).any(|is| *is) && !is_space.iter().all(|is| *is)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_are_first_or_everything() {
        let inner = [
            "a b",
            "a ",
            "  a",
            " a b",
            "\ta\t",
            "a\u{a0}b",
            "é\u{2003}",
            "a\n",
        ];
        for text in inner {
            assert!(has_inner_space(text.as_bytes()), "{text:?}");
        }
        for text in [
            "",
            "a",
            " a",
            " ",
            "   ",
            "\t",
            "\n",
            " \n\t",
            "é",
            "\u{3000}x",
        ] {
            assert!(!has_inner_space(text.as_bytes()), "{text:?}");
        }
        // Parts of characters are no spaces, also where their bytes would be.
        assert!(!has_inner_space(b"\xe4\xb8"));
        assert!(!has_inner_space(b" \xe4\xb8"));
        assert!(has_inner_space(b"\xe4\xb8 "));
        assert!(has_inner_space(b"\xe4\xb8 \xad"));
    }

    #[test]
    fn two_newlines_side_by_side_are_double() {
        assert!(has_double_newline(b"\n\n"));
        assert!(has_double_newline(b" \n\n "));
        assert!(!has_double_newline(b"\n \n"));
        assert!(!has_double_newline(b"\r\n\r\n"));
    }
}
