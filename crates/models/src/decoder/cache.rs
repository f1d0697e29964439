use burn::tensor::{Tensor, s};

use super::DecoderConfig;
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
    // Taken out during a write: a backend writes in place only what nobody else holds.
    keys: Option<Tensor<3>>,
    values: Option<Tensor<3>>,
}

impl KvCache {
    pub(super) fn new(
        config: &DecoderConfig,
        capacity: usize,
        device: &ComputeDevice,
    ) -> Result<Self, ModelError> {
        let bytes = (config.kv_heads * config.head_dim) as u64 * capacity as u64 * 4;
        device.check_budget(
            "keys and values of the context",
            bytes,
            (bytes * 2 * config.layers as u64).saturating_add(config.dense_bytes().total),
        )?;
        let shape = [config.kv_heads, capacity, config.head_dim];
        let layers = (0..config.layers)
            .map(|_| KvLayer {
                keys: Some(Tensor::zeros(shape, device.burn())),
                values: Some(Tensor::zeros(shape, device.burn())),
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
        device: &ComputeDevice,
    ) -> Result<Self, ModelError> {
        let mut grown = Self::new(config, capacity.max(self.len), device)?;
        let len = self.len;
        for (new, old) in grown.layers.iter_mut().zip(self.layers) {
            // One layer at a time, so that only one is held twice.
            for (new, old) in [(&mut new.keys, old.keys), (&mut new.values, old.values)] {
                if let Some(old) = old {
                    append(new, 0, old.narrow(1, 0, len));
                }
            }
        }
        grown.len = len;
        Ok(grown)
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

    pub(super) fn layers_mut(&mut self) -> impl Iterator<Item = &mut KvLayer> {
        self.layers.iter_mut()
    }

    pub(super) fn advance(&mut self, tokens: usize) {
        self.len += tokens;
    }
}

impl KvLayer {
    /// Writes `[kv_heads, tokens, head_dim]` at `start` and returns all keys and values up to
    /// there, `[kv_heads, start + tokens, head_dim]`.
    pub(super) fn append(
        &mut self,
        start: usize,
        keys: Tensor<3>,
        values: Tensor<3>,
    ) -> (Tensor<3>, Tensor<3>) {
        (
            append(&mut self.keys, start, keys),
            append(&mut self.values, start, values),
        )
    }
}

fn append(slot: &mut Option<Tensor<3>>, start: usize, new: Tensor<3>) -> Tensor<3> {
    let end = start + new.dims()[1];
    let written = match slot.take() {
        Some(stored) => stored.slice_assign(s![.., start..end, ..], new),
        None => new,
    };
    let view = written.clone().narrow(1, 0, end);
    *slot = Some(written);
    view
}
