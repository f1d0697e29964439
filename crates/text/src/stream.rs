//! Text from ids, one id at a time.

use crate::decoder::Joining;
use crate::vocabulary::Kind;
use crate::{TextError, Tokenizer};

/// Turns ids into text as they arrive, in whole characters.
///
/// What [`push`](StreamDecoder::push) returns over all ids, followed by
/// [`finish`](StreamDecoder::finish), is exactly [`Tokenizer::decode`] of these ids. Bytes that
/// may still become a character are held back; bytes that cannot become one any more come out
/// as U+FFFD, as [`String::from_utf8_lossy`] does it.
#[derive(Debug, Clone)]
pub struct StreamDecoder {
    tokenizer: Tokenizer,
    skip_special: bool,
    first: bool,
    strip: usize,
    pending: Vec<u8>,
}

impl StreamDecoder {
    pub(crate) fn new(tokenizer: Tokenizer, skip_special: bool) -> Self {
        let strip = match tokenizer.decoder().joining {
            Joining::Bytes { strip } => strip,
            _ => 0,
        };
        Self {
            tokenizer,
            skip_special,
            first: true,
            strip,
            pending: Vec::new(),
        }
    }

    /// Says that the text goes on after other text, such as a prompt: a leading space of the
    /// first token is then kept, and word pieces are joined to what was before.
    pub fn continuing(mut self) -> Self {
        self.first = false;
        self.strip = 0;
        self
    }

    /// Takes one id and returns the text that is certain now, which may be empty.
    ///
    /// # Errors
    /// `invalid-argument` for an id that the vocabulary has no token for; the decoder can be
    /// used further.
    pub fn push(&mut self, id: u32) -> Result<String, TextError> {
        let mut text = String::new();
        self.push_to(id, &mut text)?;
        Ok(text)
    }

    /// Ends the text: the bytes held back, with U+FFFD for an unfinished character. The decoder
    /// is then as new.
    pub fn finish(&mut self) -> String {
        let mut text = String::new();
        self.finish_to(&mut text);
        *self = Self::new(self.tokenizer.clone(), self.skip_special);
        text
    }

    pub(crate) fn push_to(&mut self, id: u32, text: &mut String) -> Result<(), TextError> {
        let vocabulary = self.tokenizer.vocabulary();
        let Some(token) = vocabulary.bytes(id) else {
            return Err(TextError::UnknownId {
                id,
                vocab_size: vocabulary.len(),
            });
        };
        if self.skip_special && vocabulary.kind(id) == Kind::Special {
            return Ok(());
        }
        let piece = self.tokenizer.decoder().piece(token, self.first);
        self.first = false;
        let mut piece = piece.as_slice();
        while let (1.., Some((byte, rest))) = (self.strip, piece.split_first()) {
            if *byte == b' ' {
                self.strip -= 1;
                piece = rest;
            } else {
                self.strip = 0;
            }
        }
        self.pending.extend_from_slice(piece);
        self.drain(text);
        Ok(())
    }

    pub(crate) fn finish_to(&mut self, text: &mut String) {
        text.push_str(&String::from_utf8_lossy(&self.pending));
        self.pending.clear();
    }

    /// Moves what is certain from `pending` to `text`.
    fn drain(&mut self, text: &mut String) {
        let mut rest = self.pending.as_slice();
        loop {
            match std::str::from_utf8(rest) {
                Ok(valid) => {
                    text.push_str(valid);
                    self.pending.clear();
                    return;
                }
                Err(error) => {
                    let (valid, after) = rest.split_at(error.valid_up_to());
                    text.push_str(&String::from_utf8_lossy(valid));
                    match error.error_len() {
                        Some(bad) => {
                            text.push(char::REPLACEMENT_CHARACTER);
                            rest = after.get(bad..).unwrap_or_default();
                        }
                        // The start of a character: wait for the rest of it.
                        None => {
                            self.pending = after.to_vec();
                            return;
                        }
                    }
                }
            }
        }
    }
}
