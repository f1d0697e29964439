//! The table from ids to exact bytes.

use crate::TextError;

/// What a token is to the tokenizer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// No token has this id.
    Hole,
    /// A piece of text.
    Text,
    /// Added beside the model, but text all the same.
    Added,
    /// A control token, left out of text when special tokens are skipped.
    Special,
}

/// Bytes and kind of every id, in one arena: a vocabulary has up to 262,144 tokens, and one
/// allocation for each would cost more than the bytes.
#[derive(Debug, Clone)]
pub(crate) struct Vocabulary {
    ends: Vec<u32>,
    bytes: Vec<u8>,
    kinds: Vec<Kind>,
}

impl Vocabulary {
    /// `entries` in order of their ids, each id at most once.
    pub(crate) fn new<'a>(
        size: usize,
        entries: impl Iterator<Item = (u32, Kind, std::borrow::Cow<'a, [u8]>)>,
    ) -> Result<Self, TextError> {
        let mut vocabulary = Self {
            ends: Vec::with_capacity(size),
            bytes: Vec::with_capacity(size.saturating_mul(8)),
            kinds: Vec::with_capacity(size),
        };
        for (id, kind, bytes) in entries {
            while vocabulary.kinds.len() < id as usize {
                vocabulary.push(Kind::Hole, &[])?;
            }
            vocabulary.push(kind, &bytes)?;
        }
        Ok(vocabulary)
    }

    fn push(&mut self, kind: Kind, bytes: &[u8]) -> Result<(), TextError> {
        self.bytes.extend_from_slice(bytes);
        let end = u32::try_from(self.bytes.len()).map_err(|_| {
            TextError::tokenizer("the tokens of this vocabulary are more than 4 GiB of text")
        })?;
        self.ends.push(end);
        self.kinds.push(kind);
        Ok(())
    }

    /// One past the greatest id.
    pub(crate) fn len(&self) -> usize {
        self.kinds.len()
    }

    pub(crate) fn kind(&self, id: u32) -> Kind {
        self.kinds.get(id as usize).copied().unwrap_or(Kind::Hole)
    }

    /// The bytes of a token, `None` for an id without one.
    pub(crate) fn bytes(&self, id: u32) -> Option<&[u8]> {
        if self.kind(id) == Kind::Hole {
            return None;
        }
        let index = id as usize;
        let end = *self.ends.get(index)? as usize;
        let start = match index.checked_sub(1) {
            Some(before) => *self.ends.get(before)? as usize,
            None => 0,
        };
        self.bytes.get(start..end)
    }
}
