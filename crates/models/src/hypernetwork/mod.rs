//! A hypernetwork: rows of new tokens from the rows of the pieces that the source tokenizer cuts
//! them into (after ZeTT, arXiv 2405.07883).
//!
//! ```text
//! rows of the pieces ──► the model's own first blocks ──► last piece's state ──┐
//!                   └──────────► first piece, last piece, mean, how many ──────┴──► head ──► + ──► rows
//! the pieces themselves ──────────────────────────────────────────────────────► memory ──────┘
//! ```
//!
//! The head gives what is added to the mean of the pieces' rows, so that a head of noughts is FVT.
//! The blocks are borrowed from the base model: what a model does first with the pieces of a word is
//! to put them together (arXiv 2410.05864), and nothing has to be stored for it but the head. The
//! memory has a row for each of some thousand strings that texts are full of.

mod config;
mod memory;

use burn::tensor::Tensor;
use lexigraft_checkpoint::{ByteSource, Checkpoint};
use lexigraft_kernels::ops;

use crate::decoder::{Decoder, Prefixes};
use crate::loader::WeightLoader;
use crate::{Linear, LoadProgress, ModelError};

pub use config::{HypernetworkConfig, fingerprint};
use memory::Memory;
pub use memory::{
    keys as memory_keys, pieces as memory_pieces, rows as memory_rows, tensors as memory_tensors,
};

/// Most pieces of a token that are looked at.
pub const MAX_PIECES: usize = 7;

/// What the head sees, in multiples of the hidden size: the last state, the first piece's row, the
/// last piece's row, the mean of the rows.
const FEATURES: usize = 4;

/// Elements after those, one of them one: the place of the number of pieces. As many as a block of
/// quantised weights has, so that columns are whole blocks.
const COUNTS: usize = 32;

/// A trained head, on the device of the base model.
#[derive(Debug)]
pub struct Hypernetwork {
    config: HypernetworkConfig,
    norm_eps: f32,
    head: Linear,
    /// Spread of each dimension of the base model's rows, `[hidden]`.
    spread: Vec<f32>,
    /// A direction whose product with the base model's last states is near one, `[hidden]`.
    bias_direction: Vec<f32>,
    /// Bias of the output row by the number of pieces, in nats.
    bias: Vec<f32>,
    /// What is added to what the head says of certain tokens.
    memory: Memory,
}

/// Rows of a batch of tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct HypernetworkRows {
    /// Of the embedding, `[tokens, hidden]`.
    pub input: Vec<f32>,
    /// Of the head, `[tokens, hidden]`.
    pub output: Vec<f32>,
}

impl Hypernetwork {
    /// Loads what `lexigraft hypernet train` wrote, for `base`.
    ///
    /// # Errors
    /// `bad-config` for a file that is no hypernetwork, `wrong-base-model` for another size of
    /// model, `missing-tensor` and `bad-checkpoint` for a damaged file, `aborted` when `progress`
    /// breaks. Whether the rows are those it was made for, the maker of rows has to ask
    /// [`check_base`](HypernetworkConfig::check_base).
    pub async fn load<S: ByteSource>(
        checkpoint: &Checkpoint<S>,
        base: &Decoder,
        progress: LoadProgress<'_>,
    ) -> Result<Self, ModelError> {
        let config = HypernetworkConfig::from_checkpoint(checkpoint)?;
        let hidden = config.hidden;
        if base.config().hidden_size != hidden || base.config().layers < config.layers {
            return Err(ModelError::WrongBaseModel {
                base: config.base_name,
            });
        }
        let memory = Memory::load(checkpoint, 2 * hidden + 2).await?;
        let mut loader = WeightLoader::new(checkpoint, base.device(), progress);
        let head = loader
            .linear(
                "head.weight",
                None,
                2 * hidden + 2,
                FEATURES * hidden + COUNTS,
            )
            .await?;
        Ok(Self {
            head,
            spread: loader.host_vector("spread", hidden).await?,
            bias_direction: loader.host_vector("bias_direction", hidden).await?,
            bias: loader.host_vector("bias", MAX_PIECES + 1).await?,
            norm_eps: base.config().norm_eps as f32,
            memory,
            config,
        })
    }

    pub fn config(&self) -> &HypernetworkConfig {
        &self.config
    }

    /// Rows of tokens of two to [`MAX_PIECES`] pieces each, from the ids of their pieces and the base
    /// model's rows of these, one token after the other, `[pieces of all tokens, hidden]`. `base` is
    /// the decoder that it was loaded for.
    ///
    /// The blocks run once for each beginning that tokens share.
    ///
    /// # Errors
    /// `invalid-argument` for another number of pieces or of rows.
    pub async fn rows(
        &self,
        base: &Decoder,
        tokens: &[Vec<u32>],
        pieces: &[f32],
    ) -> Result<HypernetworkRows, ModelError> {
        let hidden = self.config.hidden;
        let count: usize = tokens.iter().map(Vec::len).sum();
        let fits = |token: &Vec<u32>| (2..=MAX_PIECES).contains(&token.len());
        if !tokens.iter().all(fits) || count.checked_mul(hidden) != Some(pieces.len()) {
            return Err(ModelError::InvalidArgument(format!(
                "{} values for {} tokens of {count} pieces; a hypernetwork takes 2 to {MAX_PIECES} \
                 pieces of {hidden} values each",
                pieces.len(),
                tokens.len()
            )));
        }
        let prefixes = Prefixes::new(tokens.iter().map(Vec::as_slice));
        let mut rows = Vec::with_capacity(prefixes.len() * hidden);
        for first in prefixes.firsts() {
            let row = pieces.get(first * hidden..(first + 1) * hidden);
            rows.extend_from_slice(row.unwrap_or_default());
        }
        let states = base
            .last_states(rows, &prefixes, self.config.layers)
            .await?;
        let mut features = Vec::with_capacity(tokens.len() * (FEATURES * hidden + COUNTS));
        let states = states.chunks_exact(hidden);
        for (state, pieces) in states.zip(of_tokens(tokens, pieces, hidden)) {
            self.features(state, pieces, &mut features);
        }
        let features: Tensor<2> = ops::from_host(
            features,
            [tokens.len(), FEATURES * hidden + COUNTS],
            base.device().burn(),
        );
        let mut raw = ops::to_host(self.head.forward(features)).await?;
        for (raw, ids) in raw.chunks_exact_mut(2 * hidden + 2).zip(tokens) {
            self.memory.add(ids, raw)?;
        }
        let mut input = Vec::with_capacity(tokens.len() * hidden);
        let mut output = Vec::with_capacity(tokens.len() * hidden);
        let raw = raw.chunks_exact(2 * hidden + 2);
        for (raw, pieces) in raw.zip(of_tokens(tokens, pieces, hidden)) {
            self.combine(raw, pieces, &mut input, &mut output);
        }
        Ok(HypernetworkRows { input, output })
    }

    /// Appends what the head sees of a token: `FEATURES * hidden + COUNTS` elements.
    fn features(&self, state: &[f32], pieces: &[f32], features: &mut Vec<f32>) {
        let hidden = self.config.hidden;
        let count = pieces.len() / hidden.max(1);
        let square: f32 = state.iter().map(|x| x * x).sum();
        let scale = 1.0 / (square / hidden as f32 + self.norm_eps).sqrt();
        features.extend(state.iter().map(|x| x * scale));
        for at in [0, count.saturating_sub(1)] {
            let row = pieces.iter().skip(at * hidden).zip(&self.spread);
            features.extend(row.map(|(x, spread)| x / spread));
        }
        for (i, spread) in self.spread.iter().enumerate() {
            let sum: f32 = pieces.iter().skip(i).step_by(hidden).sum();
            features.push(sum / count as f32 / spread);
        }
        features.extend((0..COUNTS).map(|at| if at == count { 1.0 } else { 0.0 }));
    }

    /// The two rows of one token from what the head says of it.
    fn combine(&self, raw: &[f32], pieces: &[f32], input: &mut Vec<f32>, output: &mut Vec<f32>) {
        let hidden = self.config.hidden;
        let count = pieces.len() / hidden.max(1);
        let (of_input, rest) = raw.split_at(hidden);
        let (of_output, rest) = rest.split_at(hidden);
        let [gate, bias] = *rest else {
            return;
        };
        let bias = bias + self.bias.get(count).copied().unwrap_or(0.0);
        let rows = of_input.iter().zip(of_output);
        let sides = self.spread.iter().zip(&self.bias_direction);
        for (i, ((of_input, of_output), (spread, direction))) in rows.zip(sides).enumerate() {
            let column = || pieces.iter().skip(i).step_by(hidden);
            let mean = column().sum::<f32>() / count as f32;
            let first = column().next().copied().unwrap_or(mean);
            input.push(mean + of_input * spread);
            output.push(mean + of_output * spread + gate * (first - mean) + bias * direction);
        }
    }
}

/// The rows of the pieces of each token.
fn of_tokens<'a>(
    tokens: &'a [Vec<u32>],
    mut pieces: &'a [f32],
    hidden: usize,
) -> impl Iterator<Item = &'a [f32]> {
    tokens.iter().map(move |token| {
        let (own, rest) = pieces.split_at(pieces.len().min(token.len() * hidden));
        pieces = rest;
        own
    })
}
