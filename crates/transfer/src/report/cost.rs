//! What a text costs in tokens.

use lexigraft_text::Tokenizer;
use serde::Serialize;

use crate::TransferError;

/// Tokens of a text, and what they are compared with.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cost {
    /// Tokens.
    pub tokens: usize,
    /// UTF-8 bytes.
    pub bytes: usize,
    /// Tokens a word, where words are what stands between blanks; of no meaning where a language
    /// writes without them.
    pub fertility: f64,
    /// Bytes a token.
    pub bytes_per_token: f64,
}

/// Counts the tokens of a text, without those around it.
///
/// The *token premium* of a language (arXiv 2510.21909) is the ratio of two of these over a text and
/// its translation.
///
/// # Errors
/// Those of encoding.
pub fn cost(tokenizer: &Tokenizer, text: &str) -> Result<Cost, TransferError> {
    let tokens = tokenizer.encode(text, false)?.len();
    let words = text.split_whitespace().count();
    Ok(Cost {
        tokens,
        bytes: text.len(),
        fertility: tokens as f64 / words.max(1) as f64,
        bytes_per_token: text.len() as f64 / tokens.max(1) as f64,
    })
}
