mod options;
mod prefilled;

use std::collections::VecDeque;

use burn::tensor::Tensor;
use lexigraft_models::decoder::KvCache;
use lexigraft_text::StreamDecoder;
use web_time::{Duration, Instant};

use crate::language_model::CachedTokens;
use crate::sampler::log_prob;
use crate::stop::{StopState, StopStrings};
use crate::{DecodeError, LanguageModel, Sampler};

pub use options::{EndReason, GenerationOptions, GenerationResult, Step};
pub use prefilled::Prefilled;

/// Prompt tokens of one step: enough to fill the matrix product, few enough to stop soon.
pub(crate) const PREFILL_CHUNK: usize = 32;

/// The cache grows by this many tokens, so that turns of a chat share one.
const CACHE_GRAIN: usize = 256;

/// The longest chain: what a stop throws away.
const MAX_LOOKAHEAD: usize = 16;

/// One run of a model. Dropping it leaves its cache to the next run.
#[derive(Debug)]
pub struct Generation {
    model: LanguageModel,
    options: GenerationOptions,
    sampler: Sampler,
    stream: StreamDecoder,
    stop: StopStrings,
    stop_ids: Vec<u32>,
    prompt_len: usize,
    /// Prompt, then generated tokens.
    ids: Vec<u32>,
    /// By how many the places in the cache are fewer than the tokens of `ids` that they hold.
    saved: usize,
    reused_tokens: usize,
    cache: Option<KvCache>,
    /// Logits for the next token, once all of `ids` is in the cache.
    logits: Option<Vec<f32>>,
    /// The next token, where the device chose it and kept the logits.
    likeliest: Option<u32>,
    /// Tokens after that one, which the device has chosen and all but the last of which it has run.
    ahead: VecDeque<u32>,
    /// The largest logits, where the device chose them and no others matter.
    largest: Option<Vec<(u32, f32)>>,
    ended: Option<GenerationResult>,
    prefill: Duration,
    decode: Duration,
}

impl Generation {
    pub(crate) fn new(
        model: LanguageModel,
        prompt_ids: Vec<u32>,
        options: GenerationOptions,
    ) -> Result<Self, DecodeError> {
        let context = model.info().context_length;
        if prompt_ids.is_empty() {
            return Err(DecodeError::InvalidArgument(
                "the prompt is empty; give at least one token".to_owned(),
            ));
        }
        if prompt_ids.len() >= context {
            return Err(DecodeError::PromptTooLong {
                tokens: prompt_ids.len(),
                context,
            });
        }
        let sampler = sampler_after(&prompt_ids, &options)?;
        let wanted = prompt_ids.len().saturating_add(options.max_tokens);
        let capacity = wanted
            .checked_next_multiple_of(CACHE_GRAIN)
            .unwrap_or(context)
            .min(context);
        let (cache, reused_tokens) = match model.take_cache() {
            Some(cached) => {
                let same = cached
                    .ids
                    .iter()
                    .zip(&prompt_ids)
                    .take_while(|(a, b)| a == b)
                    .count();
                // The last prompt token runs in any case: its logits are what is wanted.
                let keep = same.min(prompt_ids.len() - 1);
                let mut cache = cached.cache;
                cache.truncate(keep);
                if cache.capacity() >= capacity {
                    (cache, keep)
                } else if keep > 0 {
                    (model.decoder().grow_cache(cache, capacity)?, keep)
                } else {
                    // Free the old one first.
                    drop(cache);
                    (model.decoder().new_cache(capacity)?, 0)
                }
            }
            None => (model.decoder().new_cache(capacity)?, 0),
        };
        let mut generation = Self::with_cache(model, prompt_ids, options, sampler, cache);
        generation.reused_tokens = reused_tokens;
        Ok(generation)
    }

    fn with_cache(
        model: LanguageModel,
        prompt_ids: Vec<u32>,
        options: GenerationOptions,
        sampler: Sampler,
        cache: KvCache,
    ) -> Self {
        Self {
            // The text goes on from the prompt: its first space is not the beginning of a text.
            stream: model.tokenizer().stream_decoder(true).continuing(),
            stop: StopStrings::new(options.stop.iter().cloned()),
            stop_ids: model.tokenizer().stop_ids(),
            prompt_len: prompt_ids.len(),
            ids: prompt_ids,
            saved: 0,
            reused_tokens: 0,
            cache: Some(cache),
            logits: None,
            likeliest: None,
            ahead: VecDeque::new(),
            largest: None,
            ended: None,
            prefill: Duration::ZERO,
            decode: Duration::ZERO,
            model,
            options,
            sampler,
        }
    }

    /// Runs one chunk of the prompt, or chooses one token.
    ///
    /// After [`Step::End`] every further call gives the same end.
    ///
    /// # Errors
    /// `device-lost` and what the tokenizer says; the generation is over then.
    pub async fn next(&mut self) -> Result<Step, DecodeError> {
        if let Some(result) = &self.ended {
            return Ok(Step::End(result.clone()));
        }
        let start = Instant::now();
        let places = self.cache.as_ref().map_or(0, KvCache::len);
        let cached = places + self.saved;
        if cached < self.prompt_len {
            let end = self.prompt_len.min(cached + PREFILL_CHUNK);
            self.run(cached, end).await?;
            self.prefill += start.elapsed();
            return Ok(Step::Prefill {
                done: end,
                total: self.prompt_len,
            });
        }
        if self.ids.len() - self.prompt_len >= self.options.max_tokens {
            return Ok(self.end(EndReason::MaxTokens, None));
        }
        if let Some(id) = self.ahead.pop_front() {
            self.likeliest = Some(id);
        } else if cached < self.ids.len() {
            if places >= self.model.info().context_length {
                return Ok(self.end(EndReason::Context, None));
            }
            self.run(cached, self.ids.len()).await?;
        }
        let step = self.choose();
        self.decode += start.elapsed();
        step
    }

    /// Runs `ids[from..to]`; keeps the logits when nothing is left to run.
    async fn run(&mut self, from: usize, to: usize) -> Result<(), DecodeError> {
        let Some(cache) = self.cache.as_mut() else {
            return Err(DecodeError::Aborted);
        };
        let ids = &self.ids[from..to];
        let greedy = self.sampler.is_argmax() && !self.options.log_probs;
        let lookahead = self.options.lookahead;
        let lookahead = lookahead.unwrap_or_else(|| self.model.decoder().natural_chain());
        if let ([id], true, true) = (ids, greedy && from >= self.prompt_len, lookahead > 1) {
            let wanted = self.prompt_len + self.options.max_tokens - self.ids.len();
            let count = lookahead
                .min(MAX_LOOKAHEAD)
                .min(wanted)
                .min(cache.capacity().saturating_sub(cache.len()))
                .max(1);
            let decoder = self.model.decoder();
            if let Some(chosen) = decoder.likeliest_chain(*id, count, cache).await? {
                self.ahead = chosen.into();
                self.likeliest = self.ahead.pop_front();
                return Ok(());
            }
        }
        let hidden: Tensor<2> = self.model.decoder().forward(ids, cache)?;
        if to == self.ids.len() {
            if greedy {
                self.likeliest = self.model.last_likeliest(hidden.clone()).await?;
                if self.likeliest.is_some() {
                    return Ok(());
                }
            } else if let Some(k) = self.sampler.needed()
                && !self.options.log_probs
            {
                self.largest = self.model.last_top_k(hidden.clone(), k).await?;
                if self.largest.is_some() {
                    return Ok(());
                }
            }
            self.logits = Some(self.model.last_logits(hidden).await?);
        }
        Ok(())
    }

    fn choose(&mut self) -> Result<Step, DecodeError> {
        let on_device = match self.largest.take() {
            Some(largest) => self.sampler.sample_largest(&largest),
            None => self.likeliest.take(),
        };
        let chosen = on_device.map(|id| (id, &[][..])).or_else(|| {
            let logits = self.logits.as_deref()?;
            Some((self.sampler.sample(logits)?, logits))
        });
        let Some((id, logits)) = chosen else {
            return Err(DecodeError::Model(
                lexigraft_models::ModelError::DeviceLost("the logits hold no numbers".to_owned()),
            ));
        };
        let log_prob = self.options.log_probs.then(|| log_prob(logits, id));
        self.ids.push(id);
        self.sampler.observe(&[id]);
        if self.stop_ids.contains(&id) {
            return Ok(self.end(EndReason::StopToken, None));
        }
        // A model may have more rows than the tokenizer has tokens; such an id has no text.
        let text = if self.model.tokenizer().token_bytes(id).is_some() {
            self.stream.push(id)?
        } else {
            String::new()
        };
        match self.stop.push(&text) {
            StopState::Continue(text) => Ok(Step::Piece { text, id, log_prob }),
            StopState::Stopped(text) => Ok(self.end(EndReason::StopString, Some(text))),
        }
    }

    /// `text` is what came before a stop string; otherwise what was held back is let go.
    fn end(&mut self, reason: EndReason, text: Option<String>) -> Step {
        let text = text.unwrap_or_else(|| {
            let rest = self.stream.finish();
            match self.stop.push(&rest) {
                StopState::Continue(mut shown) => {
                    shown.push_str(&self.stop.finish());
                    shown
                }
                StopState::Stopped(shown) => shown,
            }
        });
        let result = GenerationResult {
            reason,
            text,
            prompt_ids: self.ids[..self.prompt_len].to_vec(),
            ids: self.ids[self.prompt_len..].to_vec(),
            seed: self.sampler.seed(),
            reused_tokens: self.reused_tokens,
            prefill: self.prefill,
            decode: self.decode,
        };
        self.ended = Some(result.clone());
        Step::End(result)
    }
}

/// A sampler that has seen the prompt.
fn sampler_after(prompt_ids: &[u32], options: &GenerationOptions) -> Result<Sampler, DecodeError> {
    if options.max_tokens == 0 {
        return Err(DecodeError::InvalidArgument(
            "max tokens must be at least 1".to_owned(),
        ));
    }
    let mut sampler = Sampler::new(options.sampler.clone())?;
    sampler.observe(prompt_ids);
    Ok(sampler)
}

impl Drop for Generation {
    fn drop(&mut self) {
        // Places that hold several tokens are of no use to a prompt of tokens.
        if let Some(mut cache) = self.cache.take().filter(|_| self.saved == 0) {
            // What was chosen ahead of an end is not part of the text.
            cache.truncate(self.ids.len());
            let mut ids = std::mem::take(&mut self.ids);
            ids.truncate(cache.len());
            self.model.give_back(CachedTokens { cache, ids });
        }
    }
}
