//! Prompts whose rows are given: fewer places in the cache than the tokens that they stand for.

use burn::tensor::Tensor;
use lexigraft_models::decoder::KvCache;
use lexigraft_models::device::read_f32;
use web_time::{Duration, Instant};

use super::{CACHE_GRAIN, Generation, PREFILL_CHUNK};
use crate::sampler::log_prob;
use crate::{DecodeError, GenerationOptions, LanguageModel};

/// A prompt in a cache, after which a model writes or scores with its own tokens.
#[derive(Debug)]
pub struct Prefilled {
    model: LanguageModel,
    cache: KvCache,
    /// The tokens of the model's own vocabulary that the rows stand for.
    ids: Vec<u32>,
    logits: Vec<f32>,
    elapsed: Duration,
}

impl LanguageModel {
    /// Runs a prompt of rows `[tokens * hidden]`, each a token with a position of its own, that
    /// stands for the tokens `ids`: at least as many.
    ///
    /// # Errors
    /// `prompt-too-long` where no place is left in the context; `invalid-argument` for no rows,
    /// values that are not whole rows, or fewer ids than rows; `device-lost`.
    pub async fn prefill(&self, rows: &[f32], ids: Vec<u32>) -> Result<Prefilled, DecodeError> {
        let decoder = self.decoder();
        let (hidden, context) = (
            decoder.config().hidden_size,
            decoder.config().context_length,
        );
        let tokens = rows.len() / hidden;
        if tokens == 0 || !rows.len().is_multiple_of(hidden) || ids.len() < tokens {
            return Err(DecodeError::InvalidArgument(format!(
                "{} values are not the rows of {hidden} of at most {} tokens",
                rows.len(),
                ids.len()
            )));
        }
        if tokens >= context {
            return Err(DecodeError::PromptTooLong { tokens, context });
        }
        let start = Instant::now();
        let mut cache = decoder.new_cache(whole_grains(tokens, context))?;
        let mut last: Option<Tensor<2>> = None;
        for chunk in rows.chunks(PREFILL_CHUNK * hidden) {
            last = Some(decoder.forward_embedded(chunk.to_vec(), &mut cache)?);
        }
        let logits = match last {
            Some(hidden) => self.last_logits(hidden).await?,
            None => Vec::new(),
        };
        Ok(Prefilled {
            model: self.clone(),
            cache,
            ids,
            logits,
            elapsed: start.elapsed(),
        })
    }
}

impl Prefilled {
    /// Logits `[vocab]` for the token after the prompt.
    pub fn logits(&self) -> &[f32] {
        &self.logits
    }

    /// Places that the prompt takes in the cache.
    pub fn places(&self) -> usize {
        self.cache.len()
    }

    /// From the first row to the logits of the next token.
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// Negative log-probabilities of tokens that follow the prompt, in nats.
    ///
    /// # Errors
    /// `prompt-too-long` where they do not fit the context; `invalid-argument` for an id outside
    /// the vocabulary; `device-lost`.
    pub async fn score(self, ids: &[u32]) -> Result<Vec<f32>, DecodeError> {
        let (Some(first), Some((_, run))) = (ids.first(), ids.split_last()) else {
            return Ok(Vec::new());
        };
        let vocab = self.logits.len();
        if let Some(id) = ids.iter().find(|id| **id as usize >= vocab) {
            return Err(DecodeError::InvalidArgument(format!(
                "token id {id} is outside the vocabulary of {vocab}"
            )));
        }
        let mut cache = with_room(&self.model, self.cache, run.len())?;
        let decoder = self.model.decoder();
        let mut nll = vec![-log_prob(&self.logits, *first)];
        let targets = ids.get(1..).unwrap_or_default();
        for (run, targets) in run.chunks(PREFILL_CHUNK).zip(targets.chunks(PREFILL_CHUNK)) {
            let hidden = decoder.forward(run, &mut cache)?;
            let log_probs = read_f32(decoder.target_log_probs(hidden, targets)?).await?;
            nll.extend(log_probs.iter().map(|p| -p));
        }
        Ok(nll)
    }

    /// Goes on from the prompt with the model's own tokens. Nothing is left for the next
    /// generation to reuse.
    ///
    /// # Errors
    /// `invalid-argument` for options outside their ranges; `out-of-memory`.
    pub fn generate(self, options: GenerationOptions) -> Result<Generation, DecodeError> {
        let places = self.cache.len();
        let left = self.model.info().context_length.saturating_sub(places);
        let sampler = super::sampler_after(&self.ids, &options)?;
        let cache = with_room(&self.model, self.cache, options.max_tokens.min(left))?;
        let mut generation = Generation::with_cache(self.model, self.ids, options, sampler, cache);
        generation.saved = generation.ids.len() - places;
        generation.logits = Some(self.logits);
        generation.prefill = self.elapsed;
        Ok(generation)
    }
}

/// The cache with room for so many more tokens.
fn with_room(model: &LanguageModel, cache: KvCache, more: usize) -> Result<KvCache, DecodeError> {
    let context = model.info().context_length;
    let wanted = cache.len().saturating_add(more);
    if wanted > context {
        return Err(DecodeError::PromptTooLong {
            tokens: wanted,
            context,
        });
    }
    if wanted <= cache.capacity() {
        return Ok(cache);
    }
    Ok(model
        .decoder()
        .grow_cache(cache, whole_grains(wanted, context))?)
}

/// Places of a cache for so many tokens.
fn whole_grains(tokens: usize, context: usize) -> usize {
    let whole = tokens.checked_next_multiple_of(CACHE_GRAIN);
    whole.unwrap_or(context).min(context)
}
