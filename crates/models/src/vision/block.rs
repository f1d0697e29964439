use burn::tensor::Tensor;
use lexigraft_checkpoint::ByteSource;
use lexigraft_kernels::ops;

use super::judged::Judged;
use super::weights::Weights;
use super::{Activation, Matching, Merging, VitConfig};
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

    /// Merges `merges` tokens of one picture on its device: the hidden states that are left,
    /// `[tokens - merges, hidden]`.
    ///
    /// # Errors
    /// `invalid-argument` for more merges than the matching has.
    pub fn merge(
        self,
        merging: &mut Merging,
        matching: Matching,
        merges: usize,
    ) -> Result<Tensor<2>, ModelError> {
        Ok(merging.merge(&self.hidden, &self.qkv, self.heads, matching, merges)?)
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

    /// As [`VitBlock::attend`] within one picture whose tokens merge on its device: each key counts by
    /// its size.
    ///
    /// # Errors
    /// `invalid-argument` when shapes do not fit.
    pub fn attend_merging(&self, x: Tensor<2>, merging: &Merging) -> Result<Attended, ModelError> {
        let qkv = self.qkv.forward(self.attention_norm.forward(x.clone()));
        let mixed = merging.attention(qkv.clone(), self.heads)?;
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
