use burn::tensor::Tensor;
use lexigraft_kernels::ops::{self, Heads};

use super::DecoderConfig;
use super::attention::Pass;
use crate::{ComputeDevice, ModelError};

/// Keys and values of the tokens seen so far, preallocated and written in place.
#[derive(Debug)]
pub struct KvCache {
    layers: Vec<KvLayer>,
    len: usize,
    capacity: usize,
}

/// Keys and values of one layer, `[kv_heads, capacity, head_dim]` each.
#[derive(Debug)]
pub(super) struct KvLayer {
    keys: Tensor<3>,
    values: Tensor<3>,
}

impl KvCache {
    pub(super) fn new(
        config: &DecoderConfig,
        capacity: usize,
        weight_bytes: u64,
        device: &ComputeDevice,
    ) -> Result<Self, ModelError> {
        check_budget(config, capacity, weight_bytes, device)?;
        let shape = [config.kv_heads, capacity, config.head_dim];
        let layers = (0..config.layers)
            .map(|_| KvLayer {
                keys: ops::empty(shape, device.burn()),
                values: ops::empty(shape, device.burn()),
            })
            .collect();
        Ok(Self {
            layers,
            len: 0,
            capacity,
        })
    }

    /// The same tokens with room for `capacity`.
    pub(super) fn grow(
        self,
        config: &DecoderConfig,
        capacity: usize,
        weight_bytes: u64,
        device: &ComputeDevice,
    ) -> Result<Self, ModelError> {
        let capacity = capacity.max(self.len);
        check_budget(config, capacity, weight_bytes, device)?;
        let copy = |old: Tensor<3>| ops::grow_cache(old, self.len, capacity);
        // One layer at a time, so that only one is held twice.
        let layers = self.layers.into_iter().map(|layer| KvLayer {
            keys: copy(layer.keys),
            values: copy(layer.values),
        });
        Ok(Self {
            layers: layers.collect(),
            len: self.len,
            capacity,
        })
    }

    /// Tokens held.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Tokens there is room for.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Forgets all tokens from position `len` on; longer than it is has no effect.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// The layers, to be given back by [`put_layers`](Self::put_layers).
    pub(super) fn take_layers(&mut self) -> Vec<KvLayer> {
        std::mem::take(&mut self.layers)
    }

    /// Takes the layers back with `len` tokens in them.
    pub(super) fn put_layers(&mut self, layers: Vec<KvLayer>, len: usize) {
        self.layers = layers;
        self.len = len;
    }
}

fn check_budget(
    config: &DecoderConfig,
    capacity: usize,
    weight_bytes: u64,
    device: &ComputeDevice,
) -> Result<(), ModelError> {
    let what = "keys and values of the context";
    let bytes = (config.kv_heads * config.head_dim) as u64 * capacity as u64 * 4;
    let total = bytes * 2 * config.layers as u64;
    device.check_budget(what, bytes, total.saturating_add(weight_bytes))?;
    device.check_room(what, bytes, total, 0)
}

impl KvLayer {
    /// Rotates and appends the keys and values of a fused projection
    /// `[tokens, (heads + 2 kv_heads) * head_dim]`; returns what its queries attend to,
    /// `[tokens, heads * head_dim]`.
    ///
    /// The layer goes in and out by value: a backend writes in place only what nobody else holds.
    pub(super) fn attend(self, qkv: Tensor<2>, heads: Heads, pass: &Pass) -> (Tensor<2>, Self) {
        let (rope, keys, values) = (&pass.rope, self.keys, self.values);
        let (mixed, keys, values) = match pass.masks.as_slice() {
            [mask] => ops::append_attention(qkv, heads, rope, mask, keys, values),
            masks => ops::branch_attention(qkv, heads, rope, masks, keys, values),
        };
        (mixed, Self { keys, values })
    }
}
