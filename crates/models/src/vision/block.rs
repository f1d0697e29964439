use burn::tensor::{Tensor, activation};
use lexigraft_checkpoint::ByteSource;

use super::VitConfig;
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

/// What attention leaves for a token reduction to judge by.
#[derive(Debug)]
pub struct Attended {
    /// Hidden states after the attention's residual, `[batch, tokens, hidden]`.
    pub hidden: Tensor<3>,
    /// `[batch, heads, tokens, head_dim]`.
    pub keys: Tensor<4>,
    /// Attention probabilities of CLS over all tokens, `[batch, heads, tokens]`.
    pub cls_attention: Tensor<3>,
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

    /// Attention with its residual: `[batch, tokens, hidden]` in and out, every token sees every
    /// other.
    ///
    /// `log_sizes`, `[batch, tokens]`, is added to the logits of each key: with the logarithm of
    /// the number of patches that a token stands for, attention is what it would be with the token
    /// repeated so often (proportional attention, arXiv 2210.09461).
    pub fn attend(&self, x: Tensor<3>, log_sizes: Option<Tensor<2>>) -> Attended {
        let [batch, tokens, hidden] = x.dims();
        let head_dim = hidden / self.heads;
        let flat = x.clone().reshape([batch * tokens, hidden]);
        let qkv = self
            .qkv
            .forward(self.attention_norm.forward(flat))
            .reshape([batch, tokens, 3 * self.heads, head_dim])
            .swap_dims(1, 2);
        let queries = qkv.clone().narrow(1, 0, self.heads);
        let keys = qkv.clone().narrow(1, self.heads, self.heads);
        let values = qkv.narrow(1, 2 * self.heads, self.heads);
        let scale = (head_dim as f64).sqrt().recip();
        let mut scores = (queries * scale).matmul(keys.clone().swap_dims(2, 3));
        if let Some(log_sizes) = log_sizes {
            scores = scores + log_sizes.reshape([batch, 1, 1, tokens]);
        }
        let attention = activation::softmax(scores, 3);
        let cls_attention = attention
            .clone()
            .narrow(2, 0, 1)
            .reshape([batch, self.heads, tokens]);
        let mixed = attention
            .matmul(values)
            .swap_dims(1, 2)
            .reshape([batch * tokens, hidden]);
        let attended = self.output.forward(mixed).reshape([batch, tokens, hidden]);
        Attended {
            hidden: x + attended,
            keys,
            cls_attention,
        }
    }

    /// The MLP with its residual: `[batch, tokens, hidden]` in and out.
    pub fn feed_forward(&self, x: Tensor<3>) -> Tensor<3> {
        let [batch, tokens, hidden] = x.dims();
        let flat = x.clone().reshape([batch * tokens, hidden]);
        x + self.mlp(flat).reshape([batch, tokens, hidden])
    }

    /// Norm and MLP without the residual: `[tokens, hidden]` in and out.
    pub fn mlp(&self, x: Tensor<2>) -> Tensor<2> {
        let wide = activation::gelu(self.up.forward(self.feed_forward_norm.forward(x)));
        self.down.forward(wide)
    }

    pub(super) fn resident_bytes(&self) -> u64 {
        [&self.qkv, &self.output, &self.up, &self.down]
            .iter()
            .map(|linear| linear.resident_bytes())
            .sum()
    }
}
