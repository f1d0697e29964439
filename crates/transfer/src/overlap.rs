//! Which tokens of a target keep a row of the source.

use lexigraft_text::Tokenizer;

use crate::TokenTable;

/// Where the row of a target token comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The source has a token of the same bytes: its row, bit for bit.
    Shared(u32),
    /// A control token of the same name or the same part (begin, end of text): its row, bit for bit.
    Special(u32),
    /// The row is made by a method.
    New,
    /// No text comes to it: a control token without a partner, a byte piece whose byte is another
    /// token too, or an id without a token. It gets the mean row, which a model gives little
    /// probability: with the row of the token that is written in its place, it would have half of
    /// that one's.
    Unused,
}

/// The origin of every target id.
#[derive(Debug, Clone)]
pub struct Overlap {
    origins: Vec<Origin>,
}

impl Overlap {
    /// Compares two vocabularies by the bytes of their tokens.
    pub fn new(source: &TokenTable, target: &TokenTable) -> Self {
        let parts = parts(source.tokenizer(), target.tokenizer());
        let origin = |id: u32| {
            let Some(bytes) = target.bytes(id) else {
                return Origin::Unused;
            };
            // Of several tokens of the same bytes, each keeps its own row in a self-transplant.
            let same =
                source.bytes(id) == Some(bytes) && source.is_special(id) == target.is_special(id);
            if !target.is_special(id) {
                let spare = target.is_spare(id);
                if same && spare == source.is_spare(id) {
                    return Origin::Shared(id);
                }
                if spare {
                    return Origin::Unused;
                }
                return source.find(bytes).map_or(Origin::New, Origin::Shared);
            }
            if same {
                return Origin::Special(id);
            }
            let part = parts.iter().find(|(target, _)| *target == id);
            let partner = source.find_special(bytes).or(part.map(|(_, id)| *id));
            partner.map_or(Origin::Unused, Origin::Special)
        };
        Self {
            origins: (0..target.len() as u32).map(origin).collect(),
        }
    }

    /// The origin of a target id.
    pub fn origin(&self, id: u32) -> Origin {
        let origin = self.origins.get(id as usize).copied();
        origin.unwrap_or(Origin::Unused)
    }

    /// Target ids.
    pub fn len(&self) -> usize {
        self.origins.len()
    }

    /// Whether there are no target ids.
    pub fn is_empty(&self) -> bool {
        self.origins.is_empty()
    }

    /// The target ids that a method makes rows for.
    pub fn new_ids(&self) -> impl Iterator<Item = u32> {
        (0u32..)
            .zip(&self.origins)
            .filter_map(|(id, origin)| (*origin == Origin::New).then_some(id))
    }

    /// Target and source ids of the text tokens that both have.
    pub fn shared(&self) -> impl Iterator<Item = (u32, u32)> {
        (0u32..)
            .zip(&self.origins)
            .filter_map(|(id, origin)| match origin {
                Origin::Shared(source) => Some((id, *source)),
                _ => None,
            })
    }
}

/// Target and source ids that play the same part: begin of text, then ends in the order in which
/// each tokenizer stops at them.
fn parts(source: &Tokenizer, target: &Tokenizer) -> Vec<(u32, u32)> {
    let begin = target.bos().zip(source.bos());
    let ends = target.stop_ids().into_iter().zip(source.stop_ids());
    begin.into_iter().chain(ends).collect()
}
