#[cfg(feature = "reference")]
use std::cell::OnceCell;

use burn::tensor::Tensor;
#[cfg(feature = "reference")]
use burn::tensor::{Device, TensorData, activation};

use super::{Heads, RopeTables};
#[cfg(feature = "cpu")]
use crate::cpu::Instructions;

/// What keeps each of `tokens` new positions from its successors, made once for all layers and
/// only where an operation asks for it.
#[derive(Debug)]
pub struct CausalMask {
    start: usize,
    tokens: usize,
    #[cfg(feature = "reference")]
    mask: OnceCell<Tensor<4>>,
}

impl CausalMask {
    /// For `tokens` positions after the `start` cached ones.
    pub fn new(start: usize, tokens: usize) -> Self {
        Self {
            start,
            tokens,
            #[cfg(feature = "reference")]
            mask: OnceCell::new(),
        }
    }

    /// The first position and how many there are.
    pub fn positions(&self) -> (usize, usize) {
        (self.start, self.tokens)
    }

    /// `[1, 1, tokens, start + tokens]`, to be added to the scores. One token sees all there is
    /// and needs none.
    #[cfg(feature = "reference")]
    fn tensor(&self, device: &Device) -> Option<&Tensor<4>> {
        if self.tokens == 1 {
            return None;
        }
        Some(self.mask.get_or_init(|| {
            let length = self.start + self.tokens;
            let mask: Vec<f32> = (0..self.tokens * length)
                .map(|i| {
                    let hidden = i % length > self.start + i / length;
                    // Finite, so that no backend makes NaN of infinity minus infinity.
                    if hidden { -1e30 } else { 0.0 }
                })
                .collect();
            let shape = [1, 1, self.tokens, length];
            Tensor::from_data(TensorData::new(mask, shape), device)
        }))
    }
}

/// Grouped-query attention over the cache (arXiv 2305.13245): each of the new positions that
/// `mask` tells of attends to all cached ones up to itself.
///
/// `queries` is `[tokens, heads * head_dim]`, and so is the result; `keys` and `values` are
/// `[kv_heads, capacity, head_dim]`.
pub fn attention(
    queries: Tensor<2>,
    keys: &Tensor<3>,
    values: &Tensor<3>,
    heads: Heads,
    mask: &CausalMask,
) -> Tensor<2> {
    #[cfg(feature = "gpu")]
    if crate::gpu::is_here(&queries)
        && let Ok(out) = crate::gpu::attention(queries.clone(), keys, values, heads, mask.start)
    {
        return out;
    }
    #[cfg(feature = "cpu")]
    let queries = {
        use super::host;
        match (host::take(queries), host::view(keys), host::view(values)) {
            (Ok(queries), Some(keys), Some(values)) => {
                return on_host(&queries, &keys, &values, heads, mask);
            }
            (Ok(queries), _, _) => queries.into_tensor(),
            (Err(queries), _, _) => queries,
        }
    };
    otherwise!(reference(queries, keys, values, heads, mask))
}

#[cfg(feature = "cpu")]
fn on_host(
    queries: &super::host::HostTensor,
    keys: &super::host::HostTensor,
    values: &super::host::HostTensor,
    heads: Heads,
    mask: &CausalMask,
) -> Tensor<2> {
    let queries = queries.values();
    let mut out = vec![0.0; queries.len()];
    let done = crate::cpu::attention(
        queries,
        keys.values(),
        values.values(),
        heads,
        mask.start,
        &mut out,
        Instructions::best(),
    );
    super::host::check(done);
    super::host::tensor(out, [mask.tokens, heads.query_columns()])
}

/// [`rope_append`](super::rope_append) and [`attention`] of what it gives.
///
/// On the wgpu device one token's are one launch. Returns the mixed values
/// `[tokens, heads * head_dim]`, keys and values.
pub fn append_attention(
    qkv: Tensor<2>,
    heads: Heads,
    rope: &RopeTables,
    mask: &CausalMask,
    keys: Tensor<3>,
    values: Tensor<3>,
) -> (Tensor<2>, Tensor<3>, Tensor<3>) {
    // The kernel writes in place whoever else holds the cache, so nobody may.
    #[cfg(feature = "gpu")]
    let (keys, values) = {
        use crate::gpu;
        let (keys, alone) = gpu::is_alone(keys);
        let (values, both) = gpu::is_alone(values);
        if alone && both && mask.tokens == 1 {
            let (qkv, angles) = (qkv.clone(), [&rope.cos, &rope.sin]);
            let out = gpu::attention_step(qkv, heads, angles, mask.start, &keys, &values);
            if let Ok(mixed) = out {
                return (mixed, keys, values);
            }
        }
        (keys, values)
    };
    let (queries, keys, values) = super::rope_append(qkv, heads, rope, mask.start, keys, values);
    let mixed = attention(queries, &keys, &values, heads, mask);
    (mixed, keys, values)
}

#[cfg(feature = "reference")]
pub(super) fn reference(
    queries: Tensor<2>,
    keys: &Tensor<3>,
    values: &Tensor<3>,
    heads: Heads,
    mask: &CausalMask,
) -> Tensor<2> {
    let tokens = queries.dims()[0];
    let length = mask.start + tokens;
    let Heads {
        heads,
        kv_heads,
        head_dim,
    } = heads;
    let group = heads / kv_heads;
    let keys = keys.clone().narrow(1, 0, length);
    let values = values.clone().narrow(1, 0, length);
    // The queries of a group share their key head: fold them into its rows.
    let queries = queries
        .reshape([tokens, heads, head_dim])
        .swap_dims(0, 1)
        .reshape([kv_heads, group * tokens, head_dim]);
    let scale = (head_dim as f64).sqrt().recip();
    let scores = (queries * scale).matmul(keys.swap_dims(1, 2));
    let scores =
        match mask.tensor(&scores.device()) {
            Some(mask) => (scores.reshape([kv_heads, group, tokens, length]) + mask.clone())
                .reshape([kv_heads, group * tokens, length]),
            None => scores,
        };
    activation::softmax(scores, 2)
        .matmul(values)
        .reshape([heads, tokens, head_dim])
        .swap_dims(0, 1)
        .reshape([tokens, heads * head_dim])
}
