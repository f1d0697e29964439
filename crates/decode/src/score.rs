use std::f64::consts::LN_2;

use lexigraft_models::decoder::KvCache;
use lexigraft_models::device::read_f32;

use crate::generation::PREFILL_CHUNK;
use crate::{DecodeError, LanguageModel};

/// How well a model predicts a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// Sum of `token_nll` in bits over the UTF-8 bytes of the whole text. Comparable between
    /// tokenizers, as token perplexity is not.
    pub bits_per_byte: f64,
    pub bytes: usize,
    /// All tokens of the text.
    pub ids: Vec<u32>,
    /// Negative log-probability of each token but the first, in nats.
    pub token_nll: Vec<f32>,
}

/// A text that is being scored, a chunk a step.
#[derive(Debug)]
pub struct Scoring {
    model: LanguageModel,
    bytes: usize,
    ids: Vec<u32>,
    token_nll: Vec<f32>,
    cache: KvCache,
    /// Tokens of `ids` that are run, cached or dropped from the cache again.
    done: usize,
}

impl Scoring {
    pub(crate) fn new(model: LanguageModel, text: &str) -> Result<Self, DecodeError> {
        let ids = model.tokenizer().encode(text, true)?;
        if ids.len() < 2 {
            return Err(DecodeError::InvalidArgument(
                "a text of at least two tokens is needed: the first is not scored".to_owned(),
            ));
        }
        let capacity = ids.len().min(model.info().context_length);
        Ok(Self {
            cache: model.decoder().new_cache(capacity)?,
            bytes: text.len(),
            token_nll: Vec::with_capacity(ids.len() - 1),
            ids,
            done: 0,
            model,
        })
    }

    /// Scores one chunk and returns (tokens scored, tokens to score).
    ///
    /// A text longer than the context is read in windows that overlap by half, so that every
    /// token but the first ones is predicted from at least half a context.
    ///
    /// # Errors
    /// `device-lost`.
    pub async fn next(&mut self) -> Result<(usize, usize), DecodeError> {
        let total = self.ids.len() - 1;
        if self.done >= total {
            return Ok((total, total));
        }
        let decoder = self.model.decoder();
        if self.cache.len() == self.cache.capacity() {
            let keep = self.cache.capacity() / 2;
            self.cache.truncate(0);
            for chunk in self.ids[self.done - keep..self.done].chunks(PREFILL_CHUNK) {
                decoder.forward(chunk, &mut self.cache)?;
            }
        }
        let room = self.cache.capacity() - self.cache.len();
        let end = total.min(self.done + PREFILL_CHUNK.min(room));
        let hidden = decoder.forward(&self.ids[self.done..end], &mut self.cache)?;
        let log_probs = decoder.target_log_probs(hidden, &self.ids[self.done + 1..=end])?;
        let log_probs = read_f32(log_probs).await?;
        self.token_nll.extend(log_probs.iter().map(|p| -p));
        self.done = end;
        Ok((end, total))
    }

    /// Runs what is left.
    ///
    /// # Errors
    /// `device-lost`.
    pub async fn finish(mut self) -> Result<Score, DecodeError> {
        loop {
            let (done, total) = self.next().await?;
            if done == total {
                break;
            }
        }
        let nats: f64 = self.token_nll.iter().map(|&nll| f64::from(nll)).sum();
        Ok(Score {
            bits_per_byte: nats / LN_2 / self.bytes.max(1) as f64,
            bytes: self.bytes,
            ids: self.ids,
            token_nll: self.token_nll,
        })
    }
}
