//! The tokens that a tokenizer's model makes of any bytes, without its pre-tokenizer.

use std::collections::HashMap;

use super::VocabularyTrie;
use super::encode::merge_all;
use super::merges::MergeTable;
use crate::bytes::Spelling;
use crate::decoder::Joining;
use crate::vocabulary::Kind;
use crate::{TextError, Tokenizer};

/// Cuts byte strings into the tokens of a vocabulary, losing none.
///
/// This is the model of the tokenizer alone: text is not normalised and not split into words
/// first, so a token of another tokenizer that spans words, or ends inside a character, is cut as
/// the merges would have it. A byte that no token stands for becomes an id beyond the vocabulary,
/// [`vocab_size`](Self::vocab_size) plus the byte, so that the pieces always join to the string.
///
/// Tokenizers without merges (Unigram, WordPiece) take the longest token at each place, from left
/// to right, and control tokens are never pieces.
///
/// ```
/// use lexigraft_text::{ByteDecomposer, Tokenizer};
///
/// let json = br#"{
///     "decoder": {"type": "ByteLevel"},
///     "model": {"type": "BPE", "vocab": {"h": 0, "i": 1, "hi": 2}, "merges": ["h i"]}
/// }"#;
/// let pieces = ByteDecomposer::new(&Tokenizer::from_json(json)?)?;
/// assert_eq!(pieces.decompose(b"hi\xffh"), [2, 3 + 0xff, 0]);
/// # Ok::<(), lexigraft_text::TextError>(())
/// ```
#[derive(Debug)]
pub struct ByteDecomposer {
    vocab_size: u32,
    model: Model,
    /// The token of each byte, where symbols are bytes, or else the one that stands for it when
    /// no token has the character.
    bytes: Vec<Option<u32>>,
}

#[derive(Debug)]
enum Model {
    Merges {
        table: MergeTable,
        /// The token of each character, where symbols are characters.
        characters: HashMap<char, u32>,
    },
    Longest(VocabularyTrie),
}

impl ByteDecomposer {
    /// Reads merges and symbols of a tokenizer.
    ///
    /// # Errors
    /// `unsupported-tokenizer` for word lists, and for merges that mark the ends of words.
    pub fn new(tokenizer: &Tokenizer) -> Result<Self, TextError> {
        if tokenizer.decoder().joining == Joining::Words {
            return Err(TextError::UnsupportedTokenizer(
                "a list of whole words cannot write parts of them; take a tokenizer of word pieces \
                 or bytes"
                    .to_owned(),
            ));
        }
        let ids = 0..u32::try_from(tokenizer.vocab_size()).unwrap_or(u32::MAX);
        let vocabulary = tokenizer.vocabulary();
        let text = ids.filter(|id| vocabulary.kind(*id) == Kind::Text);
        let text: Vec<(u32, Vec<u8>)> = text
            .map(|id| (id, tokenizer.bytes_after(id).unwrap_or_default()))
            .collect();
        let fallback = tokenizer.decoder().spelling;
        let fallback = matches!(fallback, Spelling::Marked { byte_fallback, .. } if byte_fallback);
        let mut bytes = vec![None; 256];
        let mut place = |byte: u8, id| {
            if let Some(slot) = bytes.get_mut(usize::from(byte)) {
                *slot = slot.or(Some(id));
            }
        };
        if fallback {
            for byte in 0..=255u8 {
                if let Some(id) = tokenizer.id_of(&format!("<0x{byte:02X}>")) {
                    place(byte, id);
                }
            }
        } else {
            for (id, token) in &text {
                if let [byte] = token.as_slice() {
                    place(*byte, *id);
                }
            }
        }
        let model = match tokenizer.merges() {
            Some(merges) if merges.affixes => {
                return Err(TextError::UnsupportedTokenizer(
                    "this tokenizer marks the ends of words in its tokens, so they are not bytes \
                     one after another; take a byte-level or SentencePiece tokenizer"
                        .to_owned(),
                ));
            }
            Some(merges) => Model::Merges {
                table: MergeTable::new(&merges.merges, tokenizer.vocab_size()),
                characters: match tokenizer.decoder().spelling {
                    Spelling::ByteLevel => HashMap::new(),
                    _ => single_characters(&text, &bytes),
                },
            },
            None => Model::Longest(VocabularyTrie::new(
                text.iter().map(|(id, bytes)| (*id, bytes.as_slice())),
            )),
        };
        Ok(Self {
            vocab_size: tokenizer.vocab_size() as u32,
            model,
            bytes,
        })
    }

    /// One past the greatest id of the vocabulary; greater ones stand for bytes.
    pub fn vocab_size(&self) -> u32 {
        self.vocab_size
    }

    /// The byte that an id beyond the vocabulary stands for.
    pub fn uncovered_byte(&self, id: u32) -> Option<u8> {
        u8::try_from(id.checked_sub(self.vocab_size)?).ok()
    }

    /// The pieces of `text` from left to right; none for no bytes.
    pub fn decompose(&self, text: &[u8]) -> Vec<u32> {
        let mut pieces = Vec::with_capacity(text.len());
        match &self.model {
            Model::Merges { table, characters } => {
                self.symbols(text, characters, &mut pieces);
                merge_all(&mut pieces, table);
            }
            Model::Longest(trie) => {
                let mut rest = text;
                while let Some(first) = rest.first() {
                    let (len, id) = match trie.longest_match(rest) {
                        Some((len, place)) => (len, trie.id(place)),
                        None => (1, self.byte(*first)),
                    };
                    pieces.push(id);
                    rest = rest.get(len..).unwrap_or_default();
                }
            }
        }
        pieces
    }

    fn byte(&self, byte: u8) -> u32 {
        let known = self.bytes.get(usize::from(byte)).copied().flatten();
        known.unwrap_or(self.vocab_size + u32::from(byte))
    }

    /// What the merges begin with: characters that are tokens, and bytes.
    fn symbols(&self, text: &[u8], characters: &HashMap<char, u32>, symbols: &mut Vec<u32>) {
        if characters.is_empty() {
            symbols.extend(text.iter().map(|byte| self.byte(*byte)));
            return;
        }
        for chunk in text.utf8_chunks() {
            for c in chunk.valid().chars() {
                match characters.get(&c) {
                    Some(id) => symbols.push(*id),
                    None => {
                        let mut buffer = [0; 4];
                        let bytes = c.encode_utf8(&mut buffer).bytes();
                        symbols.extend(bytes.map(|byte| self.byte(byte)));
                    }
                }
            }
            symbols.extend(chunk.invalid().iter().map(|byte| self.byte(*byte)));
        }
    }
}

/// Tokens of one character, the bytes that stand in for characters left out.
fn single_characters(text: &[(u32, Vec<u8>)], bytes: &[Option<u32>]) -> HashMap<char, u32> {
    let single = text.iter().filter_map(|(id, token)| {
        let mut chars = std::str::from_utf8(token).ok()?.chars();
        let c = chars.next()?;
        let alone = chars.next().is_none();
        // `<0x41>` and `A` have the same bytes; a byte piece may stand for `A` only where that lacks.
        let byte = c.is_ascii() && bytes.get(c as usize) == Some(&Some(*id));
        (alone && !byte).then_some((c, *id))
    });
    let mut found = HashMap::new();
    for (c, id) in single {
        found.entry(c).or_insert(id);
    }
    found
}
