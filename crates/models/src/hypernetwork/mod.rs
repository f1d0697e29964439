//! A hypernetwork: rows of new tokens from the rows of the pieces that the source tokenizer cuts
//! them into (after ZeTT, arXiv 2405.07883).
//!
//! ```text
//! rows of the pieces ──► blocks, as the model's own ──► last piece's state ─┐
//!                   └──────────────────► first piece, last piece ───────────┴──► head
//! ```
//!
//! The head gives what is added to the mean of the pieces' rows, so that a head of noughts is FVT.
//! The blocks are of the base model's kind and began as its first ones: what a model does first
//! with the pieces of a word is to put them together (arXiv 2410.05864).

mod attention;
mod config;

use burn::tensor::Tensor;
use lexigraft_checkpoint::{ByteSource, Checkpoint};

use crate::loader::{LinearPart, WeightLoader};
use crate::{ComputeDevice, Linear, LoadProgress, ModelError, RmsNorm};
use attention::{Turns, attend, attend_last};

pub use config::{HypernetworkConfig, fingerprint};

/// Most pieces of a token that are looked at.
pub const MAX_PIECES: usize = 7;

/// What the head sees, in multiples of the hidden size: the last state, the first piece's row, the
/// last piece's row.
const FEATURES: usize = 3;

/// A trained hypernetwork on one device.
#[derive(Debug)]
pub struct Hypernetwork {
    config: HypernetworkConfig,
    blocks: Vec<Block>,
    norm: RmsNorm,
    head: Linear,
    /// Spread of each dimension of the base model's rows, `[1, hidden]`.
    spread: Tensor<2>,
    /// A direction whose product with the base model's last states is near one, `[1, hidden]`.
    bias_direction: Tensor<2>,
    turns: Turns,
}

#[derive(Debug)]
struct Block {
    attention_norm: RmsNorm,
    qkv: Linear,
    output: Linear,
    feed_forward_norm: RmsNorm,
    gate_up: Linear,
    down: Linear,
}

/// Rows of a batch of tokens.
#[derive(Debug)]
pub struct HypernetworkRows {
    /// Of the embedding, `[tokens, hidden]`.
    pub input: Tensor<2>,
    /// Of the head, `[tokens, hidden]`.
    pub output: Tensor<2>,
}

impl Hypernetwork {
    /// Loads what `lexigraft hypernet train` wrote.
    ///
    /// # Errors
    /// `bad-config` for a file that is no hypernetwork, `missing-tensor` and `bad-checkpoint` for a
    /// damaged one, `aborted` when `progress` breaks.
    pub async fn load<S: ByteSource>(
        checkpoint: &Checkpoint<S>,
        device: &ComputeDevice,
        progress: LoadProgress<'_>,
    ) -> Result<Self, ModelError> {
        let config = HypernetworkConfig::from_checkpoint(checkpoint)?;
        let (hidden, eps) = (config.hidden, config.norm_eps);
        let attention = config.heads * config.head_dim;
        let qkv_rows = attention + 2 * config.kv_heads * config.head_dim;
        let mut loader = WeightLoader::new(checkpoint, device, progress);
        let mut blocks = Vec::with_capacity(config.layers);
        for layer in 0..config.layers {
            let name = |part: &str| format!("blocks.{layer}.{part}.weight");
            blocks.push(Block {
                attention_norm: loader.rms_norm(&name("attention_norm"), hidden, eps).await?,
                qkv: loader.linear(&name("qkv"), None, qkv_rows, hidden).await?,
                output: loader
                    .linear(&name("output"), None, hidden, attention)
                    .await?,
                feed_forward_norm: loader
                    .rms_norm(&name("feed_forward_norm"), hidden, eps)
                    .await?,
                gate_up: {
                    let name = name("gate_up");
                    let part = LinearPart::plain(&name, 2 * config.feed_forward);
                    loader.fused_linear(&[part], hidden).await?
                },
                down: loader
                    .linear(&name("down"), None, hidden, config.feed_forward)
                    .await?,
            });
        }
        let norm = loader.rms_norm("norm.weight", hidden, eps).await?;
        let head = loader
            .linear("head.weight", None, 2 * hidden + 2, FEATURES * hidden)
            .await?;
        let spread = loader.vector("spread", hidden).await?.reshape([1, hidden]);
        let bias_direction = loader.vector("bias_direction", hidden).await?;
        Ok(Self {
            turns: Turns::new(&config, device.burn()),
            blocks,
            norm,
            head,
            spread,
            bias_direction: bias_direction.reshape([1, hidden]),
            config,
        })
    }

    pub fn config(&self) -> &HypernetworkConfig {
        &self.config
    }

    /// Rows of tokens of equally many pieces, two to [`MAX_PIECES`], from the base model's rows of
    /// the pieces: `[tokens, pieces, hidden]`.
    ///
    /// # Errors
    /// `invalid-argument` for another number of pieces or another hidden size.
    pub fn rows(&self, pieces: Tensor<3>) -> Result<HypernetworkRows, ModelError> {
        let [tokens, count, hidden] = pieces.dims();
        if !(2..=MAX_PIECES).contains(&count) || hidden != self.config.hidden {
            return Err(ModelError::InvalidArgument(format!(
                "{count} pieces of {hidden} elements; a hypernetwork takes 2 to {MAX_PIECES} of {}",
                self.config.hidden
            )));
        }
        let raw = self.head.forward(self.features(&pieces));
        let at = |place: usize| {
            let row = pieces.clone().narrow(1, place, 1);
            row.reshape([tokens, hidden])
        };
        let mean = pieces.clone().mean_dim(1).reshape([tokens, hidden]);
        let part = |first: usize, columns: usize| raw.clone().narrow(1, first, columns);
        let input = mean.clone() + part(0, hidden) * self.spread.clone();
        let output = mean.clone()
            + part(hidden, hidden) * self.spread.clone()
            + (at(0) - mean) * part(2 * hidden, 1)
            + part(2 * hidden + 1, 1) * self.bias_direction.clone();
        Ok(HypernetworkRows { input, output })
    }

    /// What the head sees: `[tokens, pieces, hidden] -> [tokens, FEATURES * hidden]`.
    fn features(&self, pieces: &Tensor<3>) -> Tensor<2> {
        let [tokens, count, hidden] = pieces.dims();
        let at = |place: usize| {
            let row = pieces.clone().narrow(1, place, 1);
            row.reshape([tokens, hidden]) / self.spread.clone()
        };
        let mut x = pieces.clone().reshape([tokens * count, hidden]);
        let full = self.blocks.len().saturating_sub(1);
        for block in self.blocks.iter().take(full) {
            let qkv = block.qkv.forward_normed(x.clone(), &block.attention_norm);
            let mixed = attend(qkv, [tokens, count], &self.config, &self.turns);
            x = block.feed_forward(block.output.forward_add(mixed, x));
        }
        let last = |x: Tensor<2>| {
            let columns = x.dims()[1];
            let x = x.reshape([tokens, count, columns]);
            x.narrow(1, count - 1, 1).reshape([tokens, columns])
        };
        let state = match self.blocks.last() {
            // Of the last block only the last piece is asked for.
            Some(block) => {
                let qkv = block.qkv.forward_normed(x.clone(), &block.attention_norm);
                let mixed = attend_last(qkv, [tokens, count], &self.config, &self.turns);
                block.feed_forward(block.output.forward_add(mixed, last(x)))
            }
            None => last(x),
        };
        Tensor::cat(vec![self.norm.forward(state), at(0), at(count - 1)], 1)
    }
}

impl Block {
    fn feed_forward(&self, x: Tensor<2>) -> Tensor<2> {
        let inner = self.gate_up.forward_gated(x.clone(), &self.feed_forward_norm);
        self.down.forward_add(inner, x)
    }
}
