//! A tokenizer from the side of bytes.
//!
//! [`VocabularyTrie`] finds tokens by their first bytes. [`ByteVocabulary::start`],
//! [`ByteVocabulary::check`] and [`ByteVocabulary::advance`] tell which sequences of tokens the
//! tokenizer itself can write (*canonical* ones), a token at a time and without encoding anew.

mod added;
mod adjacency;
mod canonical;
mod classes;
mod decomposer;
mod encode;
mod merges;
mod outcomes;
mod split;
mod trie;
mod units;

use std::collections::HashMap;
use std::sync::Arc;

use crate::bytes::Spelling;
use crate::decoder::Joining;
use crate::vocabulary::Kind;
use crate::{TextError, Tokenizer};
use added::AddedTokens;
use adjacency::Adjacency;
use canonical::begins_contraction;
use outcomes::KnownOutcomes;
use units::{Join, Unit, characters, forget_letters, shorten};

pub use canonical::{CanonicalState, Check};
pub use decomposer::ByteDecomposer;
pub(crate) use split::SplitRule;
pub use trie::{TrieNode, VocabularyTrie};

/// The tokens of a tokenizer by their bytes, and the sequences of them that it can write.
///
/// Cloning is cheap. Made for byte-level BPE and for SentencePiece BPE with or without byte
/// fallback; the trie alone for any tokenizer whose text is its tokens' bytes one after another.
///
/// Canonical sequences are those of the text as it stands: without special tokens spelt out in
/// it, and after normalisation (Qwen's NFC, SentencePiece's mark for spaces). A token that no
/// merges reach counts as one that is never written, also where a tokenizer (Llama-3) would take
/// it for a whole word.
#[derive(Debug, Clone)]
pub struct ByteVocabulary {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    tokenizer: Tokenizer,
    trie: VocabularyTrie,
    stops: Vec<u32>,
    canon: Result<Canon, TextError>,
}

/// What canonical sequences are made of.
#[derive(Debug)]
pub(crate) struct Canon {
    rule: SplitRule,
    adjacency: Adjacency,
    added: AddedTokens,
    /// The token of each byte, where symbols are bytes, or else the one that stands for it when
    /// no token has the character.
    bytes: Vec<Option<u32>>,
    /// The token of each character, where symbols are characters.
    characters: HashMap<char, u32>,
    /// Tokens of bytes that no token covers, sorted; empty where there is no such thing.
    fallback: Vec<u32>,
    /// Distinct sequences of classes among tokens that are whole characters.
    shapes: Vec<Vec<Unit>>,
    /// The shape of each where no contraction can reach into it.
    plain_shapes: Vec<u32>,
    /// By shape, then by token that has none.
    outcomes: KnownOutcomes,
    /// By place in the trie.
    marks: Vec<Mark>,
    is_added: Vec<bool>,
}

#[derive(Debug, Clone, Copy)]
struct Mark {
    /// Its shape; from the number of shapes on, one of the tokens that begin or end inside a
    /// character or are added.
    slot: u32,
    /// See [`Adjacency::number_of`].
    number: u32,
    touches_added: bool,
    is_added: bool,
    is_fallback: bool,
    /// Whether the encoder ever writes it; so it is with added ones.
    is_written: bool,
    begins_contraction: bool,
}

impl ByteVocabulary {
    /// Sorts the vocabulary and derives its tokens.
    ///
    /// # Errors
    /// `unsupported-tokenizer` where a text is not simply the bytes of its tokens (WordPiece,
    /// word lists).
    pub fn new(tokenizer: &Tokenizer) -> Result<Self, TextError> {
        match tokenizer.decoder().joining {
            Joining::Bytes { strip: 0 | 1 } | Joining::FirstWithoutSpaces => {}
            _ => {
                return Err(TextError::UnsupportedTokenizer(
                    "this tokenizer puts spaces between its tokens (WordPiece or a word list); \
                     bytes can be had of byte-level and SentencePiece tokenizers only"
                        .to_owned(),
                ));
            }
        }
        let vocabulary = tokenizer.vocabulary();
        let ids = 0..u32::try_from(tokenizer.vocab_size()).unwrap_or(u32::MAX);
        let is_text = |id: &u32| matches!(vocabulary.kind(*id), Kind::Text | Kind::Added);
        let tokens = (ids.clone().filter(is_text)).map(|id| (id, bytes_of(tokenizer, id)));
        let trie = VocabularyTrie::new(tokens);
        let stops = ids.filter(|id| vocabulary.kind(*id) == Kind::Special);
        let canon = Canon::new(tokenizer, &trie);
        Ok(Self {
            inner: Arc::new(Inner {
                tokenizer: tokenizer.clone(),
                stops: stops.collect(),
                trie,
                canon,
            }),
        })
    }

    /// The tokenizer itself.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.inner.tokenizer
    }

    /// The tokens that are text, by their bytes.
    pub fn trie(&self) -> &VocabularyTrie {
        &self.inner.trie
    }

    /// The control tokens: a byte-level model takes any of them for the end of the text.
    pub fn stop_ids(&self) -> &[u32] {
        &self.inner.stops
    }

    /// What the tokenizer puts before a text: a space for most Llama-2 vocabularies.
    pub fn prefix(&self) -> &[u8] {
        match self.inner.tokenizer.decoder().joining {
            Joining::Bytes { strip: 0 } => b"",
            _ => b" ",
        }
    }

    /// Bytes of memory held beside the tokenizer, maps of characters left out.
    pub fn heap_bytes(&self) -> usize {
        self.inner.trie.heap_bytes() + self.inner.canon.as_ref().map_or(0, Canon::heap_bytes)
    }

    pub(crate) fn canon(&self) -> Result<&Canon, TextError> {
        self.inner.canon.as_ref().map_err(Clone::clone)
    }

    /// The state of no tokens.
    ///
    /// # Errors
    /// `unsupported-tokenizer` where the tokenizer is no BPE or splits text in an unknown way.
    pub fn start(&self) -> Result<CanonicalState, TextError> {
        self.canon().map(|_| CanonicalState::start())
    }

    /// The tokens that may follow a state.
    ///
    /// # Errors
    /// As [`start`](ByteVocabulary::start).
    pub fn check<'a>(&'a self, state: &'a CanonicalState) -> Result<Check<'a>, TextError> {
        Ok(Check::new(self, self.canon()?, state))
    }

    /// Whether the tokenizer writes exactly these tokens for their bytes.
    ///
    /// # Errors
    /// As [`start`](ByteVocabulary::start).
    pub fn is_canonical(&self, ids: &[u32]) -> Result<bool, TextError> {
        let start = self.start()?;
        let end = ids
            .iter()
            .try_fold(start, |state, id| self.advance(&state, *id));
        Ok(end.is_some_and(|state| state.is_complete()))
    }

    /// The ids of any bytes: what [`Tokenizer::encode`] gives for normalised text in which no
    /// special token is spelt out. Bytes that are no UTF-8 are split as U+FFFD would be and
    /// written byte by byte.
    ///
    /// # Errors
    /// `invalid-argument` for a byte that no token covers; else as
    /// [`start`](ByteVocabulary::start).
    pub fn encode(&self, text: &[u8]) -> Result<Vec<u32>, TextError> {
        self.canon()?.encode(text)
    }
}

fn bytes_of(tokenizer: &Tokenizer, id: u32) -> &[u8] {
    tokenizer.token_bytes(id).unwrap_or_default()
}

impl Canon {
    fn new(tokenizer: &Tokenizer, trie: &VocabularyTrie) -> Result<Self, TextError> {
        let unknown = |what: &str| {
            Err(TextError::UnsupportedTokenizer(format!(
                "{what}, so its canonical tokenizations are not known; ask for all tokenizations \
                 instead"
            )))
        };
        let Some(merges) = tokenizer.merges() else {
            return unknown("this tokenizer is no byte-pair encoder");
        };
        let Some(rule) = tokenizer.split_rule() else {
            return unknown("this tokenizer splits text in a way that is not known here");
        };
        if merges.affixes {
            return unknown("this tokenizer marks the ends of words in its tokens");
        }
        let vocabulary = tokenizer.vocabulary();
        let size = tokenizer.vocab_size();
        let spelling = tokenizer.decoder().spelling;
        let (mut bytes, mut characters) = (vec![None; 256], HashMap::new());
        let fallback_of = |byte: u8| tokenizer.id_of(&format!("<0x{byte:02X}>"));
        if merges.byte_fallback {
            for (byte, slot) in (0..=255u8).zip(bytes.iter_mut()) {
                *slot = fallback_of(byte);
            }
        }
        for place in 0..trie.len() {
            let (id, token) = (trie.id(place), trie.token(place));
            match (spelling, token) {
                (Spelling::ByteLevel, [byte]) => {
                    if let Some(slot) = bytes.get_mut(usize::from(*byte)) {
                        *slot = Some(id);
                    }
                }
                (Spelling::ByteLevel, _) => {}
                _ => {
                    let mut chars = std::str::from_utf8(token).unwrap_or("").chars();
                    if let (Some(c), None) = (chars.next(), chars.next())
                        && !bytes.contains(&Some(id))
                    {
                        characters.insert(c, id);
                    }
                }
            }
        }
        // In a marked vocabulary, an added token of marks stands in no text of spaces.
        let marked = matches!(spelling, Spelling::Marked { .. });
        let is_added: Vec<bool> = (0u32..)
            .take(size)
            .map(|id| {
                vocabulary.kind(id) == Kind::Added
                    && !(marked && bytes_of(tokenizer, id).contains(&b' '))
            })
            .collect();
        let added = (0u32..).zip(&is_added).filter(|(_, is)| **is);
        let added = AddedTokens::new(added.map(|(id, _)| (id, bytes_of(tokenizer, id))));
        let symbols = bytes.iter().flatten().chain(characters.values()).copied();
        let length = |id: u32| vocabulary.bytes(id).map_or(0, <[u8]>::len);
        let mut fallback: Vec<u32> = match merges.byte_fallback {
            true => bytes.iter().flatten().copied().collect(),
            false => Vec::new(),
        };
        fallback.sort_unstable();
        let adjacency = Adjacency::new(symbols, &merges.merges, size, length);
        let mut canon = Self {
            rule,
            adjacency,
            added,
            bytes,
            characters,
            fallback,
            shapes: Vec::new(),
            plain_shapes: Vec::new(),
            outcomes: KnownOutcomes::default(),
            marks: Vec::new(),
            is_added,
        };
        canon.find_shapes(trie);
        Ok(canon)
    }

    fn find_shapes(&mut self, trie: &VocabularyTrie) {
        let mut known: HashMap<Vec<Unit>, u32> = HashMap::new();
        let mut shapes: Vec<Vec<Unit>> = Vec::new();
        let mut number = |units: Vec<Unit>| -> u32 {
            *known.entry(units).or_insert_with_key(|units| {
                shapes.push(units.clone());
                shapes.len() as u32 - 1
            })
        };
        let of = |units: &[Unit], open: usize| {
            let mut units = units.to_vec();
            forget_letters(&mut units, open);
            shorten(&mut units);
            units
        };
        let mut plain: HashMap<u32, u32> = HashMap::new();
        let mut without = 0;
        self.marks.reserve_exact(trie.len());
        for place in 0..trie.len() {
            let token = trie.token(place);
            let whole = std::str::from_utf8(token).is_ok() && !self.is_added(trie.id(place));
            let slot = if whole {
                let (found, _) = characters(self.rule, token);
                let inside = |(class, _): &(classes::Class, usize)| Unit {
                    class: *class,
                    join: Join::Inside,
                };
                let units: Vec<Unit> = found.iter().map(inside).collect();
                let shape = number(of(&units, 2));
                plain.insert(shape, number(of(&units, 0)));
                shape
            } else {
                without += 1;
                u32::MAX - without
            };
            let id = trie.id(place);
            let is_added = self.is_added(id);
            self.marks.push(Mark {
                slot,
                number: self.adjacency.number_of(id),
                touches_added: self.added.may_start_in(token),
                is_added,
                is_fallback: self.is_fallback(id),
                is_written: is_added || self.adjacency.is_reachable(id),
                begins_contraction: begins_contraction(token),
            });
        }
        // Those without a shape come behind the shapes, in the order in which they were met.
        for mark in &mut self.marks {
            if u32::MAX - mark.slot <= without {
                mark.slot = shapes.len() as u32 + (u32::MAX - mark.slot) - 1;
            }
        }
        let own = |shape: u32| plain.get(&shape).copied().unwrap_or(shape);
        self.plain_shapes = (0u32..).take(shapes.len()).map(own).collect();
        self.outcomes = KnownOutcomes::new(shapes.len() + without as usize);
        self.shapes = shapes;
    }

    fn is_added(&self, id: u32) -> bool {
        self.is_added.get(id as usize) == Some(&true)
    }

    /// Whether the token is a byte of a character that no token covers.
    fn is_fallback(&self, id: u32) -> bool {
        self.fallback.binary_search(&id).is_ok()
    }

    /// Where outcomes of a token are kept.
    fn slot(&self, mark: &Mark, near_apostrophe: bool) -> usize {
        let slot = mark.slot as usize;
        match self.plain_shapes.get(slot) {
            Some(plain) if !near_apostrophe => *plain as usize,
            _ => slot,
        }
    }

    fn encode(&self, text: &[u8]) -> Result<Vec<u32>, TextError> {
        let (mut ids, mut at) = (Vec::new(), 0);
        for (start, end, id) in self.added.find(text) {
            self.encode_part(text.get(at..start).unwrap_or_default(), &mut ids)?;
            ids.push(id);
            at = end;
        }
        self.encode_part(text.get(at..).unwrap_or_default(), &mut ids)?;
        Ok(ids)
    }

    fn encode_part(&self, text: &[u8], ids: &mut Vec<u32>) -> Result<(), TextError> {
        let (mut found, end) = characters(self.rule, text);
        if end < text.len() {
            found.push((units::seen_by(self.rule, classes::Class::Other), end));
        }
        let classes: Vec<_> = found.iter().map(|(class, _)| *class).collect();
        let start_of = |unit: usize| found.get(unit).map_or(text.len(), |(_, at)| *at);
        let mut at = 0;
        while at < classes.len() {
            let end = self.rule.piece_end(&classes, at);
            let mut symbols = Vec::new();
            for unit in at..end {
                let bytes = text.get(start_of(unit)..start_of(unit + 1));
                self.symbols(bytes.unwrap_or_default(), &mut symbols)?;
            }
            encode::merge_all(&mut symbols, self.adjacency.merges());
            ids.append(&mut symbols);
            at = end;
        }
        Ok(())
    }

    /// The symbols that one character starts as.
    fn symbols(&self, character: &[u8], symbols: &mut Vec<u32>) -> Result<(), TextError> {
        let mut chars = std::str::from_utf8(character).unwrap_or("").chars();
        if let Some(id) = chars.next().and_then(|c| self.characters.get(&c)) {
            symbols.push(*id);
            return Ok(());
        }
        for byte in character {
            let id = self.bytes.get(usize::from(*byte)).copied().flatten();
            symbols.push(id.ok_or_else(|| {
                TextError::InvalidArgument(format!(
                    "the byte 0x{byte:02X} has no token in this vocabulary; leave it out"
                ))
            })?);
        }
        Ok(())
    }

    fn heap_bytes(&self) -> usize {
        let shapes: usize = self.shapes.iter().map(|units| units.capacity() * 2).sum();
        self.adjacency.heap_bytes()
            + shapes * size_of::<Unit>()
            + self.marks.capacity() * size_of::<Mark>()
            + self.is_added.capacity()
    }
}
