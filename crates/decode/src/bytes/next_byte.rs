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
