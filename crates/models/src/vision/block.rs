use burn::tensor::Tensor;
use lexigraft_checkpoint::ByteSource;
use lexigraft_kernels::ops;

use super::judged::Judged;
use super::weights::Weights;
use super::{Activation, Reducing, Rule, VitConfig};
use crate::{LayerNorm, Linear, ModelError};

/// One pre-norm block: attention and an MLP, each with LayerScale (arXiv 2103.17239) where the
/// checkpoint has it.
#[derive(Debug)]
pub struct VitBlock {
    heads: usize,
    activation: Activation,
    attention_norm: LayerNorm,
    /// Queries, keys and values in one product.
    qkv: Linear,
    output: Linear,
    feed_forward_norm: LayerNorm,
    up: Linear,
    down: Linear,
}

/// What attention leaves.
#[derive(Debug)]
pub struct Attended {
    /// Hidden states after the attention's residual, `[batch * tokens, hidden]`.
    pub hidden: Tensor<2>,
    /// Queries of all heads, then their keys, then their values, `[batch * tokens, 3 hidden]`.
    qkv: Tensor<2>,
    heads: usize,
}

impl Attended {
    /// What a token reduction judges one picture by, on the host. `log_sizes` is what
    /// [`VitBlock::attend`] was given.
    ///
    /// # Errors
    /// `device-lost`.
    pub async fn judged(self, log_sizes: Option<&[f32]>) -> Result<Judged, ModelError> {
        let [_, width] = self.hidden.dims();
        let shape = [self.heads, width / self.heads.max(1)];
        let hidden = ops::to_host(self.hidden).await?;
        let qkv = ops::to_host(self.qkv).await?;
        Ok(Judged::new(hidden, &qkv, shape, log_sizes))
    }

    /// Reduces the `reducible` tokens of one picture behind its leading ones to `keep` on its device:
    /// the hidden states that are left. `block` is the one that attended.
    ///
    /// # Errors
    /// `invalid-argument` when shapes do not fit.
    pub fn reduce(
        self,
        reducing: &mut Reducing,
        block: &VitBlock,
        rule: &Rule,
        [reducible, keep]: [usize; 2],
    ) -> Result<Tensor<2>, ModelError> {
        let Self { hidden, qkv, heads } = self;
        let merges = match rule {
            Rule::Merge(matching) => matching.most(reducible).min(reducible - keep),
            _ => reducible - keep,
        };
        if merges == 0 {
            return Ok(hidden);
        }
        Ok(match rule {
            Rule::Merge(matching) => reducing.merge(&hidden, &qkv, heads, *matching, merges)?,
            Rule::ByAttention(by) => reducing.keep_attended(&hidden, &qkv, heads, *by, keep)?,
            Rule::Chosen(indices) => reducing.keep_chosen(&hidden, indices)?,
            Rule::Diverse | Rule::Sensitive { .. } if keep == 0 => {
                reducing.keep_chosen(&hidden, &[])?
            }
            Rule::Diverse => reducing.keep_diverse(&hidden, &hidden, None, keep)?,
            Rule::Sensitive { directions, step } => {
                let [_, width] = hidden.dims();
                let count = directions.len() / width.max(1);
                let shape = [count, width];
                let directions = ops::from_host(directions.clone(), shape, &hidden.device());
                let mut lengths = None;
                for index in 0..count {
                    let probes = reducing.probe(&hidden, &directions, index, *step)?;
                    lengths = Some(reducing.add_lengths(&block.mlp(probes), lengths)?);
                }
                let projected = block.mlp(hidden.clone());
                reducing.keep_diverse(&hidden, &projected, lengths.as_ref(), keep)?
            }
        })
    }
}

impl VitBlock {
    pub(super) async fn load<S: ByteSource>(
        weights: &mut Weights<'_, S>,
        config: &VitConfig,
        layer: usize,
    ) -> Result<Self, ModelError> {
        let (hidden, wide, eps) = (
            config.hidden_size,
            config.intermediate_size,
            config.layer_norm_eps,
        );
        let names = config.block_names(layer);
        let [attention_scale, feed_forward_scale] = names
            .scales
            .map(|scale| weights.has(&scale).then_some(scale));
        Ok(Self {
            heads: config.num_attention_heads,
            activation: config.activation,
            attention_norm: weights
                .layer_norm(&names.attention_norm, hidden, eps)
                .await?,
            qkv: weights.stacked(&names.projections, hidden, hidden).await?,
            output: weights
                .linear(&names.output, hidden, hidden, attention_scale.as_deref())
                .await?,
            feed_forward_norm: weights
                .layer_norm(&names.feed_forward_norm, hidden, eps)
                .await?,
            up: weights.linear(&names.up, wide, hidden, None).await?,
            down: weights
                .linear(&names.down, hidden, wide, feed_forward_scale.as_deref())
                .await?,
        })
    }

    /// Attention with its residual, within each of a batch of pictures of `tokens` tokens: `[batch *
    /// tokens, hidden]` in and out, every token sees every other of its picture.
    ///
    /// `log_sizes`, `[batch * tokens]`, is added to the logits of each key: with the logarithm of
    /// the number of patches that a token stands for, attention is what it would be with the token
    /// repeated so often (proportional attention, arXiv 2210.09461).
    ///
    /// # Errors
    /// `invalid-argument` when shapes do not fit, `device-lost`.
    pub async fn attend(
        &self,
        x: Tensor<2>,
        tokens: usize,
        log_sizes: Option<&[f32]>,
    ) -> Result<Attended, ModelError> {
        let qkv = self.qkv.forward(self.attention_norm.forward(x.clone()));
        let mixed = ops::patch_attention(qkv.clone(), tokens, self.heads, log_sizes).await?;
        Ok(Attended {
            hidden: self.output.forward_add(mixed, x),
            qkv,
            heads: self.heads,
        })
    }

    /// As [`VitBlock::attend`] within one picture whose tokens are reduced on its device: each key
    /// counts by its size where that is asked for.
    ///
    /// # Errors
    /// `invalid-argument` when shapes do not fit.
    pub fn attend_reducing(
        &self,
        x: Tensor<2>,
        reducing: &Reducing,
    ) -> Result<Attended, ModelError> {
        let qkv = self.qkv.forward(self.attention_norm.forward(x.clone()));
        let mixed = reducing.attention(qkv.clone(), self.heads)?;
        Ok(Attended {
            hidden: self.output.forward_add(mixed, x),
            qkv,
            heads: self.heads,
        })
    }

    /// The MLP with its residual: `[tokens, hidden]` in and out.
    pub fn feed_forward(&self, x: Tensor<2>) -> Tensor<2> {
        let wide = self.wide(x.clone());
        self.down.forward_add(wide, x)
    }

    /// Norm and MLP without the residual: `[tokens, hidden]` in and out.
    pub fn mlp(&self, x: Tensor<2>) -> Tensor<2> {
        let wide = self.wide(x);
        self.down.forward(wide)
    }

    /// The inner rows of the MLP.
    fn wide(&self, x: Tensor<2>) -> Tensor<2> {
        let normed = self.feed_forward_norm.forward(x);
        match self.activation {
            Activation::Gelu => self.up.forward_gelu(normed),
            Activation::QuickGelu => ops::quick_gelu(self.up.forward(normed)),
        }
    }

    pub(super) fn resident_bytes(&self) -> u64 {
        [&self.qkv, &self.output, &self.up, &self.down]
            .iter()
            .map(|linear| linear.resident_bytes())
            .sum()
    }
}
