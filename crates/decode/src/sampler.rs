//! From logits to the next token.

use std::collections::HashSet;

use lexigraft_kernels::cpu::log_sum_exp;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

use crate::DecodeError;

/// How the next token is chosen.
///
/// The steps run in the order of the fields, as Hugging Face transformers orders them:
/// repetition penalty, temperature, top-k, top-p, min-p, draw.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SamplerOptions {
    /// Divides positive and multiplies negative logits of tokens seen before (arXiv 1909.05858);
    /// 1 is off.
    pub repetition_penalty: f32,
    /// 0 takes the most likely token; 1 draws from the model's own distribution.
    pub temperature: f32,
    /// Keep the k most likely tokens; 0 is off.
    pub top_k: usize,
    /// Keep the fewest tokens that hold this probability (arXiv 1904.09751); 1 is off.
    pub top_p: f32,
    /// Keep tokens at least this share as likely as the likeliest (arXiv 2407.01082); 0 is off.
    pub min_p: f32,
    /// The same seed, model and options give the same text on one device; drawn when absent.
    pub seed: Option<u64>,
}

impl Default for SamplerOptions {
    fn default() -> Self {
        Self {
            repetition_penalty: 1.0,
            temperature: 0.7,
            top_k: 40,
            top_p: 0.95,
            min_p: 0.0,
            seed: None,
        }
    }
}

impl SamplerOptions {
    fn validate(&self) -> Result<(), DecodeError> {
        let rules = [
            (
                self.repetition_penalty.is_finite() && self.repetition_penalty > 0.0,
                "the repetition penalty must be above 0",
            ),
            (
                self.temperature.is_finite() && self.temperature >= 0.0,
                "the temperature must be 0 or more",
            ),
            (
                self.top_p > 0.0 && self.top_p <= 1.0,
                "top-p must be above 0 and at most 1",
            ),
            (
                (0.0..1.0).contains(&self.min_p),
                "min-p must be at least 0 and below 1",
            ),
        ];
        match rules.into_iter().find(|(holds, _)| !holds) {
            Some((_, message)) => Err(DecodeError::InvalidArgument(message.to_owned())),
            None => Ok(()),
        }
    }
}

/// Draws tokens; owns its random numbers and scratch memory.
#[derive(Debug)]
pub struct Sampler {
    options: SamplerOptions,
    seed: u64,
    rng: ChaCha8Rng,
    seen: HashSet<u32>,
    candidates: Vec<(u32, f32)>,
}

impl Sampler {
    /// # Errors
    /// `invalid-argument` for options outside their ranges.
    pub fn new(options: SamplerOptions) -> Result<Self, DecodeError> {
        options.validate()?;
        let seed = match options.seed {
            Some(seed) => seed,
            // 53 bits, so that a JavaScript number can hold it.
            None => {
                getrandom::u64().map_err(|error| {
                    DecodeError::InvalidArgument(format!(
                        "no random seed can be drawn ({error}); give one"
                    ))
                })? >> 11
            }
        };
        Ok(Self {
            options,
            seed,
            rng: ChaCha8Rng::seed_from_u64(seed),
            seen: HashSet::new(),
            candidates: Vec::new(),
        })
    }

    /// The seed in use, given or drawn.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Counts tokens as seen, for the repetition penalty.
    pub fn observe(&mut self, ids: &[u32]) {
        if self.options.repetition_penalty != 1.0 {
            self.seen.extend(ids);
        }
    }

    /// Whether the choice is always the largest logit as the model gives it.
    pub fn is_argmax(&self) -> bool {
        let options = &self.options;
        (options.temperature == 0.0 || options.top_k == 1) && options.repetition_penalty == 1.0
    }

    /// Whether the choice is a draw from the very distribution that the model gives.
    pub fn is_plain(&self) -> bool {
        let options = &self.options;
        options.temperature == 1.0
            && options.top_k == 0
            && options.top_p >= 1.0
            && options.min_p <= 0.0
            && options.repetition_penalty == 1.0
    }

    /// The next random number, from 0 to below 1.
    pub(crate) fn uniform(&mut self) -> f64 {
        // 53 random bits.
        (self.rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// How many of the largest logits, as the model gives them, are all that the choice depends on.
    pub fn needed(&self) -> Option<usize> {
        let options = &self.options;
        (options.top_k > 0 && options.repetition_penalty == 1.0).then_some(options.top_k)
    }

    /// Chooses among the [`needed`](Self::needed) largest logits with their ids, in any order, as
    /// [`sample`](Self::sample) does among all. `None` if there is none.
    pub fn sample_largest(&mut self, largest: &[(u32, f32)]) -> Option<u32> {
        if self.is_argmax() {
            return argmax(largest.iter().copied());
        }
        self.candidates.clear();
        self.candidates.extend(largest);
        self.draw()
    }

    /// Chooses the next token from `logits` `[vocab]`. `None` if no logit is a number.
    pub fn sample(&mut self, logits: &[f32]) -> Option<u32> {
        let penalty = self.options.repetition_penalty;
        let seen = &self.seen;
        let penalised = |(id, &logit): (usize, &f32)| {
            let id = id as u32;
            let logit = match (seen.contains(&id), logit > 0.0) {
                (false, _) => logit,
                (true, true) => logit / penalty,
                (true, false) => logit * penalty,
            };
            (id, logit)
        };
        let all = logits.iter().enumerate();
        if self.options.temperature == 0.0 || self.options.top_k == 1 {
            return argmax(all.map(penalised));
        }
        let candidates = &mut self.candidates;
        candidates.clear();
        candidates.extend(all.map(penalised).filter(|(_, logit)| !logit.is_nan()));
        self.draw()
    }

    /// What comes after the repetition penalty.
    fn draw(&mut self) -> Option<u32> {
        let candidates = &mut self.candidates;
        let likelier = |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        let top_k = self.options.top_k;
        if top_k > 0 && top_k < candidates.len() {
            candidates.select_nth_unstable_by(top_k - 1, likelier);
            candidates.truncate(top_k);
        }
        candidates.sort_unstable_by(likelier);
        let top = candidates.first()?.1;
        if !top.is_finite() {
            return Some(candidates[0].0);
        }
        let temperature = self.options.temperature;
        let mut total = 0f64;
        for (_, value) in candidates.iter_mut() {
            *value = ((*value - top) / temperature).exp();
            total += f64::from(*value);
        }
        if self.options.top_p < 1.0 {
            let enough = total * f64::from(self.options.top_p);
            let mut sum = 0f64;
            let kept = candidates
                .iter()
                .position(|(_, weight)| {
                    sum += f64::from(*weight);
                    sum >= enough
                })
                .map_or(candidates.len(), |last| last + 1);
            candidates.truncate(kept);
        }
        if self.options.min_p > 0.0 {
            let floor = self.options.min_p;
            candidates.retain(|(_, weight)| *weight >= floor);
        }
        let total: f64 = candidates.iter().map(|(_, w)| f64::from(*w)).sum();
        let draw = self.uniform() * total;
        let candidates = &self.candidates;
        let mut sum = 0f64;
        candidates
            .iter()
            .find(|(_, weight)| {
                sum += f64::from(*weight);
                sum > draw
            })
            .or(candidates.last())
            .map(|(id, _)| *id)
    }
}

/// The first of the largest; NaN is never chosen.
fn argmax(logits: impl Iterator<Item = (u32, f32)>) -> Option<u32> {
    logits
        .filter(|(_, logit)| !logit.is_nan())
        .fold(None, |best: Option<(u32, f32)>, (id, logit)| match best {
            Some((_, top)) if top >= logit => best,
            _ => Some((id, logit)),
        })
        .map(|(id, _)| id)
}

/// Natural log-probability of `id` under the softmax of `logits`.
pub(crate) fn log_prob(logits: &[f32], id: u32) -> f32 {
    let logit = logits.get(id as usize).copied().unwrap_or(f32::NAN);
    (f64::from(logit) - log_sum_exp(logits)) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> SamplerOptions {
        SamplerOptions {
            temperature: 1.0,
            top_k: 0,
            top_p: 1.0,
            seed: Some(7),
            ..SamplerOptions::default()
        }
    }

    fn shares(options: SamplerOptions, logits: &[f32], draws: usize) -> Vec<f64> {
        let mut sampler = Sampler::new(options).unwrap();
        let mut counts = vec![0usize; logits.len()];
        for _ in 0..draws {
            counts[sampler.sample(logits).unwrap() as usize] += 1;
        }
        counts.iter().map(|&c| c as f64 / draws as f64).collect()
    }

    #[test]
    fn draws_follow_the_softmax() {
        let logits = [1.0f32, 0.0, -1.0, 2.0];
        let total: f64 = logits.iter().map(|&l| f64::from(l).exp()).sum();
        let draws = 40_000;
        for (share, logit) in shares(options(), &logits, draws).iter().zip(logits) {
            let p = f64::from(logit).exp() / total;
            // Five standard deviations.
            assert!((share - p).abs() < 5.0 * (p * (1.0 - p) / draws as f64).sqrt());
        }
    }

    #[test]
    fn temperature_sharpens_as_the_definition_says() {
        let cold = SamplerOptions {
            temperature: 0.5,
            ..options()
        };
        let share = shares(cold, &[1.0, 0.0], 40_000)[0];
        let expected = 1.0 / (1.0 + (-2f64).exp());
        assert!((share - expected).abs() < 0.01, "{share} {expected}");
    }

    #[test]
    fn the_largest_logits_are_enough_where_it_is_said() {
        let logits: Vec<f32> = (0..500).map(|i| ((i * 7919) % 101) as f32 / 9.0).collect();
        for (top_k, top_p, min_p) in [(40, 0.95, 0.0), (3, 1.0, 0.2), (200, 0.5, 0.0)] {
            let options = SamplerOptions {
                top_k,
                top_p,
                min_p,
                ..options()
            };
            let mut all = Sampler::new(options.clone()).unwrap();
            let mut few = Sampler::new(options).unwrap();
            let mut largest: Vec<(u32, f32)> = (0..).zip(logits.iter().copied()).collect();
            largest.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            largest.truncate(few.needed().unwrap());
            largest.reverse();
            for _ in 0..200 {
                assert_eq!(few.sample_largest(&largest), all.sample(&logits));
            }
        }
        let penalty = SamplerOptions {
            top_k: 40,
            repetition_penalty: 1.1,
            ..options()
        };
        assert_eq!(Sampler::new(penalty).unwrap().needed(), None);
        assert_eq!(Sampler::new(options()).unwrap().needed(), None);
    }

    #[test]
    fn filters_keep_what_they_should() {
        let logits = [0.5f32.ln(), 0.25f32.ln(), 0.15f32.ln(), 0.1f32.ln()];
        let kept = |options: SamplerOptions| {
            shares(options, &logits, 4000)
                .iter()
                .filter(|&&share| share > 0.0)
                .count()
        };
        assert_eq!(
            kept(SamplerOptions {
                top_k: 2,
                ..options()
            }),
            2
        );
        // 0.5 alone holds less than 0.6; with 0.25 it is enough.
        assert_eq!(
            kept(SamplerOptions {
                top_p: 0.6,
                ..options()
            }),
            2
        );
        assert_eq!(
            kept(SamplerOptions {
                top_p: 0.4,
                ..options()
            }),
            1
        );
        // 0.15 / 0.5 = 0.3 stays, 0.1 / 0.5 = 0.2 goes.
        assert_eq!(
            kept(SamplerOptions {
                min_p: 0.25,
                ..options()
            }),
            3
        );
        assert_eq!(kept(options()), 4);
    }

    #[test]
    fn greedy_takes_the_first_of_equals_and_skips_nan() {
        let mut sampler = Sampler::new(SamplerOptions {
            temperature: 0.0,
            ..options()
        })
        .unwrap();
        assert_eq!(sampler.sample(&[f32::NAN, 1.0, 3.0, 3.0]), Some(2));
        assert_eq!(sampler.sample(&[f32::NAN]), None);
        assert_eq!(sampler.sample(&[]), None);
    }

    #[test]
    fn a_penalty_moves_seen_tokens_down_whatever_their_sign() {
        let mut sampler = Sampler::new(SamplerOptions {
            temperature: 0.0,
            repetition_penalty: 2.0,
            ..options()
        })
        .unwrap();
        sampler.observe(&[0]);
        assert_eq!(sampler.sample(&[3.0, 2.0]), Some(1));
        assert_eq!(sampler.sample(&[-1.0, -1.5]), Some(1));
        assert_eq!(sampler.sample(&[5.0, 2.0]), Some(0));
    }

    #[test]
    fn the_same_seed_draws_the_same_tokens() {
        let logits: Vec<f32> = (0..100).map(|i| (i % 7) as f32 / 3.0).collect();
        let run = |seed| {
            let mut sampler = Sampler::new(SamplerOptions {
                seed: Some(seed),
                ..options()
            })
            .unwrap();
            (0..20).map(|_| sampler.sample(&logits)).collect::<Vec<_>>()
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
    }

    #[test]
    fn bad_options_are_refused() {
        let bad = [
            SamplerOptions {
                temperature: -1.0,
                ..options()
            },
            SamplerOptions {
                temperature: f32::NAN,
                ..options()
            },
            SamplerOptions {
                top_p: 0.0,
                ..options()
            },
            SamplerOptions {
                top_p: 1.5,
                ..options()
            },
            SamplerOptions {
                min_p: 1.0,
                ..options()
            },
            SamplerOptions {
                repetition_penalty: 0.0,
                ..options()
            },
        ];
        for options in bad {
            assert_eq!(
                Sampler::new(options).unwrap_err().code(),
                "invalid-argument"
            );
        }
    }

    #[test]
    fn log_prob_is_the_log_softmax() {
        let logits = [1.0f32, 2.0, 3.0];
        let total: f32 = logits.iter().map(|l| l.exp()).sum();
        assert!((log_prob(&logits, 1) - (2.0 - total.ln())).abs() < 1e-6);
    }
}
