//! A tokenizer to train on, from the side of the source vocabulary.

use lexigraft_text::Tokenizer;

use super::network::MAX_PIECES;
use crate::hypernetwork::pieces::PieceVocabulary;

/// Where a token's rows come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The token is in both vocabularies: its rows are copied.
    Shared(u32),
    /// The pieces that the source tokenizer cuts it into, at most [`MAX_PIECES`].
    Pieces(Vec<u32>),
}

/// A tokenizer whose tokens are to be given rows.
pub struct Target {
    pub name: String,
    pub tokenizer: Tokenizer,
    pub sources: Vec<Source>,
    /// Ids of the tokens that need rows.
    pub new: Vec<u32>,
}

impl Target {
    pub fn new(name: &str, tokenizer: Tokenizer, vocabulary: &PieceVocabulary) -> Self {
        let size = tokenizer.vocab_size() as u32;
        let mut sources = Vec::with_capacity(size as usize);
        let mut new = Vec::new();
        for id in 0..size {
            let bytes = tokenizer.token_bytes(id).unwrap_or_default();
            let source = if tokenizer.is_special(id) || bytes.is_empty() {
                Source::Shared(0)
            } else {
                match vocabulary.decompose(bytes) {
                    Some(pieces) if pieces.len() == 1 => Source::Shared(pieces[0]),
                    Some(mut pieces) => {
                        pieces.truncate(MAX_PIECES);
                        Source::Pieces(pieces)
                    }
                    None => Source::Shared(0),
                }
            };
            if matches!(source, Source::Pieces(_)) {
                new.push(id);
            }
            sources.push(source);
        }
        Self {
            name: name.to_owned(),
            tokenizer,
            sources,
            new,
        }
    }

    /// The pieces of a token that needs rows.
    pub fn pieces(&self, id: u32) -> Option<&[u32]> {
        match self.sources.get(id as usize)? {
            Source::Pieces(pieces) => Some(pieces),
            Source::Shared(_) => None,
        }
    }

    /// Which source ids stand in this vocabulary too.
    pub fn shared(&self, vocab: usize) -> Vec<bool> {
        let mut shared = vec![false; vocab];
        for source in &self.sources {
            if let Source::Shared(id) = source
                && let Some(slot) = shared.get_mut(*id as usize)
            {
                *slot = true;
            }
        }
        shared
    }
}
