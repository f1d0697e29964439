use burn::tensor::Tensor;
use lexigraft_checkpoint::ByteSource;
use lexigraft_kernels::ops;

use super::VitConfig;
use super::judged::Judged;
use super::weights::Weights;
use crate::{LayerNorm, Linear, ModelError};

/// One pre-norm block: attention and an MLP, each with LayerScale (arXiv 2103.17239) where the
/// checkpoint has it.
#[derive(Debug)]
pub struct VitBlock {
    heads: usize,
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
        let name = |part: &str| format!("{}encoder.layer.{layer}.{part}", config.prefix);
        let projections =
            ["query", "key", "value"].map(|part| name(&format!("attention.attention.{part}")));
        let scales = ["layer_scale1.lambda1", "layer_scale2.lambda1"]
            .map(name)
            .map(|scale| weights.has(&scale).then_some(scale));
        let [attention_scale, feed_forward_scale] = &scales;
        Ok(Self {
            heads: config.num_attention_heads,
            attention_norm: weights.layer_norm(&name("norm1"), hidden, eps).await?,
            qkv: weights.stacked(&projections, hidden, hidden).await?,
            output: weights
                .linear(
                    &name("attention.output.dense"),
                    hidden,
                    hidden,
                    attention_scale.as_deref(),
                )
                .await?,
            feed_forward_norm: weights.layer_norm(&name("norm2"), hidden, eps).await?,
            up: weights.linear(&name("mlp.fc1"), wide, hidden, None).await?,
            down: weights
                .linear(
                    &name("mlp.fc2"),
                    hidden,
                    wide,
                    feed_forward_scale.as_deref(),
                )
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

    /// The MLP with its residual: `[tokens, hidden]` in and out.
    pub fn feed_forward(&self, x: Tensor<2>) -> Tensor<2> {
        let wide = self
            .up
            .forward_gelu(self.feed_forward_norm.forward(x.clone()));
        self.down.forward_add(wide, x)
    }

    /// Norm and MLP without the residual: `[tokens, hidden]` in and out.
    pub fn mlp(&self, x: Tensor<2>) -> Tensor<2> {
        self.down
            .forward(self.up.forward_gelu(self.feed_forward_norm.forward(x)))
    }

    pub(super) fn resident_bytes(&self) -> u64 {
        [&self.qkv, &self.output, &self.up, &self.down]
            .iter()
            .map(|linear| linear.resident_bytes())
            .sum()
    }
}
