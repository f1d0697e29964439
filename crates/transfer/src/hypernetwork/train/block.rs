//! The Llama block on batches of sequences, in plain Burn operations, so that gradients flow.

use burn::tensor::{Device, Tensor, TensorData, activation};

/// Weights of one block, matrices as `[in, out]`, vectors as `[1, n]`.
#[derive(Debug, Clone)]
pub struct BlockWeights {
    pub attention_norm: Tensor<2>,
    /// Queries, keys and values side by side.
    pub qkv: Tensor<2>,
    pub output: Tensor<2>,
    pub feed_forward_norm: Tensor<2>,
    /// Gate and up projection side by side.
    pub gate_up: Tensor<2>,
    pub down: Tensor<2>,
}

/// How many parameters a block has as tensors.
pub const BLOCK_TENSORS: usize = 6;

impl BlockWeights {
    pub fn to_list(&self) -> [Tensor<2>; BLOCK_TENSORS] {
        [
            self.attention_norm.clone(),
            self.qkv.clone(),
            self.output.clone(),
            self.feed_forward_norm.clone(),
            self.gate_up.clone(),
            self.down.clone(),
        ]
    }

    pub fn from_list(list: &[Tensor<2>]) -> Option<Self> {
        let [
            attention_norm,
            qkv,
            output,
            feed_forward_norm,
            gate_up,
            down,
        ] = list
        else {
            return None;
        };
        Some(Self {
            attention_norm: attention_norm.clone(),
            qkv: qkv.clone(),
            output: output.clone(),
            feed_forward_norm: feed_forward_norm.clone(),
            gate_up: gate_up.clone(),
            down: down.clone(),
        })
    }
}

/// What blocks share: sizes, the rotation of positions, the mask.
#[derive(Debug, Clone)]
pub struct Frame {
    pub heads: usize,
    pub kv_heads: usize,
    pub head_dim: usize,
    pub eps: f64,
    pub tokens: usize,
    /// `[1, tokens, 1, head_dim]`.
    cos: Tensor<4>,
    sin: Tensor<4>,
    /// `[1, 1, group * tokens, tokens]`, nought or a large negative number.
    mask: Tensor<4>,
}

/// Sizes of a decoder's attention.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    pub hidden: usize,
    pub feed_forward: usize,
    pub heads: usize,
    pub kv_heads: usize,
    pub head_dim: usize,
    pub eps: f64,
    pub theta: f64,
}

impl Frame {
    pub fn new(sizes: Sizes, tokens: usize, device: &Device) -> Self {
        let (half, dim) = (sizes.head_dim / 2, sizes.head_dim);
        let (mut cos, mut sin) = (Vec::new(), Vec::new());
        for position in 0..tokens {
            for i in 0..dim {
                let exponent = (2 * (i % half)) as f64 / dim as f64;
                let (s, c) = (position as f64 * sizes.theta.powf(-exponent)).sin_cos();
                cos.push(c as f32);
                sin.push(if i < half { -s as f32 } else { s as f32 });
            }
        }
        let group = sizes.heads / sizes.kv_heads;
        let mut mask = Vec::with_capacity(group * tokens * tokens);
        for row in 0..group * tokens {
            mask.extend((0..tokens).map(|key| if key <= row % tokens { 0f32 } else { -1e9 }));
        }
        let table =
            |values| Tensor::from_data(TensorData::new(values, [1, tokens, 1, dim]), device);
        Self {
            heads: sizes.heads,
            kv_heads: sizes.kv_heads,
            head_dim: dim,
            eps: sizes.eps,
            tokens,
            cos: table(cos),
            sin: table(sin),
            mask: Tensor::from_data(
                TensorData::new(mask, [1, 1, group * tokens, tokens]),
                device,
            ),
        }
    }

    /// `x cos + swap_halves(x) sin` of `[batch, tokens, heads, head_dim]`.
    fn rotate(&self, x: Tensor<4>, cos: &Tensor<4>, sin: &Tensor<4>) -> Tensor<4> {
        let half = self.head_dim / 2;
        let swapped = Tensor::cat(
            vec![
                x.clone().narrow(3, half, half),
                x.clone().narrow(3, 0, half),
            ],
            3,
        );
        x * cos.clone() + swapped * sin.clone()
    }
}

/// `x / sqrt(mean(x²) + eps) * weight` (arXiv 1910.07467), `x` `[rows, n]`, `weight` `[1, n]`.
pub fn rms_norm(x: Tensor<2>, weight: &Tensor<2>, eps: f64) -> Tensor<2> {
    let scale = (x.clone() * x.clone()).mean_dim(1).add_scalar(eps).sqrt();
    x / scale * weight.clone()
}

fn feed_forward(x: Tensor<2>, w: &BlockWeights, eps: f64) -> Tensor<2> {
    let normed = rms_norm(x.clone(), &w.feed_forward_norm, eps);
    let both = normed.matmul(w.gate_up.clone());
    let inner = both.dims()[1] / 2;
    let gate = both.clone().narrow(1, 0, inner);
    let up = both.narrow(1, inner, inner);
    x + (activation::silu(gate) * up).matmul(w.down.clone())
}

/// One block over `[batch, tokens, hidden]`.
pub fn block(x: Tensor<3>, w: &BlockWeights, frame: &Frame) -> Tensor<3> {
    let [batch, tokens, hidden] = x.dims();
    let (heads, kv, dim) = (frame.heads, frame.kv_heads, frame.head_dim);
    let group = heads / kv;
    let x = x.reshape([batch * tokens, hidden]);
    let qkv = rms_norm(x.clone(), &w.attention_norm, frame.eps).matmul(w.qkv.clone());
    let part = |first: usize, count: usize| {
        qkv.clone()
            .narrow(1, first * dim, count * dim)
            .reshape([batch, tokens, count, dim])
    };
    let q = frame.rotate(part(0, heads), &frame.cos, &frame.sin);
    let k = frame.rotate(part(heads, kv), &frame.cos, &frame.sin);
    let v = part(heads + kv, kv).swap_dims(1, 2);
    let q = q.swap_dims(1, 2).reshape([batch, kv, group * tokens, dim]);
    let scores = q
        .matmul(k.swap_dims(1, 2).swap_dims(2, 3))
        .mul_scalar(1.0 / (dim as f64).sqrt());
    let mixed = activation::softmax(scores + frame.mask.clone(), 3).matmul(v);
    let mixed = mixed
        .reshape([batch, heads, tokens, dim])
        .swap_dims(1, 2)
        .reshape([batch * tokens, heads * dim]);
    let x = x + mixed.matmul(w.output.clone());
    feed_forward(x, w, frame.eps).reshape([batch, tokens, hidden])
}

/// The same, for the last position alone: `[batch, tokens, hidden] -> [batch, hidden]`.
pub fn block_last(x: Tensor<3>, w: &BlockWeights, frame: &Frame) -> Tensor<2> {
    let [batch, tokens, hidden] = x.dims();
    let (heads, kv, dim) = (frame.heads, frame.kv_heads, frame.head_dim);
    let group = heads / kv;
    let last = x.clone().narrow(1, tokens - 1, 1).reshape([batch, hidden]);
    let flat = x.reshape([batch * tokens, hidden]);
    let normed = rms_norm(flat, &w.attention_norm, frame.eps);
    let normed_last = normed
        .clone()
        .reshape([batch, tokens, hidden])
        .narrow(1, tokens - 1, 1)
        .reshape([batch, hidden]);
    let q = normed_last
        .matmul(w.qkv.clone().narrow(1, 0, heads * dim))
        .reshape([batch, 1, heads, dim]);
    let keys_values = normed.matmul(w.qkv.clone().narrow(1, heads * dim, 2 * kv * dim));
    let part = |first: usize| {
        keys_values
            .clone()
            .narrow(1, first * dim, kv * dim)
            .reshape([batch, tokens, kv, dim])
    };
    let at = |table: &Tensor<4>| table.clone().narrow(1, tokens - 1, 1);
    let q = frame
        .rotate(q, &at(&frame.cos), &at(&frame.sin))
        .reshape([batch, kv, group, dim]);
    let k = frame.rotate(part(0), &frame.cos, &frame.sin);
    let v = part(kv).swap_dims(1, 2);
    let scores = q
        .matmul(k.swap_dims(1, 2).swap_dims(2, 3))
        .mul_scalar(1.0 / (dim as f64).sqrt());
    let mixed = activation::softmax(scores, 3)
        .matmul(v)
        .reshape([batch, heads * dim]);
    feed_forward(last + mixed.matmul(w.output.clone()), w, frame.eps)
}
