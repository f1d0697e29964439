use burn::tensor::{Tensor, activation};

use super::attention::Attention;
use super::cache::KvLayer;
use crate::rope::RopeRows;
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
    pub(super) fn forward(
        &self,
        x: Tensor<2>,
        cache: &mut KvLayer,
        start: usize,
        rope: &RopeRows,
        mask: Option<&Tensor<4>>,
    ) -> Tensor<2> {
        let normed = self.attention_norm.forward(x.clone());
        let x = x + self.attention.forward(normed, cache, start, rope, mask);
        let normed = self.feed_forward_norm.forward(x.clone());
        x + self.feed_forward.forward(normed)
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
    pub feed_forward: usize,
}

impl SwiGlu {
    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let gate_up = self.gate_up.forward(x);
        let gate = gate_up.clone().narrow(1, 0, self.feed_forward);
        let up = gate_up.narrow(1, self.feed_forward, self.feed_forward);
        self.down.forward(activation::silu(gate) * up)
    }
}
