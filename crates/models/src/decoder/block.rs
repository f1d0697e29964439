use burn::tensor::Tensor;
use lexigraft_kernels::ops;

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
        let normed = self.attention_norm.forward(x.clone());
        let (x, cache) = self.attention.forward_add(normed, x, cache, pass);
        let normed = self.feed_forward_norm.forward(x.clone());
        (self.feed_forward.forward_add(normed, x), cache)
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
    fn forward_add(&self, x: Tensor<2>, residual: Tensor<2>) -> Tensor<2> {
        let gated = ops::swiglu(self.gate_up.forward(x));
        self.down.forward_add(gated, residual)
    }
}
