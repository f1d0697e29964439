//! What was found out about tokens after a beginning of a piece, kept for the next time.
//!
//! Whether a piece can end before a token depends on the characters since the last certain end
//! of a piece and on those of the token, as classes. Both are few: the same beginnings come
//! again every other word.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};

use super::units::{Join, Unit};

/// Whether some future has a seam between two pieces, and whether some has it inside one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) apart: bool,
    pub(crate) joined: bool,
}

/// Outcomes after one beginning, by kind of token.
#[derive(Debug)]
pub(crate) struct Outcomes(Vec<AtomicU8>);

const KNOWN: u8 = 4;

impl Outcomes {
    pub(crate) fn get(&self, slot: usize) -> Option<Outcome> {
        let bits = self.0.get(slot)?.load(Ordering::Relaxed);
        (bits & KNOWN != 0).then_some(Outcome {
            apart: bits & 1 != 0,
            joined: bits & 2 != 0,
        })
    }

    pub(crate) fn set(&self, slot: usize, outcome: Outcome) {
        if let Some(place) = self.0.get(slot) {
            let bits = KNOWN | u8::from(outcome.apart) | u8::from(outcome.joined) << 1;
            place.store(bits, Ordering::Relaxed);
        }
    }
}

type Beginning = (Vec<Unit>, Vec<u8>, Join);

/// Outcomes after every beginning that came lately.
#[derive(Debug, Default)]
pub(crate) struct KnownOutcomes {
    known: Mutex<HashMap<Beginning, Arc<Outcomes>>>,
    slots: usize,
}

/// Bytes of outcomes that are kept; then all are found anew.
const MOST_BYTES: usize = 4 << 20;

impl KnownOutcomes {
    pub(crate) fn new(slots: usize) -> Self {
        Self {
            known: Mutex::default(),
            slots,
        }
    }

    pub(crate) fn of(&self, window: &[Unit], tail: &[u8], tail_join: Join) -> Arc<Outcomes> {
        let fresh = || {
            Arc::new(Outcomes(
                (0..self.slots).map(|_| AtomicU8::new(0)).collect(),
            ))
        };
        let Ok(mut known) = self.known.lock() else {
            return fresh();
        };
        if known.len() * self.slots > MOST_BYTES {
            known.clear();
        }
        let beginning = (window.to_vec(), tail.to_vec(), tail_join);
        known.entry(beginning).or_insert_with(fresh).clone()
    }
}
