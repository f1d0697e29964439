//! Forced splits: known tokens taken apart, so that their rows are the answers.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::TrainError;
use super::network::MAX_PIECES;
use crate::hypernetwork::pieces::PieceVocabulary;

/// One question: the pieces of a known token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    pub token: u32,
    pub pieces: Vec<u32>,
}

/// Draws splits of the tokens that are not held out.
#[derive(Debug)]
pub struct Splitter<'a> {
    vocabulary: &'a PieceVocabulary,
    /// Tokens to draw from, each as often as its weight says.
    pool: Vec<u32>,
}

/// Whether a token is held out: one in twenty by a hash of its bytes (FNV-1a).
pub fn held_out(bytes: &[u8]) -> bool {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash >> 20) % 20 == 0
}

impl<'a> Splitter<'a> {
    /// # Errors
    /// `invalid-argument` for a vocabulary without merges.
    pub fn new(vocabulary: &'a PieceVocabulary) -> Result<Self, TrainError> {
        let mut pool = Vec::new();
        for id in (0u32..).take(vocabulary.len()) {
            let bytes = vocabulary.bytes(id);
            if bytes.len() < 2 || held_out(bytes) || vocabulary.parents(id).is_none() {
                continue;
            }
            // What other tokenizers add: long words, runs of blanks and of signs, groups of digits.
            let letters = bytes.iter().filter(|b| b.is_ascii_alphabetic()).count();
            let weight = match bytes.len() {
                2 | 3 => 1,
                4 | 5 => 2,
                _ => 3,
            } + usize::from(letters == 0 && bytes.is_ascii()) * 2;
            pool.extend(std::iter::repeat_n(id, weight));
        }
        if pool.is_empty() {
            return Err(TrainError::Nothing("merged tokens"));
        }
        Ok(Self { vocabulary, pool })
    }

    /// Pieces that a held-out token is asked for: its last merge undone.
    pub fn held_out_splits(vocabulary: &PieceVocabulary) -> Vec<Split> {
        (0u32..)
            .take(vocabulary.len())
            .filter(|&id| held_out(vocabulary.bytes(id)))
            .filter_map(|id| {
                let (left, right) = vocabulary.parents(id)?;
                Some(Split {
                    token: id,
                    pieces: vec![left, right],
                })
            })
            .collect()
    }

    pub fn draw(&self, rng: &mut ChaCha8Rng) -> Split {
        loop {
            let token = self.pool[rng.random_range(0..self.pool.len())];
            if let Some(pieces) = self.pieces(token, rng) {
                return Split { token, pieces };
            }
        }
    }

    /// A split of this token; none where it is held out, or cannot be taken apart.
    pub fn of(&self, token: u32, rng: &mut ChaCha8Rng) -> Option<Split> {
        if held_out(self.vocabulary.bytes(token)) {
            return None;
        }
        let pieces = (0..4).find_map(|_| self.pieces(token, rng))?;
        Some(Split { token, pieces })
    }

    fn pieces(&self, token: u32, rng: &mut ChaCha8Rng) -> Option<Vec<u32>> {
        let choice: f32 = rng.random();
        let mut pieces = if choice < 0.75 {
            let (left, right) = self.vocabulary.parents(token)?;
            vec![left, right]
        } else {
            let (left, right) = self.cut(token, rng)?;
            vec![left, right]
        };
        // Two pieces are what most added tokens have, three to five what the rest has.
        let extra: f32 = rng.random();
        let more = if extra < 0.5 {
            0
        } else if extra < 0.8 {
            1
        } else if extra < 0.93 {
            2
        } else {
            3
        };
        for _ in 0..more {
            if pieces.len() >= MAX_PIECES {
                break;
            }
            let at = rng.random_range(0..pieces.len());
            let piece = pieces[at];
            let parts = if rng.random::<f32>() < 0.75 {
                self.vocabulary.parents(piece)
            } else {
                self.cut(piece, rng)
            };
            if let Some((left, right)) = parts {
                pieces[at] = left;
                pieces.insert(at + 1, right);
            }
        }
        // A held-out token must not be seen as a piece either.
        let seen =
            |id: &u32| held_out(self.vocabulary.bytes(*id)) && self.vocabulary.bytes(*id).len() > 1;
        (!pieces.iter().any(seen)).then_some(pieces)
    }

    /// Any two halves that are tokens (StochasTok).
    fn cut(&self, token: u32, rng: &mut ChaCha8Rng) -> Option<(u32, u32)> {
        let bytes = self.vocabulary.bytes(token);
        let cuts: Vec<(u32, u32)> = (1..bytes.len())
            .filter_map(|at| {
                let (left, right) = bytes.split_at(at);
                Some((self.vocabulary.id(left)?, self.vocabulary.id(right)?))
            })
            .collect();
        (!cuts.is_empty()).then(|| cuts[rng.random_range(0..cuts.len())])
    }
}
