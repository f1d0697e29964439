//! A covering tree, to be looked at.

use serde::Serialize;

use super::model::ByteModel;
use super::scorer::TokenScorer;

/// Token sequences that cover a text and have the same whole tokens.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShownCover {
    /// The whole tokens after the trunk.
    pub tokens: Vec<u32>,
    /// The end of the text, which the next token begins with.
    pub pending: Vec<u8>,
    /// Share of the mass of all covering sequences, of 1.
    pub share: f64,
    /// The likeliest next tokens, which begin with `pending` and go beyond it, and their shares of
    /// the whole.
    pub next: Vec<(u32, f64)>,
}

impl<S: TokenScorer> ByteModel<S> {
    /// The covering sequences of the last text, the likeliest first, each with its `top` likeliest
    /// next tokens. What was not evaluated, because it did not matter, is left out.
    pub fn shown_covers(&self, top: usize) -> Vec<ShownCover> {
        let mut covers = self.tree().shown_covers(top);
        let all: f64 = covers.iter().map(|cover| cover.share).sum();
        if all > 0.0 {
            for cover in &mut covers {
                cover.share /= all;
                cover.next.iter_mut().for_each(|(_, share)| *share /= all);
            }
        }
        covers.retain(|cover| cover.share > 0.0);
        covers.sort_by(|a, b| b.share.total_cmp(&a.share));
        covers
    }
}
