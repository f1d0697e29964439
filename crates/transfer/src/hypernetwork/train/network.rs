//! The hypernetwork as it is trained.

use burn::tensor::{Device, Tensor, TensorData};

use super::block::{BLOCK_TENSORS, BlockWeights, Frame, Sizes, block, block_last, rms_norm};

/// Most pieces of a token that the network looks at.
pub const MAX_PIECES: usize = 7;

/// What the head looks at, in multiples of the hidden size: the last state, the first piece, the
/// last piece, the mean.
const FEATURES: usize = 4;
/// Elements after those, one of them one: the place of the number of pieces.
const COUNTS: usize = 32;

/// Elements that the head looks at.
pub const fn features(hidden: usize) -> usize {
    FEATURES * hidden + COUNTS
}

/// All weights as one list, in the order of [`Network::forward`]: blocks, last norm, head.
#[derive(Debug, Clone)]
pub struct Network {
    pub sizes: Sizes,
    pub params: Vec<Tensor<2>>,
    /// Spread of each dimension of the source rows, `[1, hidden]`.
    pub spread: Tensor<2>,
    /// A direction whose product with normalised hidden states is near one, `[1, hidden]`.
    pub bias_direction: Tensor<2>,
}

/// Rows of a batch.
pub struct Rows {
    /// For the input embedding, `[batch, hidden]`.
    pub input: Tensor<2>,
    /// For the output head, `[batch, hidden]`.
    pub output: Tensor<2>,
}

impl Network {
    /// Blocks that begin as the frozen model's first ones, and a head of noughts, so that the
    /// network begins as FVT.
    pub fn new(
        sizes: Sizes,
        blocks: &[BlockWeights],
        spread: Tensor<2>,
        bias_direction: Tensor<2>,
        device: &Device,
    ) -> Self {
        let mut params: Vec<Tensor<2>> = blocks.iter().flat_map(BlockWeights::to_list).collect();
        params.push(Tensor::ones([1, sizes.hidden], device));
        params.push(Tensor::zeros(
            [features(sizes.hidden), 2 * sizes.hidden + 2],
            device,
        ));
        Self {
            sizes,
            params,
            spread,
            bias_direction,
        }
    }

    pub fn layers(&self) -> usize {
        (self.params.len() - 2) / BLOCK_TENSORS
    }

    /// What the head looks at: `[batch, pieces, hidden] -> [batch, features]`.
    pub fn features(&self, pieces: Tensor<3>, frame: &Frame) -> Tensor<2> {
        let [batch, count, hidden] = pieces.dims();
        let layers = self.layers();
        let mut x = pieces.clone();
        let mut last = None;
        for (index, list) in self
            .params
            .chunks_exact(BLOCK_TENSORS)
            .take(layers)
            .enumerate()
        {
            let Some(weights) = BlockWeights::from_list(list) else {
                continue;
            };
            if index + 1 == layers {
                last = Some(block_last(x.clone(), &weights, frame));
            } else {
                x = block(x, &weights, frame);
            }
        }
        let last = last.unwrap_or_else(|| x.narrow(1, count - 1, 1).reshape([batch, hidden]));
        let norm = &self.params[layers * BLOCK_TENSORS];
        let piece = |at: usize| {
            let row = pieces.clone().narrow(1, at, 1).reshape([batch, hidden]);
            row / self.spread.clone()
        };
        let mean = pieces.clone().mean_dim(1).reshape([batch, hidden]);
        let counts: Vec<f32> = (0..batch * COUNTS)
            .map(|at| if at % COUNTS == count { 1.0 } else { 0.0 })
            .collect();
        Tensor::cat(
            vec![
                rms_norm(last, norm, self.sizes.eps),
                piece(0),
                piece(count - 1),
                mean / self.spread.clone(),
                Tensor::from_data(TensorData::new(counts, [batch, COUNTS]), &pieces.device()),
            ],
            1,
        )
    }

    /// The head, `[features, 2 * hidden + 2]`.
    pub fn head(&self) -> &Tensor<2> {
        &self.params[self.layers() * BLOCK_TENSORS + 1]
    }

    /// Puts biases by the number of pieces into the head, which sees that number.
    pub fn fold(&mut self, bias: &[f32]) {
        let hidden = self.sizes.hidden;
        let [rows, columns] = self.head().dims();
        let mut added = vec![0f32; rows * columns];
        for (count, bias) in bias.iter().enumerate() {
            added[(FEATURES * hidden + count) * columns + 2 * hidden + 1] = *bias;
        }
        let added = TensorData::new(added, [rows, columns]);
        let added = Tensor::from_data(added, &self.head().device());
        self.set_head(self.head().clone() + added);
    }

    pub fn set_head(&mut self, head: Tensor<2>) {
        let at = self.layers() * BLOCK_TENSORS + 1;
        self.params[at] = head;
    }

    /// Rows of tokens of `pieces` pieces each, from the source rows of the pieces,
    /// `[batch, pieces, hidden]`.
    pub fn forward(&self, pieces: Tensor<3>, frame: &Frame) -> Rows {
        let [batch, _, hidden] = pieces.dims();
        let features = self.features(pieces.clone(), frame);
        let mean = pieces.clone().mean_dim(1).reshape([batch, hidden]);
        let first = pieces.narrow(1, 0, 1).reshape([batch, hidden]);
        self.rows(features, mean, first, self.head(), None)
    }

    /// The same without blocks and head, for a graph that has a head of its own.
    pub fn without_parameters(&self) -> Self {
        Self {
            params: Vec::new(),
            spread: self.spread.clone().autodiff(),
            bias_direction: self.bias_direction.clone().autodiff(),
            sizes: self.sizes,
        }
    }

    /// Rows from what the head sees, the mean and the first of the pieces' rows, and what is to be
    /// added to what the head says.
    pub fn rows(
        &self,
        features: Tensor<2>,
        mean: Tensor<2>,
        first: Tensor<2>,
        head: &Tensor<2>,
        added: Option<Tensor<2>>,
    ) -> Rows {
        let hidden = self.sizes.hidden;
        let raw = features.matmul(head.clone());
        let raw = match added {
            Some(added) => raw + added,
            None => raw,
        };
        let part = |first: usize, count: usize| raw.clone().narrow(1, first, count);
        let input = mean.clone() + part(0, hidden) * self.spread.clone();
        let output = mean.clone()
            + part(hidden, hidden) * self.spread.clone()
            + (first - mean) * part(2 * hidden, 1)
            + part(2 * hidden + 1, 1) * self.bias_direction.clone();
        Rows { input, output }
    }
}

/// Source rows of pieces as a tensor `[batch, pieces, hidden]`; all of `batch` have as many pieces.
pub fn gather(rows: &[f32], hidden: usize, batch: &[&[u32]], device: &Device) -> Tensor<3> {
    let count = batch.first().map_or(0, |pieces| pieces.len());
    let mut values = Vec::with_capacity(batch.len() * count * hidden);
    for &id in batch.iter().copied().flatten() {
        let start = id as usize * hidden;
        values.extend_from_slice(&rows[start..start + hidden]);
    }
    Tensor::from_data(
        TensorData::new(values, [batch.len(), count, hidden]),
        device,
    )
}
