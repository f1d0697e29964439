//! A head in closed form: ridge regression from the features to the rows of known tokens.
//!
//! What thousands of steps would find for the last matrix, from one pass over the splits. Training
//! goes on from there.

use burn::tensor::{Device, Tensor, TensorData};

use super::block::{BLOCK_TENSORS, Frame};
use super::context::values;
use super::frozen::FrozenModel;
use super::in_two_threads;
use super::network::{Network, gather};
use super::regression::{by_count, targets};
use super::splits::Split;

/// Rows that one call of the network sees.
const BATCH: usize = 512;

/// Fits the head of `network` to `splits`; `strength` is the ridge as a share of the mean
/// eigenvalue.
pub fn fit(
    network: &mut Network,
    model: &FrozenModel,
    frames: &[Frame],
    splits: &[Split],
    strength: f64,
    device: &Device,
) {
    let hidden = model.sizes.hidden;
    let mut batches = Vec::new();
    for (count, group) in by_count(splits) {
        for group in group.chunks(BATCH) {
            batches.push((count, group.to_vec()));
        }
    }
    let run = |parity: usize| {
        let mut sums: Option<(Tensor<2>, Tensor<2>)> = None;
        for (count, group) in batches.iter().skip(parity).step_by(2) {
            let pieces: Vec<&[u32]> = group.iter().map(|split| split.pieces.as_slice()).collect();
            let rows = gather(&model.rows, hidden, &pieces, device);
            let mean = rows.clone().mean_dim(1).reshape([group.len(), hidden]);
            let wanted = (targets(model, group, device) - mean) / network.spread.clone();
            let features = network.features(rows, &frames[count - 1]);
            let turned = features.clone().transpose();
            let (square, product) = (turned.clone().matmul(features), turned.matmul(wanted));
            sums = Some(match sums {
                Some((a, b)) => (a + square, b + product),
                None => (square, product),
            });
        }
        sums
    };
    let (Some(even), Some(odd)) = in_two_threads(|| run(0), || run(1)) else {
        return;
    };
    let (square, product) = (even.0 + odd.0, even.1 + odd.1);
    let n = square.dims()[0];
    let mut square: Vec<f64> = values(square).into_iter().map(f64::from).collect();
    let trace: f64 = (0..n).map(|i| square[i * n + i]).sum();
    for i in 0..n {
        square[i * n + i] += strength * trace / n as f64;
    }
    let product: Vec<f64> = values(product).into_iter().map(f64::from).collect();
    let solution = solve(&mut square, product, n, hidden);
    // Both rows begin at the same place; gate and bias stay at nought.
    let columns = 2 * hidden + 2;
    let mut head = vec![0f32; n * columns];
    for (row, solved) in head
        .chunks_exact_mut(columns)
        .zip(solution.chunks_exact(hidden))
    {
        for (i, &x) in solved.iter().enumerate() {
            row[i] = x as f32;
            row[hidden + i] = x as f32;
        }
    }
    let at = network.layers() * BLOCK_TENSORS + 1;
    network.params[at] = Tensor::from_data(TensorData::new(head, [n, columns]), device);
}

/// `A x = b` for a positive definite `A` `[n, n]`, which is replaced by its Cholesky factor, and
/// `b` `[n, columns]`.
pub fn solve(a: &mut [f64], mut b: Vec<f64>, n: usize, columns: usize) -> Vec<f64> {
    for i in 0..n {
        let (above, rest) = a.split_at_mut(i * n);
        let row = &mut rest[..n];
        for j in 0..i {
            let other = &above[j * n..j * n + j + 1];
            let dot: f64 = row[..j].iter().zip(other).map(|(x, y)| x * y).sum();
            row[j] = (row[j] - dot) / other[j];
        }
        let squares: f64 = row[..i].iter().map(|x| x * x).sum();
        row[i] = (row[i] - squares).max(1e-12).sqrt();
    }
    for i in 0..n {
        let (above, rest) = b.split_at_mut(i * columns);
        let row = &mut rest[..columns];
        for j in 0..i {
            let factor = a[i * n + j];
            for (x, y) in row.iter_mut().zip(&above[j * columns..(j + 1) * columns]) {
                *x -= factor * y;
            }
        }
        row.iter_mut().for_each(|x| *x /= a[i * n + i]);
    }
    for i in (0..n).rev() {
        let (above, below) = b.split_at_mut((i + 1) * columns);
        let row = &mut above[i * columns..];
        for j in i + 1..n {
            let factor = a[j * n + i];
            let start = (j - i - 1) * columns;
            for (x, y) in row.iter_mut().zip(&below[start..start + columns]) {
                *x -= factor * y;
            }
        }
        row.iter_mut().for_each(|x| *x /= a[i * n + i]);
    }
    b
}
