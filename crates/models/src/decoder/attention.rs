//! Grouped-query attention over the cache (arXiv 2305.13245).

use burn::tensor::Tensor;
use lexigraft_kernels::ops::{CausalMask, Heads, RopeTables};

use super::cache::KvLayer;
use super::config::DecoderConfig;
use crate::{Linear, RmsNorm};

#[derive(Debug)]
pub(super) struct Attention {
    /// Rows of queries, keys and values, one below the other.
    pub qkv: Linear,
    pub output: Linear,
    pub heads: Heads,
}

/// What all layers of one forward pass share.
#[derive(Debug)]
pub(super) struct Pass {
    pub rope: RopeTables,
    /// One a branch, in the order of their rows.
    pub masks: Vec<CausalMask>,
}

impl Attention {
    pub fn new(qkv: Linear, output: Linear, config: &DecoderConfig) -> Self {
        Self {
            qkv,
            output,
            heads: Heads {
                heads: config.heads,
                kv_heads: config.kv_heads,
                head_dim: config.head_dim,
            },
        }
    }

    /// `x` plus the attention of the normalised `x`, both `[tokens, hidden]`.
    pub fn forward_add(
        &self,
        x: Tensor<2>,
        norm: &RmsNorm,
        cache: KvLayer,
        pass: &Pass,
    ) -> (Tensor<2>, KvLayer) {
        let qkv = self.qkv.forward_normed(x.clone(), norm);
        let (mixed, cache) = cache.attend(qkv, self.heads, pass);
        (self.output.forward_add(mixed, x), cache)
    }

    pub fn resident_bytes(&self) -> u64 {
        self.qkv.resident_bytes() + self.output.resident_bytes()
    }
}
