//! Phantom edits (arXiv 2601.14658): tokens that decode to a text which encodes to others.

use serde::Serialize;

use super::{Splits, stochastok};
use crate::{TokenTable, TransferError};

/// Tokens between two cuts of a text.
const STEP: usize = 16;
/// Tokens before a cut that are looked at: a model continues from what it has just written.
const WINDOW: usize = 48;

/// How often an encoding of a text is not the tokenizer's own.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Consistency {
    /// Places at which the text was cut.
    pub cuts: usize,
    /// Cuts, as where a prompt ends and a model goes on, at which the tokens up to there are not
    /// those of their text.
    pub cut_edits: usize,
    /// Of those, the ones where the text ends in a blank.
    pub blank_edits: usize,
    /// Cuts inside a character, which no text can be continued from.
    pub inside_character: usize,
    /// Windows of which a tenth of the tokens was split ([`stochastok`]).
    pub splits: usize,
    /// Of those, the ones that the tokenizer mends: encoding their text gives other tokens.
    pub split_edits: usize,
}

/// Cuts a text after every 16th token, and splits its tokens at random.
///
/// # Errors
/// Those of encoding and decoding.
pub fn consistency(
    table: &TokenTable,
    text: &str,
    seed: u64,
) -> Result<Consistency, TransferError> {
    let tokenizer = table.tokenizer();
    let ids = tokenizer.encode(text, false)?;
    let all = Splits::new(table, &ids);
    let mut found = Consistency {
        cuts: 0,
        cut_edits: 0,
        blank_edits: 0,
        inside_character: 0,
        splits: 0,
        split_edits: 0,
    };
    for end in (STEP..=ids.len()).step_by(STEP) {
        let start = end.saturating_sub(WINDOW);
        let window = ids.get(start..end).unwrap_or_default();
        let bytes: Vec<u8> = window
            .iter()
            .filter_map(|id| table.bytes(*id))
            .flatten()
            .copied()
            .collect();
        found.cuts += 1;
        let Ok(part) = std::str::from_utf8(&bytes) else {
            found.inside_character += 1;
            continue;
        };
        // The start of the window is a cut too; only what follows its first words is compared.
        let again = tokenizer.encode(part, false)?;
        let tail = |ids: &[u32]| ids.iter().rev().take(STEP).copied().collect::<Vec<u32>>();
        if tail(&again) != tail(window) {
            found.cut_edits += 1;
            found.blank_edits += usize::from(part.ends_with(char::is_whitespace));
        }
        let mut split = window.to_vec();
        stochastok(&mut split, &all, 0.1, seed.wrapping_add(end as u64));
        if split != window {
            found.splits += 1;
            found.split_edits += usize::from(again != split);
        }
    }
    Ok(found)
}
