//! Causal attention over the few pieces of many tokens, in plain Burn operations.

use burn::tensor::{Device, Tensor, TensorData, activation};

use super::{HypernetworkConfig, MAX_PIECES};

/// Rotations of the first positions (arXiv 2104.09864), `[1, pieces, 1, head_dim]`; the sines of
/// the first half are negated.
#[derive(Debug)]
pub(super) struct Turns {
    cos: Tensor<4>,
    sin: Tensor<4>,
    device: Device,
}

impl Turns {
    pub fn new(config: &HypernetworkConfig, device: &Device) -> Self {
        let (dim, half) = (config.head_dim, config.head_dim / 2);
        let (mut cos, mut sin) = (Vec::new(), Vec::new());
        for position in 0..MAX_PIECES {
            for i in 0..dim {
                let exponent = (2 * (i % half)) as f64 / dim as f64;
                let angle = position as f64 * config.rope_theta.powf(-exponent);
                cos.push(angle.cos() as f32);
                let sine = angle.sin() as f32;
                sin.push(if i < half { -sine } else { sine });
            }
        }
        let table = |values| {
            Tensor::from_data(TensorData::new(values, [1, MAX_PIECES, 1, dim]), device)
        };
        Self {
            cos: table(cos),
            sin: table(sin),
            device: device.clone(),
        }
    }

    /// Turns `[tokens, positions, heads, head_dim]` of the positions from `first` on.
    fn turn(&self, x: Tensor<4>, first: usize) -> Tensor<4> {
        let [_, positions, _, dim] = x.dims();
        let half = dim / 2;
        let swapped = Tensor::cat(
            vec![
                x.clone().narrow(3, half, half),
                x.clone().narrow(3, 0, half),
            ],
            3,
        );
        let rows = |table: &Tensor<4>| table.clone().narrow(1, first, positions);
        x * rows(&self.cos) + swapped * rows(&self.sin)
    }
}

/// Attention of every piece to those up to itself: `[tokens * pieces, qkv]` to
/// `[tokens * pieces, heads * head_dim]`.
pub(super) fn attend(
    qkv: Tensor<2>,
    [tokens, pieces]: [usize; 2],
    config: &HypernetworkConfig,
    turns: &Turns,
) -> Tensor<2> {
    let (heads, kv, dim) = (config.heads, config.kv_heads, config.head_dim);
    let group = heads / kv;
    let qkv = qkv.reshape([tokens, pieces, heads + 2 * kv, dim]);
    let q = turns.turn(qkv.clone().narrow(2, 0, heads), 0);
    let q = q.swap_dims(1, 2).reshape([tokens, kv, group * pieces, dim]);
    let (k, v) = keys_and_values(qkv, config, turns);
    let mut mask = Vec::with_capacity(group * pieces * pieces);
    for row in 0..group * pieces {
        mask.extend((0..pieces).map(|key| if key <= row % pieces { 0f32 } else { -1e9 }));
    }
    let mask = TensorData::new(mask, [1, 1, group * pieces, pieces]);
    let scores = q.matmul(k).mul_scalar(1.0 / (dim as f64).sqrt());
    let scores = scores + Tensor::from_data(mask, &turns.device);
    activation::softmax(scores, 3)
        .matmul(v)
        .reshape([tokens, heads, pieces, dim])
        .swap_dims(1, 2)
        .reshape([tokens * pieces, heads * dim])
}

/// The same for the last piece alone: `[tokens, heads * head_dim]`.
pub(super) fn attend_last(
    qkv: Tensor<2>,
    [tokens, pieces]: [usize; 2],
    config: &HypernetworkConfig,
    turns: &Turns,
) -> Tensor<2> {
    let (heads, kv, dim) = (config.heads, config.kv_heads, config.head_dim);
    let qkv = qkv.reshape([tokens, pieces, heads + 2 * kv, dim]);
    let last = qkv.clone().narrow(2, 0, heads).narrow(1, pieces - 1, 1);
    let q = turns.turn(last, pieces - 1).reshape([tokens, kv, heads / kv, dim]);
    let (k, v) = keys_and_values(qkv, config, turns);
    let scores = q.matmul(k).mul_scalar(1.0 / (dim as f64).sqrt());
    activation::softmax(scores, 3)
        .matmul(v)
        .reshape([tokens, heads * dim])
}

/// `[tokens, kv_heads, head_dim, pieces]` and `[tokens, kv_heads, pieces, head_dim]`.
fn keys_and_values(
    qkv: Tensor<4>,
    config: &HypernetworkConfig,
    turns: &Turns,
) -> (Tensor<4>, Tensor<4>) {
    let (heads, kv) = (config.heads, config.kv_heads);
    let k = turns.turn(qkv.clone().narrow(2, heads, kv), 0);
    let v = qkv.narrow(2, heads + kv, kv);
    (k.swap_dims(1, 2).swap_dims(2, 3), v.swap_dims(1, 2))
}
