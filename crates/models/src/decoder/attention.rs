//! Grouped-query attention over the cache (arXiv 2305.13245), in plain Burn operations.

use burn::tensor::{Device, Tensor, TensorData, activation};

use super::cache::KvLayer;
use super::config::DecoderConfig;
use crate::rope::RopeRows;
use crate::{Linear, RmsNorm};

#[derive(Debug)]
pub(super) struct Attention {
    /// Rows of queries, keys and values, one below the other.
    pub qkv: Linear,
    pub output: Linear,
    /// Normalisation of each query and key head, where a family has it.
    pub query_key_norm: Option<(RmsNorm, RmsNorm)>,
    pub heads: usize,
    pub kv_heads: usize,
    pub head_dim: usize,
}

impl Attention {
    pub fn new(qkv: Linear, output: Linear, config: &DecoderConfig) -> Self {
        Self {
            qkv,
            output,
            query_key_norm: None,
            heads: config.heads,
            kv_heads: config.kv_heads,
            head_dim: config.head_dim,
        }
    }

    /// `[tokens, hidden] -> [tokens, hidden]`; `start` tokens are cached already.
    pub fn forward(
        &self,
        x: Tensor<2>,
        cache: &mut KvLayer,
        start: usize,
        rope: &RopeRows,
        mask: Option<&Tensor<4>>,
    ) -> Tensor<2> {
        let tokens = x.dims()[0];
        let (heads, kv_heads, head_dim) = (self.heads, self.kv_heads, self.head_dim);
        let group = heads / kv_heads;
        // [tokens, heads + 2 kv_heads, head_dim] -> heads first
        let qkv = self
            .qkv
            .forward(x)
            .reshape([tokens, heads + 2 * kv_heads, head_dim])
            .swap_dims(0, 1);
        let mut turned = qkv.clone().narrow(0, 0, heads + kv_heads);
        let values = qkv.narrow(0, heads + kv_heads, kv_heads);
        if let Some((query_norm, key_norm)) = &self.query_key_norm {
            turned = Tensor::cat(
                vec![
                    norm_heads(query_norm, turned.clone().narrow(0, 0, heads)),
                    norm_heads(key_norm, turned.narrow(0, heads, kv_heads)),
                ],
                0,
            );
        }
        let turned = rope.rotate(turned);
        let queries = turned.clone().narrow(0, 0, heads);
        let keys = turned.narrow(0, heads, kv_heads);
        let (keys, values) = cache.append(start, keys, values);
        let length = start + tokens;

        // The queries of a group share their key head: fold them into its rows.
        let queries = queries.reshape([kv_heads, group * tokens, head_dim]);
        let scale = (head_dim as f64).sqrt().recip();
        let scores = (queries * scale).matmul(keys.swap_dims(1, 2));
        let scores = match mask {
            Some(mask) => (scores.reshape([kv_heads, group, tokens, length]) + mask.clone())
                .reshape([kv_heads, group * tokens, length]),
            None => scores,
        };
        let mixed = activation::softmax(scores, 2).matmul(values);
        let mixed = mixed
            .reshape([heads, tokens, head_dim])
            .swap_dims(0, 1)
            .reshape([tokens, heads * head_dim]);
        self.output.forward(mixed)
    }

    pub fn resident_bytes(&self) -> u64 {
        self.qkv.resident_bytes() + self.output.resident_bytes()
    }
}

fn norm_heads(norm: &RmsNorm, x: Tensor<3>) -> Tensor<3> {
    let [heads, tokens, head_dim] = x.dims();
    norm.forward(x.reshape([heads * tokens, head_dim]))
        .reshape([heads, tokens, head_dim])
}

/// What keeps a token from its successors, `[1, 1, tokens, start + tokens]`, added to the scores.
///
/// One token sees all there is and needs none.
pub(super) fn causal_mask(start: usize, tokens: usize, device: &Device) -> Option<Tensor<4>> {
    if tokens == 1 {
        return None;
    }
    let length = start + tokens;
    let mut mask = vec![0f32; tokens * length];
    for (token, row) in mask.chunks_exact_mut(length).enumerate() {
        // Finite, so that no backend makes NaN of infinity minus infinity.
        row[start + token + 1..].fill(-1e30);
    }
    Some(Tensor::from_data(
        TensorData::new(mask, [1, 1, tokens, length]),
        device,
    ))
}
