//! A head of its own for any method: the first piece's row and what follows it, as a bias.
//!
//! A model that is about to say `walking` in pieces `walk` and `ing` gives its logit to `walk`. So
//! the head's row of a new token is the row of its first piece, and its bias
//!
//! ```text
//! b_t = sum_i log P(p_{i+1} | p_i)
//! ```
//!
//! is what the model itself, on contexts of one token, says of the other pieces. Such a context knows
//! less than a real one and thinks them too rare, so a factor shrinks the bias, and the row is mixed
//! with the one that the method makes for the embedding. `docs/graft.md` has the figures that chose
//! the two numbers, and what else was tried.
//!
//! Found for this project; it is better than FVT with no training at all.

use std::collections::HashMap;
use std::ops::ControlFlow;

use lexigraft_kernels::cpu::log_sum_exp;
use lexigraft_models::decoder::Decoder;
use lexigraft_models::device::read_f32;

use super::{Context, Head, Initialise, Rows, RowsFuture};
use crate::TransferError;

/// Contexts that run at once, in under half a second of a browser's one thread: 9.4 MB of logits over
/// 49,152 tokens.
const CONTEXTS: usize = 48;

/// Log-probabilities of a piece after another one, alone in the context.
#[derive(Debug, Clone, Default)]
pub struct PieceBigrams {
    log_probs: HashMap<(u32, u32), f32>,
}

impl PieceBigrams {
    /// Asks `decoder`, the source itself, for each pair of neighbours in the pieces of the new
    /// tokens. `progress` gets contexts done and all contexts.
    ///
    /// # Errors
    /// `tokenizer-mismatch` for a decoder with fewer tokens; `aborted`; `device-lost`.
    pub async fn new(
        context: Context<'_>,
        decoder: &Decoder,
        mut progress: impl FnMut(usize, usize) -> ControlFlow<()>,
    ) -> Result<Self, TransferError> {
        Self::new_with(context, decoder, async |done, total| progress(done, total)).await
    }

    /// As [`new`](Self::new), with a `progress` that may wait.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub async fn new_with(
        context: Context<'_>,
        decoder: &Decoder,
        mut progress: impl AsyncFnMut(usize, usize) -> ControlFlow<()>,
    ) -> Result<Self, TransferError> {
        let vocab = decoder.config().vocab_size;
        if vocab < context.source.vocab_size() as usize {
            return Err(TransferError::Mismatch(format!(
                "the decoder has {vocab} tokens and the source {}; they do not belong together",
                context.source.vocab_size()
            )));
        }
        let mut followers: HashMap<u32, Vec<u32>> = HashMap::new();
        for id in context.overlap.new_ids() {
            let pieces = context.source.pieces(context.bytes(id)?);
            for (first, second) in pieces.iter().zip(pieces.iter().skip(1)) {
                followers.entry(*first).or_default().push(*second);
            }
        }
        let mut firsts: Vec<u32> = followers.keys().copied().collect();
        firsts.sort_unstable();
        let mut bigrams = Self::default();
        for (batch, ids) in firsts.chunks(CONTEXTS).enumerate() {
            if progress(batch * CONTEXTS, firsts.len()).await.is_break() {
                return Err(TransferError::Aborted);
            }
            let states = decoder.forward_alone(ids).await?;
            let logits = read_f32(decoder.logits(states)).await?;
            for (first, logits) in ids.iter().zip(logits.chunks_exact(vocab)) {
                let total = log_sum_exp(logits) as f32;
                for second in followers.get(first).into_iter().flatten() {
                    let logit = logits.get(*second as usize).copied().unwrap_or(f32::MIN);
                    bigrams.log_probs.insert((*first, *second), logit - total);
                }
            }
        }
        let _ = progress(firsts.len(), firsts.len()).await;
        Ok(bigrams)
    }

    /// `sum_i log P(p_{i+1} | p_i)` in nats; 0 for fewer than two pieces.
    pub fn log_prob(&self, pieces: &[u32]) -> f32 {
        let pairs = pieces.iter().zip(pieces.iter().skip(1));
        pairs
            .map(|(first, second)| self.log_probs.get(&(*first, *second)).copied())
            .map(|log_prob| log_prob.unwrap_or(0.0))
            .sum()
    }
}

/// How much of what the head is made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FirstPieceOptions {
    /// Factor of the bias. A context of one token knows less than a real one, so it thinks the
    /// other pieces rarer than they are.
    pub bias: f32,
    /// The bias is not below this, in nats: words in scripts that the model cuts into many pieces
    /// would get none of the probability.
    pub least: f32,
    /// Share of the first piece's row; the rest is the row that the method makes for the embedding.
    pub row: f32,
}

impl Default for FirstPieceOptions {
    fn default() -> Self {
        Self {
            bias: 0.35,
            least: -3.0,
            row: 0.5,
        }
    }
}

/// Another method's embedding under a head of first pieces.
pub struct FirstPiece<'c> {
    context: Context<'c>,
    input: Box<dyn Initialise + 'c>,
    bigrams: PieceBigrams,
    options: FirstPieceOptions,
}

impl<'c> FirstPiece<'c> {
    /// The head over the embedding rows of `input`.
    pub fn new(
        context: Context<'c>,
        input: Box<dyn Initialise + 'c>,
        bigrams: PieceBigrams,
        options: FirstPieceOptions,
    ) -> Self {
        Self {
            context,
            input,
            bigrams,
            options,
        }
    }
}

impl Initialise for FirstPiece<'_> {
    fn name(&self) -> &'static str {
        "first-piece"
    }

    fn head(&self) -> Head {
        Head::Own { bias: true }
    }

    fn batch(&self) -> usize {
        self.input.batch()
    }

    fn rows<'a>(&'a mut self, ids: &'a [u32]) -> RowsFuture<'a> {
        Box::pin(async move {
            let Rows { input, output, .. } = self.input.rows(ids).await?;
            let source = self.context.source;
            let own = output.unwrap_or_else(|| input.clone());
            let mut output = vec![0.0; input.len()];
            let mut bias = Vec::with_capacity(ids.len());
            let hidden = source.hidden();
            let rows = output
                .chunks_exact_mut(hidden)
                .zip(own.chunks_exact(hidden));
            for (id, (row, own)) in ids.iter().zip(rows) {
                let pieces = source.pieces(self.context.bytes(*id)?);
                let log_prob = self.options.bias * self.bigrams.log_prob(&pieces);
                bias.push(log_prob.max(self.options.least));
                match pieces.first() {
                    Some(first) => source.output().row_into(*first, row)?,
                    None => row.copy_from_slice(source.output_mean()),
                }
                let share = self.options.row;
                for (out, own) in row.iter_mut().zip(own) {
                    *out = share * *out + (1.0 - share) * own;
                }
            }
            Ok(Rows {
                input,
                output: Some(output),
                bias: Some(bias),
            })
        })
    }
}
