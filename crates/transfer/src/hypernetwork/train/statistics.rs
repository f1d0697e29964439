//! What is known of the frozen model's states before training.

use burn::tensor::{Device, Tensor, TensorData};

use super::context::{Window, values};
use super::ridge::solve;

/// Statistics of states without the first two of each window, which attend to little.
pub struct Statistics {
    /// Spread of each dimension of the matched states, `[1, hidden]`.
    pub middle_spread: Tensor<2>,
    /// The direction `u` of least `E[(u h - 1)²]` over the last states, `[1, hidden]`: what a bias
    /// of an output row is laid along, so that a head without biases can have one.
    pub direction: Tensor<2>,
}

/// Ridge of the direction, as a share of the mean eigenvalue.
const RIDGE: f64 = 0.003;

pub fn of(windows: &[Window], hidden: usize, device: &Device) -> Statistics {
    let row = |values: Vec<f32>| Tensor::from_data(TensorData::new(values, [1, hidden]), device);
    let (mut sum, mut squares) = (vec![0f64; hidden], vec![0f64; hidden]);
    let (mut mean, mut count) = (vec![0f64; hidden], 0f64);
    let mut states = Vec::new();
    for window in windows {
        let pairs = window
            .middle
            .chunks_exact(hidden)
            .zip(window.last.chunks_exact(hidden));
        for (middle, last) in pairs.skip(2) {
            count += 1.0;
            for (i, (middle, last)) in middle.iter().zip(last).enumerate() {
                sum[i] += middle.to_f64();
                squares[i] += middle.to_f64() * middle.to_f64();
                mean[i] += last.to_f64();
                states.push(last.to_f32());
            }
        }
    }
    let count = count.max(1.0);
    let spread = sum.iter().zip(&squares);
    let spread = spread.map(|(sum, squares)| squares / count - (sum / count) * (sum / count));
    let spread = spread
        .map(|variance| variance.max(1e-6).sqrt() as f32)
        .collect();
    let rows = states.len() / hidden;
    let states = Tensor::<2>::from_data(TensorData::new(states, [rows, hidden]), device);
    let moments = values(states.clone().transpose().matmul(states));
    let mut moments: Vec<f64> = moments.iter().map(|&x| f64::from(x) / count).collect();
    let trace: f64 = moments.iter().step_by(hidden + 1).sum();
    for diagonal in moments.iter_mut().step_by(hidden + 1) {
        *diagonal += RIDGE * trace / hidden as f64;
    }
    for mean in &mut mean {
        *mean /= count;
    }
    let direction = solve(&mut moments, mean.clone(), hidden, 1);
    let scale: f64 = direction.iter().zip(&mean).map(|(a, b)| a * b).sum();
    let direction = direction
        .iter()
        .map(|x| (x / scale.max(1e-9)) as f32)
        .collect();
    Statistics {
        middle_spread: row(spread),
        direction: row(direction),
    }
}
