//! Many short sequences at once, through a decoder's first blocks.

use burn::tensor::Tensor;
use lexigraft_kernels::ops;

use super::Decoder;
use super::config::DecoderConfig;
use crate::ModelError;
use crate::rope::rope_angles;

impl Decoder {
    /// States of the last places of `sequences` of `len` rows each, after the first `layers` blocks:
    /// `[sequences * len * hidden]` to `[sequences * hidden]`, on the host.
    ///
    /// The products run on the device; attention between a handful of places is a few loops on the
    /// host. Nothing of one sequence reaches another.
    ///
    /// # Errors
    /// `invalid-argument` for rows that are not whole sequences or more layers than there are;
    /// `device-lost`.
    pub async fn last_states(
        &self,
        rows: Vec<f32>,
        len: usize,
        layers: usize,
    ) -> Result<Vec<f32>, ModelError> {
        let hidden = self.config.hidden_size;
        if len == 0 || !rows.len().is_multiple_of(len * hidden) || layers > self.blocks.len() {
            return Err(ModelError::InvalidArgument(format!(
                "{} values are not sequences of {len} rows of {hidden} for {layers} of {} blocks",
                rows.len(),
                self.blocks.len()
            )));
        }
        let count = rows.len() / (len * hidden);
        let device = self.device.burn();
        let mut rows = rows;
        for (index, block) in self.blocks.iter().take(layers).enumerate() {
            let x: Tensor<2> = ops::from_host(rows.clone(), [count * len, hidden], device);
            let qkv = block
                .attention
                .qkv
                .forward_normed(x.clone(), &block.attention_norm);
            let qkv = ops::to_host(qkv).await?;
            // Of the last block only the last places are asked for.
            let (mixed, x, kept) = if index + 1 == layers {
                let last = last_places(&rows, len, hidden);
                let x = ops::from_host(last, [count, hidden], device);
                (
                    attend(&qkv, len, &self.config, &self.angles(len), true),
                    x,
                    count,
                )
            } else {
                let mixed = attend(&qkv, len, &self.config, &self.angles(len), false);
                (mixed, x, count * len)
            };
            let columns = self.config.heads * self.config.head_dim;
            let mixed: Tensor<2> = ops::from_host(mixed, [kept, columns], device);
            let x = block.attention.output.forward_add(mixed, x);
            rows = ops::to_host(block.feed_forward_add(x)).await?;
        }
        if layers == 0 {
            rows = last_places(&rows, len, hidden);
        }
        Ok(rows)
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

fn last_places(rows: &[f32], len: usize, hidden: usize) -> Vec<f32> {
    let sequences = rows.chunks_exact(len * hidden);
    sequences
        .flat_map(|sequence| sequence.iter().skip((len - 1) * hidden))
        .copied()
        .collect()
}

/// Causal attention within each sequence of `len` rows of queries, keys and values; of the last
/// place alone where `last`.
fn attend(
    qkv: &[f32],
    len: usize,
    config: &DecoderConfig,
    angles: &[(f32, f32)],
    last: bool,
) -> Vec<f32> {
    let (heads, kv, dim) = (config.heads, config.kv_heads, config.head_dim);
    let width = (heads + 2 * kv) * dim;
    let scale = 1.0 / (dim as f32).sqrt();
    let mut turned = qkv.to_vec();
    for (place, row) in turned.chunks_exact_mut(width).enumerate() {
        let at = (place % len) * (dim / 2);
        let angles = angles.get(at..at + dim / 2).unwrap_or_default();
        for head in row.chunks_exact_mut(dim).take(heads + kv) {
            turn(head, angles);
        }
    }
    let mut out = Vec::with_capacity(qkv.len() / width * heads * dim);
    let mut weights = Vec::with_capacity(len);
    for sequence in turned.chunks_exact(len * width) {
        let rows: Vec<&[f32]> = sequence.chunks_exact(width).collect();
        let first = if last { len - 1 } else { 0 };
        for (place, row) in rows.iter().enumerate().skip(first) {
            for (head, query) in row.chunks_exact(dim).take(heads).enumerate() {
                let group = head * kv / heads;
                let part = |row: &&[f32], slot: usize| -> Vec<f32> {
                    row.chunks_exact(dim).nth(slot).unwrap_or_default().to_vec()
                };
                weights.clear();
                for earlier in rows.iter().take(place + 1) {
                    let key = part(earlier, heads + group);
                    let dot: f32 = query.iter().zip(&key).map(|(q, k)| q * k).sum();
                    weights.push(dot * scale);
                }
                softmax(&mut weights);
                let start = out.len();
                out.resize(start + dim, 0.0);
                for (weight, earlier) in weights.iter().zip(&rows) {
                    let value = part(earlier, heads + kv + group);
                    for (sum, v) in out.iter_mut().skip(start).zip(&value) {
                        *sum += weight * v;
                    }
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
