//! Several models as one, byte by byte.
//!
//! Models with different tokenizers have no tokens in common, but all have bytes.

use super::distribution::{ByteDistribution, SLOTS};
use super::next_byte::{ByteSet, LocalFuture, NextByte, Precision};
use super::scorer::Cost;
use crate::DecodeError;

/// How distributions become one. All are renormalised.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Combination {
    /// The mean of the probabilities.
    Mixture,
    /// The mean of the log-probabilities.
    Product,
    /// `base + alpha (expert - anti)` in log-probabilities, of three models in this order
    /// (proxy tuning, arXiv 2401.08565).
    Proxy {
        /// 0 is the base.
        alpha: f64,
    },
}

/// What a [`Precision::Likeliest`] becomes: a share of each model's distribution.
const TOLERANCE: f64 = 1e-4;

/// Byte models that answer together.
pub struct Ensemble {
    models: Vec<Box<dyn NextByte>>,
    combination: Combination,
}

impl Ensemble {
    /// # Errors
    /// `invalid-argument` for no models, for other than three of a proxy, or an alpha that is no
    /// number.
    pub fn new(
        models: Vec<Box<dyn NextByte>>,
        combination: Combination,
    ) -> Result<Self, DecodeError> {
        let wrong = match combination {
            Combination::Proxy { alpha } if !alpha.is_finite() => "alpha must be a number",
            Combination::Proxy { .. } if models.len() != 3 => {
                "proxy tuning takes a base, an expert and an anti-expert"
            }
            _ if models.is_empty() => "an ensemble needs at least one model",
            _ => {
                return Ok(Self {
                    models,
                    combination,
                });
            }
        };
        Err(DecodeError::InvalidArgument(wrong.to_owned()))
    }

    /// The models, in their order.
    pub fn into_models(self) -> Vec<Box<dyn NextByte>> {
        self.models
    }
}

/// One distribution of several of the same place.
///
/// # Errors
/// `contradictory-constraints` where no slot has a probability in all of them.
pub fn combine(
    distributions: &[ByteDistribution],
    combination: Combination,
) -> Result<ByteDistribution, DecodeError> {
    let slot = |slot: usize| -> f64 {
        let log_probs = distributions.iter().map(|d| f64::from(d.log_prob(slot)));
        let count = distributions.len() as f64;
        match combination {
            Combination::Mixture => (log_probs.map(f64::exp).sum::<f64>() / count).ln(),
            Combination::Product => log_probs.sum::<f64>() / count,
            Combination::Proxy { alpha } => {
                let of: Vec<f64> = log_probs.collect();
                let [base, expert, anti] = of.as_slice() else {
                    return f64::NEG_INFINITY;
                };
                let shift = alpha * (expert - anti);
                // Where both say never, neither says anything.
                if shift.is_nan() { *base } else { base + shift }
            }
        }
    };
    let scores: Vec<f64> = (0..SLOTS).map(slot).collect();
    let unknown = distributions.iter().map(|d| d.unknown).fold(0.0, f64::max);
    ByteDistribution::from_scores(&scores)
        .map(|combined| ByteDistribution {
            unknown,
            ..combined
        })
        .ok_or_else(|| DecodeError::ContradictoryConstraints {
            at: 0,
            reason: "the models agree on no byte".to_owned(),
        })
}

impl NextByte for Ensemble {
    fn next_byte<'a>(
        &'a mut self,
        prefix: &'a [u8],
        allowed: Option<&'a ByteSet>,
        precision: Precision,
    ) -> LocalFuture<'a, Result<ByteDistribution, DecodeError>> {
        let precision = match precision {
            Precision::Likeliest => Precision::Within(TOLERANCE),
            other => other,
        };
        Box::pin(async move {
            let mut distributions = Vec::with_capacity(self.models.len());
            for model in &mut self.models {
                distributions.push(model.next_byte(prefix, allowed, precision).await?);
            }
            combine(&distributions, self.combination)
        })
    }

    fn read_ahead<'a>(
        &'a mut self,
        prefix: &'a [u8],
        text: &'a [u8],
    ) -> LocalFuture<'a, Result<(), DecodeError>> {
        Box::pin(async move {
            for model in &mut self.models {
                model.read_ahead(prefix, text).await?;
            }
            Ok(())
        })
    }

    fn cost(&self) -> Cost {
        let costs = self.models.iter().map(|model| model.cost());
        costs.fold(Cost::default(), |sum, cost| sum + cost)
    }
}
