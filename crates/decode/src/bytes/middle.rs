//! Filling in the middle (arXiv 2207.14255), with a prefix that may end anywhere.

use lexigraft_text::{ByteVocabulary, Tokenizer};

use super::context::Context;
use super::tree::CoverTree;
use crate::DecodeError;

/// The names of the tokens before a prefix, a suffix and the middle, by family.
const NAMES: [[&str; 3]; 5] = [
    ["<fim_prefix>", "<fim_suffix>", "<fim_middle>"],
    ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"],
    ["<fim-prefix>", "<fim-suffix>", "<fim-middle>"],
    ["▁<PRE>", "▁<SUF>", "▁<MID>"],
    ["<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"],
];

/// A prompt to fill in the middle of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MiddlePrompt {
    /// What the model reads: prefix and suffix between the tokens it was trained with.
    pub context: Context,
    /// The end of the prefix, which the middle must begin with: the text to generate after.
    pub open: Vec<u8>,
}

/// A prompt to fill in what stands between `prefix` and `suffix`.
///
/// The tokens of the prefix are certain up to its trunk; the rest of its bytes are where a token
/// may go on beyond the cut, so they become the beginning of the middle. A model that was
/// trained with texts cut at any character sees nothing unusual in that.
///
/// # Errors
/// `no-fill-in-the-middle` for a vocabulary without these tokens, `unsupported-tokenizer`,
/// `no-tokenization`, `invalid-argument` for a byte without a token.
pub fn fill_in_the_middle(
    vocabulary: &ByteVocabulary,
    prefix: &[u8],
    suffix: &[u8],
) -> Result<MiddlePrompt, DecodeError> {
    let tokenizer = vocabulary.tokenizer();
    let [before_prefix, before_suffix, before_middle] =
        find(tokenizer).ok_or(DecodeError::NoFillInTheMiddle)?;
    let start = [tokenizer.ids_before(), &[before_prefix]].concat();
    let mut tree = CoverTree::new(vocabulary, true, &Context::of(start.clone())?)?;
    for byte in prefix {
        tree.push(*byte)?;
    }
    let bytes = |id: &u32| tokenizer.token_bytes(*id).map_or(0, <[u8]>::len);
    let certain: usize = tree.trunk().iter().map(bytes).sum();
    let suffix = vocabulary.encode(suffix)?;
    let tokens = [
        &start,
        tree.trunk(),
        &[before_suffix],
        &suffix,
        &[before_middle],
    ];
    Ok(MiddlePrompt {
        context: Context::of(tokens.concat())?,
        open: prefix.get(certain..).unwrap_or_default().to_vec(),
    })
}

fn find(tokenizer: &Tokenizer) -> Option<[u32; 3]> {
    let special = |name: &str| tokenizer.id_of(name);
    NAMES.iter().find_map(|[prefix, suffix, middle]| {
        Some([special(prefix)?, special(suffix)?, special(middle)?])
    })
}
