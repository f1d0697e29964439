//! What a vocabulary is made of, after Qtok (arXiv 2410.12989).

use std::collections::BTreeMap;

use serde::Serialize;
use unicode_script::{Script, UnicodeScript};

use crate::{TokenTable, TransferError};

/// Numbers of tokens.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Anatomy {
    /// Ids.
    pub ids: usize,
    /// Ids without a token.
    pub holes: usize,
    /// Control tokens.
    pub special: usize,
    /// Text tokens.
    pub text: usize,
    /// Text tokens that begin with a space.
    pub begins_word: usize,
    /// Text tokens that are no UTF-8 alone: parts of characters.
    pub not_utf8: usize,
    /// Text tokens that the tokenizer never writes for their own text.
    pub unreachable: usize,
    /// Text tokens of spaces, tabs and line ends alone.
    pub blank: usize,
    /// Text tokens with digits and nothing else but spaces.
    pub digits: usize,
    /// Text tokens of punctuation and symbols.
    pub symbols: usize,
    /// Text tokens with letters, by the script of the first one.
    pub scripts: BTreeMap<&'static str, usize>,
}

/// Sorts the tokens of a vocabulary.
///
/// # Errors
/// Those of encoding.
pub fn anatomy(table: &TokenTable) -> Result<Anatomy, TransferError> {
    let mut found = Anatomy {
        ids: table.len(),
        ..Anatomy::default()
    };
    for id in 0..table.len() as u32 {
        let Some(bytes) = table.bytes(id) else {
            found.holes += 1;
            continue;
        };
        if table.is_special(id) {
            found.special += 1;
            continue;
        }
        found.text += 1;
        found.begins_word += usize::from(bytes.first() == Some(&b' '));
        let Ok(text) = std::str::from_utf8(bytes) else {
            found.not_utf8 += 1;
            continue;
        };
        let ids = table.tokenizer().encode(text, false)?;
        found.unreachable += usize::from(ids != [id]);
        let letter = text.chars().find(|c| c.is_alphabetic());
        let rest = text.trim();
        if let Some(letter) = letter {
            *found
                .scripts
                .entry(letter.script().full_name())
                .or_default() += 1;
        } else if rest.is_empty() {
            found.blank += 1;
        } else if rest.chars().all(char::is_numeric) {
            found.digits += 1;
        } else if rest
            .chars()
            .all(|c| c.script() == Script::Common || c.is_ascii())
        {
            found.symbols += 1;
        } else {
            // Marks without a letter, emoji joiners and the like.
            *found.scripts.entry("Other").or_default() += 1;
        }
    }
    Ok(found)
}
