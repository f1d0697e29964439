//! Split regression: the row of a known token from its pieces.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor, TensorData};

use super::block::Frame;
use super::frozen::FrozenModel;
use super::network::MAX_PIECES;
use super::splits::Split;

/// Frames for one to [`MAX_PIECES`] pieces.
pub fn frames(model: &FrozenModel, device: &Device) -> Vec<Frame> {
    (1..=MAX_PIECES)
        .map(|count| Frame::new(model.sizes, count, device))
        .collect()
}

pub(super) fn by_count(splits: &[Split]) -> BTreeMap<usize, Vec<&Split>> {
    let mut groups: BTreeMap<usize, Vec<&Split>> = BTreeMap::new();
    for split in splits {
        groups.entry(split.pieces.len()).or_default().push(split);
    }
    groups
}

pub fn targets(model: &FrozenModel, group: &[&Split], device: &Device) -> Tensor<2> {
    let values: Vec<f32> = group
        .iter()
        .flat_map(|split| model.row(split.token))
        .copied()
        .collect();
    Tensor::from_data(
        TensorData::new(values, [group.len(), model.sizes.hidden]),
        device,
    )
}

/// Mean squared error and one minus the cosine, of standardised rows, summed over the rows.
pub fn row_loss(found: Tensor<2>, target: Tensor<2>, spread: &Tensor<2>) -> Tensor<1> {
    let hidden = found.dims()[1] as f64;
    let found = found / spread.clone();
    let target = target / spread.clone();
    let difference = found.clone() - target.clone();
    let squares = (difference.clone() * difference)
        .sum()
        .mul_scalar(1.0 / hidden);
    let cosine = cosines(found, target);
    let rows = cosine.dims()[0] as f64;
    squares - cosine.sum() + rows
}

/// Cosines of rows, `[rows, 1]`.
pub fn cosines(a: Tensor<2>, b: Tensor<2>) -> Tensor<2> {
    let length = |x: &Tensor<2>| (x.clone() * x.clone()).sum_dim(1).add_scalar(1e-8).sqrt();
    let lengths = length(&a) * length(&b);
    (a * b).sum_dim(1) / lengths
}
