//! Split regression: the row of a known token from its pieces.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor, TensorData};

use super::block::Frame;
use super::frozen::FrozenModel;
use super::network::{MAX_PIECES, Network, gather};
use super::splits::Split;

/// Frames for one to [`MAX_PIECES`] pieces.
pub fn frames(model: &FrozenModel, device: &Device) -> Vec<Frame> {
    (1..=MAX_PIECES)
        .map(|count| Frame::new(model.sizes, count, device))
        .collect()
}

/// Loss and gradients of a share of a batch; the loss is a sum over the share.
pub fn gradients(
    network: &Network,
    model: &FrozenModel,
    frames: &[Frame],
    splits: &[Split],
    device: &Device,
) -> (f64, Vec<Tensor<2>>) {
    let leaves = network.leaves();
    let mut total: Option<Tensor<1>> = None;
    for (count, group) in by_count(splits) {
        let pieces: Vec<&[u32]> = group.iter().map(|split| split.pieces.as_slice()).collect();
        let x = gather(&model.rows, model.sizes.hidden, &pieces, device);
        let rows = leaves.forward(x, &frames[count - 1]);
        let target = targets(model, &group, device);
        let loss = row_loss(rows.input, target.clone(), &leaves.spread)
            + row_loss(rows.output, target, &leaves.spread).mul_scalar(0.5);
        total = Some(match total {
            Some(total) => total + loss,
            None => loss,
        });
    }
    let Some(total) = total else {
        return (0.0, Vec::new());
    };
    let value = f64::from(total.clone().inner().into_scalar::<f32>());
    let mut found = total.backward();
    let gradients = leaves
        .params
        .iter()
        .map(|leaf| {
            leaf.grad_remove(&mut found)
                .unwrap_or_else(|| leaf.clone().inner().zeros_like())
        })
        .collect();
    (value, gradients)
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

/// Mean cosine and mean ratio of lengths, of standardised rows.
#[derive(Debug, Clone, Copy, Default, serde::Serialize)]
pub struct Agreement {
    pub cosine: f64,
    pub norm_ratio: f64,
    pub output_cosine: f64,
}

/// How near the predictions of held-out splits are to their rows.
pub fn agreement(
    network: &Network,
    model: &FrozenModel,
    frames: &[Frame],
    splits: &[Split],
    device: &Device,
) -> Agreement {
    let mut sum = Agreement::default();
    for (count, group) in by_count(splits) {
        for group in group.chunks(512) {
            let pieces: Vec<&[u32]> = group.iter().map(|split| split.pieces.as_slice()).collect();
            let x = gather(&model.rows, model.sizes.hidden, &pieces, device);
            let rows = network.forward(x, &frames[count - 1]);
            let target = targets(model, group, device) / network.spread.clone();
            let found = rows.input / network.spread.clone();
            let output = rows.output / network.spread.clone();
            let squares = |x: Tensor<2>| (x.clone() * x).sum_dim(1).sqrt();
            let ratio = squares(found.clone()) / squares(target.clone());
            let total = |x: Tensor<2>| f64::from(x.sum().into_scalar::<f32>());
            sum.norm_ratio += total(ratio);
            sum.cosine += total(cosines(found, target.clone()));
            sum.output_cosine += total(cosines(output, target));
        }
    }
    let n = splits.len().max(1) as f64;
    Agreement {
        cosine: sum.cosine / n,
        norm_ratio: sum.norm_ratio / n,
        output_cosine: sum.output_cosine / n,
    }
}
