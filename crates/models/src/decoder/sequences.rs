//! Many short sequences at once, through a decoder's first blocks.

use burn::tensor::Tensor;
use lexigraft_kernels::ops;

use super::config::DecoderConfig;
use super::{Decoder, Prefixes};
use crate::ModelError;
use crate::rope::rope_angles;

impl Decoder {
    /// States of the last place of each sequence, after the first `layers` blocks: from rows of all
    /// places `[places, hidden]` to `[sequences, hidden]`, on the host.
    ///
    /// The products run on the device; attention between a handful of places is a few loops on the
    /// host. A place attends to what comes before it in its sequence.
    ///
    /// # Errors
    /// `invalid-argument` for another number of rows or more layers than there are; `device-lost`.
    pub async fn last_states(
        &self,
        rows: Vec<f32>,
        prefixes: &Prefixes,
        layers: usize,
    ) -> Result<Vec<f32>, ModelError> {
        let hidden = self.config.hidden_size;
        let places = prefixes.len();
        if rows.len() != places * hidden || layers > self.blocks.len() {
            return Err(ModelError::InvalidArgument(format!(
                "{} values are not {places} rows of {hidden} for {layers} of {} blocks",
                rows.len(),
                self.blocks.len()
            )));
        }
        let ends = prefixes.ends();
        if layers == 0 || ends.is_empty() {
            return Ok(gather(&rows, ends, hidden));
        }
        let device = self.device.burn();
        let angles = self.angles(prefixes.longest());
        let columns = self.config.heads * self.config.head_dim;
        let mut states = rows;
        for (index, block) in self.blocks.iter().take(layers).enumerate() {
            // Of the last block only the last places are asked for.
            let asked = (index + 1 == layers).then(|| gather(&states, ends, hidden));
            let x: Tensor<2> = ops::from_host(states, [places, hidden], device);
            let qkv = block
                .attention
                .qkv
                .forward_normed(x.clone(), &block.attention_norm);
            let qkv = ops::to_host(qkv).await?;
            let (mixed, x) = match asked {
                None => {
                    let all = 0..places;
                    (attend(qkv, prefixes, all, &self.config, &angles), x)
                }
                Some(rows) => {
                    let last = ends.iter().copied();
                    let mixed = attend(qkv, prefixes, last, &self.config, &angles);
                    (mixed, ops::from_host(rows, [ends.len(), hidden], device))
                }
            };
            let mixed: Tensor<2> = ops::from_host(mixed, [x.dims()[0], columns], device);
            let x = block.attention.output.forward_add(mixed, x);
            states = ops::to_host(block.feed_forward_add(x)).await?;
        }
        Ok(states)
    }

    /// Cosine and sine of each position and pair.
    fn angles(&self, len: usize) -> Vec<(f32, f32)> {
        let config = &self.config;
        rope_angles(
            config.head_dim,
            len,
            config.rope_theta,
            &config.rope_scaling,
        )
    }
}

/// The rows of `places`.
fn gather(rows: &[f32], places: &[usize], hidden: usize) -> Vec<f32> {
    let row = |place: &usize| rows.get(place * hidden..(place + 1) * hidden);
    places.iter().filter_map(row).flatten().copied().collect()
}

/// Causal attention of the places `asked` to those before them, from rows of queries, keys and values
/// of all places.
fn attend(
    mut qkv: Vec<f32>,
    prefixes: &Prefixes,
    asked: impl Iterator<Item = usize>,
    config: &DecoderConfig,
    angles: &[(f32, f32)],
) -> Vec<f32> {
    let (heads, kv, dim) = (config.heads, config.kv_heads, config.head_dim);
    let width = (heads + 2 * kv) * dim;
    let scale = 1.0 / (dim as f32).sqrt();
    for (place, row) in qkv.chunks_exact_mut(width).enumerate() {
        let at = prefixes.depth(place) * (dim / 2);
        let angles = angles.get(at..at + dim / 2).unwrap_or_default();
        for head in row.chunks_exact_mut(dim).take(heads + kv) {
            turn(head, angles);
        }
    }
    let part = |place: usize, slot: usize| {
        let from = place * width + slot * dim;
        qkv.get(from..from + dim).unwrap_or_default()
    };
    let mut out = Vec::with_capacity(asked.size_hint().0 * heads * dim);
    let (mut path, mut weights) = (Vec::new(), Vec::new());
    for place in asked {
        prefixes.path(place, &mut path);
        for head in 0..heads {
            let group = head * kv / heads;
            let query = part(place, head);
            weights.clear();
            for earlier in &path {
                let key = part(*earlier, heads + group);
                let dot: f32 = query.iter().zip(key).map(|(q, k)| q * k).sum();
                weights.push(dot * scale);
            }
            softmax(&mut weights);
            let start = out.len();
            out.resize(start + dim, 0.0);
            for (weight, earlier) in weights.iter().zip(&path) {
                let value = part(*earlier, heads + kv + group);
                for (sum, v) in out.iter_mut().skip(start).zip(value) {
                    *sum += weight * v;
                }
            }
        }
    }
    out
}

/// Element `i` turns with element `i + dim / 2`.
fn turn(head: &mut [f32], angles: &[(f32, f32)]) {
    let (low, high) = head.split_at_mut(head.len() / 2);
    for ((a, b), (cos, sin)) in low.iter_mut().zip(high).zip(angles) {
        (*a, *b) = (*a * cos - *b * sin, *b * cos + *a * sin);
    }
}

fn softmax(weights: &mut [f32]) {
    let highest = weights.iter().copied().fold(f32::MIN, f32::max);
    for weight in weights.iter_mut() {
        *weight = (*weight - highest).exp();
    }
    let sum: f32 = weights.iter().sum();
    for weight in weights.iter_mut() {
        *weight /= sum;
    }
}
