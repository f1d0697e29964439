//! A vocabulary brought to bytes.

use std::collections::HashMap;

use lexigraft_text::Tokenizer;

use crate::TransferError;

/// The tokens of a tokenizer as the bytes that they add to a text, whatever alphabet the vocabulary
/// spells them in: GPT-2's, SentencePiece's with byte pieces, or WordPiece's, where a token that
/// begins a word has the space before it.
#[derive(Debug, Clone)]
pub struct TokenTable {
    tokenizer: Tokenizer,
    /// `ends[id - 1]..ends[id]` are the bytes of `id`.
    ends: Vec<u32>,
    bytes: Vec<u8>,
    kinds: Vec<Kind>,
    ids: HashMap<Box<[u8]>, u32>,
    specials: HashMap<Box<[u8]>, u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Hole,
    Text,
    Special,
}

impl TokenTable {
    /// Reads the bytes of all tokens.
    ///
    /// # Errors
    /// `invalid-argument` for more tokens than 32 bits count.
    pub fn new(tokenizer: &Tokenizer) -> Result<Self, TransferError> {
        let size = u32::try_from(tokenizer.vocab_size()).map_err(|_| {
            TransferError::InvalidArgument("the vocabulary has more than 2^32 tokens".to_owned())
        })?;
        let mut table = Self {
            tokenizer: tokenizer.clone(),
            ends: Vec::with_capacity(size as usize),
            bytes: Vec::with_capacity(size as usize * 6),
            kinds: Vec::with_capacity(size as usize),
            ids: HashMap::with_capacity(size as usize),
            specials: HashMap::new(),
        };
        for id in 0..size {
            let bytes = tokenizer.bytes_after(id);
            let kind = match &bytes {
                None => Kind::Hole,
                Some(_) if tokenizer.is_special(id) => Kind::Special,
                Some(_) => Kind::Text,
            };
            let bytes = bytes.unwrap_or_default();
            table.bytes.extend_from_slice(&bytes);
            let end = u32::try_from(table.bytes.len()).map_err(|_| {
                TransferError::InvalidArgument(
                    "the tokens of this vocabulary are more than 4 GiB of text".to_owned(),
                )
            })?;
            table.ends.push(end);
            table.kinds.push(kind);
            let known = match kind {
                Kind::Hole => continue,
                Kind::Text => &mut table.ids,
                Kind::Special => &mut table.specials,
            };
            // A byte piece `<0x41>` and a token `A` are one string; the tokenizer writes `A`.
            let slot = known.entry(bytes.into()).or_insert(id);
            if is_byte_piece(tokenizer, *slot) {
                *slot = id;
            }
        }
        Ok(table)
    }

    /// The tokenizer itself.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// One past the greatest id.
    pub fn len(&self) -> usize {
        self.kinds.len()
    }

    /// Whether there is no token.
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    /// The bytes of a token; the name of a special one. `None` for an id without a token.
    pub fn bytes(&self, id: u32) -> Option<&[u8]> {
        let at = id as usize;
        if *self.kinds.get(at)? == Kind::Hole {
            return None;
        }
        let start = match at.checked_sub(1) {
            Some(before) => *self.ends.get(before)? as usize,
            None => 0,
        };
        self.bytes.get(start..*self.ends.get(at)? as usize)
    }

    /// Whether an id is a control token.
    pub fn is_special(&self, id: u32) -> bool {
        self.kinds.get(id as usize) == Some(&Kind::Special)
    }

    /// Whether no text comes to a token since the tokenizer writes another one of the same bytes: a
    /// byte piece `<0x41>` beside an `A`.
    pub fn is_spare(&self, id: u32) -> bool {
        is_byte_piece(&self.tokenizer, id)
            && self
                .bytes(id)
                .and_then(|bytes| self.find(bytes))
                .is_some_and(|written| written != id)
    }

    /// The text token of these bytes.
    pub fn find(&self, bytes: &[u8]) -> Option<u32> {
        self.ids.get(bytes).copied()
    }

    /// The control token of this name.
    pub fn find_special(&self, name: &[u8]) -> Option<u32> {
        self.specials.get(name).copied()
    }

    /// All ids of text tokens.
    pub fn text_ids(&self) -> impl Iterator<Item = u32> {
        (0u32..)
            .zip(&self.kinds)
            .filter_map(|(id, kind)| (*kind == Kind::Text).then_some(id))
    }
}

/// Whether the vocabulary spells a token `<0xNN>`.
fn is_byte_piece(tokenizer: &Tokenizer, id: u32) -> bool {
    match tokenizer.token_bytes(id) {
        Some([byte]) => tokenizer.id_of(&format!("<0x{byte:02X}>")) == Some(id),
        _ => false,
    }
}
