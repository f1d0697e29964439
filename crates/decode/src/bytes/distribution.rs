//! The distribution of the next byte.

use serde::Serialize;

/// The slot of the end of the text, after the 256 bytes.
pub const STOP: usize = 256;

/// Slots of a distribution: 256 bytes and the end of the text.
pub const SLOTS: usize = 257;

/// Natural log-probabilities of the 256 bytes and of the end of the text (slot [`STOP`]).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ByteDistribution {
    /// 257 numbers; the exponentials sum to one.
    pub log_probs: Vec<f32>,
    /// Most that the probability of what was left aside may be: 0 where nothing was.
    pub unknown: f64,
}

impl ByteDistribution {
    /// From masses that need not sum to one. `None` if there is no mass.
    pub(super) fn from_masses(masses: &Masses) -> Option<Self> {
        let total = masses.total();
        if !(total > 0.0 && total.is_finite()) {
            return None;
        }
        let log_total = total.ln();
        let log_probs = masses.slots.iter();
        Some(Self {
            log_probs: log_probs.map(|m| (m.ln() - log_total) as f32).collect(),
            unknown: masses.unknown / (total + masses.unknown),
        })
    }

    /// From scores that need not be normalised. `None` if none is a finite number.
    pub fn from_scores(scores: &[f64]) -> Option<Self> {
        let top = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if !top.is_finite() || scores.len() != SLOTS {
            return None;
        }
        let total: f64 = scores.iter().map(|score| (score - top).exp()).sum();
        let log_total = top + total.ln();
        Some(Self {
            log_probs: scores.iter().map(|s| (s - log_total) as f32).collect(),
            unknown: 0.0,
        })
    }

    /// Log-probability of a slot; minus infinity outside.
    pub fn log_prob(&self, slot: usize) -> f32 {
        self.log_probs
            .get(slot)
            .copied()
            .unwrap_or(f32::NEG_INFINITY)
    }

    /// The likeliest slot, the first of equals.
    pub fn likeliest(&self) -> usize {
        let all = self.log_probs.iter().enumerate();
        all.fold((0, f32::NEG_INFINITY), |best, (slot, log_prob)| {
            if *log_prob > best.1 {
                (slot, *log_prob)
            } else {
                best
            }
        })
        .0
    }

    /// What is left when only `allowed` slots may come, renormalised. `None` if that is nothing.
    pub fn restricted(&self, allowed: impl Fn(usize) -> bool) -> Option<Self> {
        let scores: Vec<f64> = (self.log_probs.iter().enumerate())
            .map(|(slot, log_prob)| match allowed(slot) {
                true => f64::from(*log_prob),
                false => f64::NEG_INFINITY,
            })
            .collect();
        let mut restricted = Self::from_scores(&scores)?;
        restricted.unknown = self.unknown;
        Some(restricted)
    }
}

/// The Jensen-Shannon distance in nats of two distributions: the mean of their divergences from
/// their mixture.
pub fn jensen_shannon(a: &ByteDistribution, b: &ByteDistribution) -> f64 {
    let pairs = a.log_probs.iter().zip(&b.log_probs);
    let half = |p: f64, middle: f64| {
        if p > 0.0 { p * (p / middle).ln() } else { 0.0 }
    };
    pairs
        .map(|(a, b)| {
            let (a, b) = (f64::from(*a).exp(), f64::from(*b).exp());
            let middle = (a + b) / 2.0;
            (half(a, middle) + half(b, middle)) / 2.0
        })
        .sum::<f64>()
        .max(0.0)
}

/// Masses of the slots, and a bound for what is not known yet.
#[derive(Debug, Clone)]
pub(super) struct Masses {
    pub slots: Box<[f64; SLOTS]>,
    pub unknown: f64,
}

impl Default for Masses {
    fn default() -> Self {
        Self {
            slots: Box::new([0.0; SLOTS]),
            unknown: 0.0,
        }
    }
}

impl Masses {
    pub fn total(&self) -> f64 {
        self.slots.iter().sum()
    }

    pub fn add(&mut self, slot: usize, mass: f64) {
        if let Some(sum) = self.slots.get_mut(slot) {
            *sum += mass;
        }
    }

    /// Whether the unknown mass is at most this share of all.
    pub fn within(&self, tolerance: f64) -> bool {
        self.unknown <= tolerance * (self.total() + self.unknown)
    }
}
