use burn::tensor::Tensor;

use super::attention::{Attention, Pass};
use super::cache::KvLayer;
use crate::{Linear, RmsNorm};

/// One pre-normalised block: attention, then a gated feed-forward network.
#[derive(Debug)]
pub struct DecoderBlock {
    pub(super) attention_norm: RmsNorm,
    pub(super) attention: Attention,
    pub(super) feed_forward_norm: RmsNorm,
    pub(super) feed_forward: SwiGlu,
}

impl DecoderBlock {
    /// `[tokens, hidden] -> [tokens, hidden]`, and the layer's cache with these tokens in it.
    pub(super) fn forward(
        &self,
        x: Tensor<2>,
        cache: KvLayer,
        pass: &Pass,
    ) -> (Tensor<2>, KvLayer) {
        let (x, cache) = self
            .attention
            .forward_add(x, &self.attention_norm, cache, pass);
        (
            self.feed_forward.forward_add(x, &self.feed_forward_norm),
            cache,
        )
    }

    /// `x` plus the feed-forward network alone: `[tokens, hidden] -> [tokens, hidden]`.
    pub(super) fn feed_forward_add(&self, x: Tensor<2>) -> Tensor<2> {
        self.feed_forward.forward_add(x, &self.feed_forward_norm)
    }

    pub(super) fn resident_bytes(&self) -> u64 {
        self.attention.resident_bytes()
            + self.feed_forward.gate_up.resident_bytes()
            + self.feed_forward.down.resident_bytes()
    }
}

/// `down(silu(gate x) * up x)` (arXiv 2002.05202).
#[derive(Debug)]
pub(super) struct SwiGlu {
    /// Rows of the gate, then rows of the up projection.
    pub gate_up: Linear,
    pub down: Linear,
}

impl SwiGlu {
    /// `x` plus the feed-forward network of the normalised `x`.
    fn forward_add(&self, x: Tensor<2>, norm: &RmsNorm) -> Tensor<2> {
        let gated = self.gate_up.forward_gated(x.clone(), norm);
        self.down.forward_add(gated, x)
    }
}
