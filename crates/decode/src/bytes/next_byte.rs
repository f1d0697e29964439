//! The one face of everything that predicts bytes.

use std::pin::Pin;

use super::distribution::{ByteDistribution, SLOTS, STOP};
use super::scorer::Cost;
use crate::DecodeError;

/// A future of one thread, as a browser runs it.
pub type LocalFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// How well a distribution must be known. What is not evaluated is bounded, never guessed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Precision {
    /// Every node of the tree is evaluated.
    Exact,
    /// At most this share of the probability may be left aside
    /// ([`ByteDistribution::unknown`]).
    Within(f64),
    /// Until the likeliest of the allowed slots is certain: greedy decoding is exact, the
    /// probabilities need not be.
    Likeliest,
}

/// Bytes of a text to [read ahead](NextByte::read_ahead). Each may take a distribution over all
/// tokens until it is asked for, and a pass of so many tokens reads the weights once.
pub const READ_AHEAD: usize = 16;

/// Predicts the next byte of a text.
pub trait NextByte {
    /// The distribution after `prefix`. `allowed` says which slots matter to
    /// [`Precision::Likeliest`]; it does not change the distribution.
    ///
    /// # Errors
    /// `no-tokenization` for a text that the vocabulary cannot write, `prompt-too-long`,
    /// `too-many-tokenizations`, `device-lost`.
    fn next_byte<'a>(
        &'a mut self,
        prefix: &'a [u8],
        allowed: Option<&'a ByteSet>,
        precision: Precision,
    ) -> LocalFuture<'a, Result<ByteDistribution, DecodeError>>;

    /// Draws the next slot from the exact distribution restricted to `allowed`, and computes only
    /// what the draw falls on: with `uniform`, independent numbers from 0 to below 1. Gives with it
    /// the distribution as far as it is known. `None` where the model has no such way, or hardly
    /// anything is allowed: draw from [`next_byte`](Self::next_byte) then, which gives the same.
    ///
    /// # Errors
    /// As [`next_byte`](Self::next_byte).
    fn draw<'a>(
        &'a mut self,
        _prefix: &'a [u8],
        _allowed: &'a ByteSet,
        _uniform: &'a mut dyn FnMut() -> f64,
    ) -> LocalFuture<'a, Result<Option<(usize, ByteDistribution)>, DecodeError>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    /// Computes at once what exact distributions after `prefix` and after each byte of `text` but
    /// the last will ask for, where that is known before: for texts that are scored,
    /// [`READ_AHEAD`] bytes at a time. Changes no distribution.
    ///
    /// # Errors
    /// `prompt-too-long`, `device-lost`; a text that cannot be written is left for
    /// [`next_byte`](Self::next_byte) to refuse.
    fn read_ahead<'a>(
        &'a mut self,
        prefix: &'a [u8],
        text: &'a [u8],
    ) -> LocalFuture<'a, Result<(), DecodeError>>;

    /// What has been computed so far.
    fn cost(&self) -> Cost;
}

/// A set of slots: bytes and the end of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteSet([bool; SLOTS]);

impl ByteSet {
    /// Every byte, and the end.
    pub const ALL: Self = Self([true; SLOTS]);
    /// Nothing.
    pub const NONE: Self = Self([false; SLOTS]);

    /// The bytes for which `test` holds, and the end if `stop`.
    pub fn of(stop: bool, test: impl Fn(u8) -> bool) -> Self {
        let mut set = Self::NONE;
        for (byte, slot) in (0..=255u8).zip(set.0.iter_mut()) {
            *slot = test(byte);
        }
        set.0[STOP] = stop;
        set
    }

    pub fn contains(&self, slot: usize) -> bool {
        self.0.get(slot) == Some(&true)
    }

    pub fn is_empty(&self) -> bool {
        !self.0.contains(&true)
    }

    /// What is in both.
    pub fn and(&self, other: &Self) -> Self {
        let mut both = *self;
        for (slot, other) in both.0.iter_mut().zip(other.0) {
            *slot &= other;
        }
        both
    }
}
