//! Rotary position embedding (arXiv 2104.09864) with the scalings of the Llama family.

use std::f64::consts::TAU;

use burn::tensor::Device;
use lexigraft_kernels::ops::{self, RopeTables};

/// How positions beyond the training length are squeezed.
#[derive(Debug, Clone, PartialEq)]
pub enum RopeScaling {
    /// Frequencies as trained.
    None,
    /// Every frequency divided by `factor` (position interpolation, arXiv 2306.15595).
    Linear { factor: f64 },
    /// Llama 3.1: long wavelengths divided by `factor`, short ones kept, a ramp between.
    Llama3 {
        factor: f64,
        low_freq_factor: f64,
        high_freq_factor: f64,
        original_context: f64,
    },
    /// One divisor per frequency as a checkpoint stores it (`rope_freqs.weight`).
    Divisors(Vec<f32>),
}

/// Tables for positions `0..positions` of heads of `head_dim` (even) elements.
pub fn rope_tables(
    head_dim: usize,
    positions: usize,
    theta: f64,
    scaling: &RopeScaling,
    device: &Device,
) -> RopeTables {
    let frequencies = frequencies(head_dim, theta, scaling);
    let half = frequencies.len();
    let mut cos = vec![0f32; positions * head_dim];
    let mut sin = vec![0f32; positions * head_dim];
    for position in 0..positions {
        let row = position * head_dim;
        for (i, frequency) in frequencies.iter().enumerate() {
            let (s, c) = (position as f64 * frequency).sin_cos();
            cos[row + i] = c as f32;
            cos[row + half + i] = c as f32;
            sin[row + i] = -s as f32;
            sin[row + half + i] = s as f32;
        }
    }
    let shape = [positions, head_dim];
    RopeTables {
        cos: ops::from_host(cos, shape, device),
        sin: ops::from_host(sin, shape, device),
    }
}

/// Cosine and sine of each of `positions` and each of the `head_dim / 2` pairs: `[positions,
/// head_dim / 2]`, on the host.
pub fn rope_angles(
    head_dim: usize,
    positions: usize,
    theta: f64,
    scaling: &RopeScaling,
) -> Vec<(f32, f32)> {
    let frequencies = frequencies(head_dim, theta, scaling);
    (0..positions)
        .flat_map(|position| {
            let frequencies = frequencies.iter();
            frequencies.map(move |frequency| {
                let (sin, cos) = (position as f64 * frequency).sin_cos();
                (cos as f32, sin as f32)
            })
        })
        .collect()
}

/// Angle per position of each of the `head_dim / 2` pairs, in radians.
fn frequencies(head_dim: usize, theta: f64, scaling: &RopeScaling) -> Vec<f64> {
    let half = head_dim / 2;
    (0..half)
        .map(|i| {
            let plain = theta.powf(-((2 * i) as f64) / head_dim as f64);
            match scaling {
                RopeScaling::None => plain,
                RopeScaling::Linear { factor } => plain / factor,
                RopeScaling::Divisors(divisors) => {
                    plain / divisors.get(i).map_or(1.0, |&divisor| f64::from(divisor))
                }
                RopeScaling::Llama3 {
                    factor,
                    low_freq_factor,
                    high_freq_factor,
                    original_context,
                } => {
                    let wavelength = TAU / plain;
                    let turns = original_context / wavelength;
                    if turns > *high_freq_factor {
                        plain
                    } else if turns < *low_freq_factor {
                        plain / factor
                    } else {
                        let ramp = (turns - low_freq_factor) / (high_freq_factor - low_freq_factor);
                        (1.0 - ramp) * plain / factor + ramp * plain
                    }
                }
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Tensor;

    #[test]
    fn linear_scaling_divides_every_frequency() {
        let plain = frequencies(8, 10_000.0, &RopeScaling::None);
        let scaled = frequencies(8, 10_000.0, &RopeScaling::Linear { factor: 4.0 });
        assert_eq!(plain.len(), 4);
        assert_eq!(plain[0], 1.0);
        assert!((plain[1] - 0.1).abs() < 1e-12);
        for (a, b) in plain.iter().zip(&scaled) {
            assert!((a / 4.0 - b).abs() < 1e-15);
        }
    }

    #[test]
    fn llama3_scaling_keeps_short_and_divides_long_wavelengths() {
        // Llama 3.2 1B: theta 500000, head_dim 64.
        let scaling = RopeScaling::Llama3 {
            factor: 32.0,
            low_freq_factor: 1.0,
            high_freq_factor: 4.0,
            original_context: 8192.0,
        };
        let plain = frequencies(64, 500_000.0, &RopeScaling::None);
        let scaled = frequencies(64, 500_000.0, &scaling);
        assert_eq!(plain[0], scaled[0]);
        assert!((scaled[31] - plain[31] / 32.0).abs() < 1e-18);
        // Pair 17 lies on the ramp: 8192 positions hold 1.22 turns of it.
        let turns = 8192.0 * plain[17] / TAU;
        assert!(turns > 1.0 && turns < 4.0);
        let ramp = (turns - 1.0) / 3.0;
        let expected = (1.0 - ramp) * plain[17] / 32.0 + ramp * plain[17];
        assert!((scaled[17] - expected).abs() < 1e-18);
    }

    #[cfg(feature = "reference")]
    #[test]
    fn rotation_keeps_lengths_and_depends_on_distance_only() {
        let device = burn::tensor::Device::flex();
        let rope = rope_tables(4, 16, 100.0, &RopeScaling::None, &device);
        let q = Tensor::<3>::from_data([[[0.3, -1.0, 0.5, 2.0]]], &device);
        let k = Tensor::<3>::from_data([[[1.0, 0.2, -0.7, 0.1]]], &device);
        let dot = |m: usize, n: usize| -> f32 {
            let a = rope.rotate(q.clone(), m);
            let b = rope.rotate(k.clone(), n);
            (a * b).sum().into_scalar()
        };
        assert!((dot(3, 1) - dot(12, 10)).abs() < 1e-5);
        assert!((dot(5, 5) - dot(0, 0)).abs() < 1e-5);
        assert!((dot(3, 1) - dot(3, 0)).abs() > 1e-3);
    }
}
