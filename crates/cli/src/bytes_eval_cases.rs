//! Passages of files, cut inside a token.

use std::path::Path;

use lexigraft_text::ByteVocabulary;

use crate::bytes_args::BytesEvalArgs;
use crate::error::CliError;
use crate::load;

/// A text up to the beginning of a token, and that token.
#[derive(Debug, Clone)]
pub struct Passage {
    pub prose: bool,
    /// Ends where the token begins.
    pub before: Vec<u8>,
    pub ids: Vec<u32>,
    pub token: Vec<u8>,
}

/// The same passages for the same files: from every file in turn, spread over its length.
pub fn passages(
    args: &BytesEvalArgs,
    vocabulary: &ByteVocabulary,
) -> Result<Vec<Passage>, CliError> {
    let (mut prose, mut code) = (Vec::new(), Vec::new());
    for path in &args.files {
        let bytes = load::read(path)?;
        std::str::from_utf8(&bytes).map_err(|source| CliError::NotText {
            path: path.clone(),
            source,
        })?;
        let is_prose = is_prose(path);
        let found = in_text(vocabulary, &bytes, args.tokens, is_prose)?;
        if is_prose { &mut prose } else { &mut code }.push(found);
    }
    let half = args.passages / 2;
    let available = |lists: &[Vec<Passage>]| lists.iter().map(Vec::len).sum::<usize>();
    let of_code = (args.passages - half.min(available(&prose))).min(available(&code));
    let of_prose = (args.passages - of_code).min(available(&prose));
    let mut chosen = spread(prose, of_prose);
    chosen.extend(spread(code, of_code));
    if chosen.len() < args.passages || chosen.is_empty() {
        return Err(CliError::TooFewPassages {
            found: chosen.len(),
            tokens: args.tokens,
        });
    }
    Ok(chosen)
}

fn is_prose(path: &Path) -> bool {
    path.extension()
        .is_some_and(|found| found.eq_ignore_ascii_case("md") || found.eq_ignore_ascii_case("txt"))
}

/// `count` of all, evenly.
fn spread(lists: Vec<Vec<Passage>>, count: usize) -> Vec<Passage> {
    let all: Vec<Passage> = lists.into_iter().flatten().collect();
    let len = all.len();
    let places = (0..count).map(|at| at * len / count.max(1));
    places.filter_map(|place| all.get(place).cloned()).collect()
}

/// Every place of a text that a token of at least two letters begins at, after `tokens` others.
fn in_text(
    vocabulary: &ByteVocabulary,
    text: &[u8],
    tokens: usize,
    prose: bool,
) -> Result<Vec<Passage>, CliError> {
    let ids = vocabulary.encode(text)?;
    let bytes = |id: &u32| vocabulary.tokenizer().token_bytes(*id).unwrap_or_default();
    let mut found = Vec::new();
    for at in tokens..ids.len() {
        let token = ids.get(at).map(bytes).unwrap_or_default();
        let word = token.trim_ascii_start();
        if word.len() < 2 || !word.iter().all(u8::is_ascii_alphanumeric) {
            continue;
        }
        let window = ids.get(at - tokens..at).unwrap_or_default();
        let before: Vec<u8> = window.iter().flat_map(bytes).copied().collect();
        // The window must be a text of its own with the same tokens, with and without this one.
        let whole = [before.as_slice(), token].concat();
        let same = |text: &[u8], want: &[u32]| vocabulary.encode(text).is_ok_and(|ids| ids == want);
        let with = ids.get(at - tokens..=at).unwrap_or_default();
        if same(&before, window) && same(&whole, with) {
            found.push(Passage {
                prose,
                before,
                ids: window.to_vec(),
                token: token.to_vec(),
            });
        }
    }
    Ok(found)
}

/// Where to cut a token of `len` bytes: inside it, at a place that depends on `seed` alone.
pub fn cut_of(len: usize, seed: usize) -> usize {
    // Knuth's multiplicative hash.
    let mixed = (seed as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
    1 + (mixed as usize) % (len - 1).max(1)
}
