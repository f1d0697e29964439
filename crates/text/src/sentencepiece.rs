//! Merges for a SentencePiece vocabulary, which stores a score for each piece instead.
//!
//! SentencePiece's BPE (Kudo and Richardson 2018) always joins the neighbouring pieces whose
//! union has the best score. As ranked merges: each way to cut a piece into two pieces is a
//! merge with the piece's score, best score first.

use std::collections::HashMap;

use crate::TextError;

/// The longest piece looked into. SentencePiece trains up to 16 characters; Gemma's longest
/// runs of one character are 31.
const LONGEST: usize = 512;

/// Ranked merges of `(piece, id, score)`.
pub(crate) fn merges_from_scores<'a>(
    pieces: impl Iterator<Item = (&'a str, u32, f32)>,
) -> Result<Vec<(String, String)>, TextError> {
    let pieces: Vec<(&str, u32, f32)> = pieces.collect();
    let ids: HashMap<&str, u32> = pieces.iter().map(|(piece, id, _)| (*piece, *id)).collect();
    let mut merges: Vec<Merge> = Vec::with_capacity(pieces.len());
    for &(piece, id, score) in &pieces {
        if !score.is_finite() {
            return Err(TextError::tokenizer(format!(
                "the score of token {id} is {score}; the file is damaged"
            )));
        }
        if piece.len() > LONGEST {
            return Err(TextError::tokenizer(format!(
                "token {id} is {} bytes long; SentencePiece pieces end at {LONGEST}",
                piece.len()
            )));
        }
        for (cut, _) in piece.char_indices().skip(1) {
            let (left, right) = piece.split_at(cut);
            if let (Some(&left_id), Some(&right_id)) = (ids.get(left), ids.get(right)) {
                merges.push(Merge {
                    score,
                    left,
                    right,
                    ids: (left_id, right_id),
                });
            }
        }
    }
    // The sort is stable and pieces come in the order of their ids, so equal scores keep it,
    // as the Hugging Face converters have it: better score, longer left, longer right, ids.
    merges.sort_by(|a, b| {
        let chars = |text: &str| text.chars().count();
        (b.score.total_cmp(&a.score))
            .then_with(|| chars(b.left).cmp(&chars(a.left)))
            .then_with(|| chars(b.right).cmp(&chars(a.right)))
            .then_with(|| a.ids.cmp(&b.ids))
    });
    Ok(merges
        .into_iter()
        .map(|merge| (merge.left.to_owned(), merge.right.to_owned()))
        .collect())
}

struct Merge<'a> {
    score: f32,
    left: &'a str,
    right: &'a str,
    ids: (u32, u32),
}
