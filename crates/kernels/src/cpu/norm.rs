//! Root-mean-square normalisation (arXiv 1910.07467) and layer normalisation (arXiv 1607.06450).

use super::math::lanes;
use super::pool;

/// `out = x / sqrt(mean(x²) + eps) * weight` for each row of `[tokens, hidden]`.
///
/// `weight` is `[hidden]`; what does not fill a row is left alone.
pub fn rms_norm(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
    let hidden = weight.len().max(1);
    pool::rows(out, hidden, 4, |first, out| {
        let x = x.chunks_exact(hidden).skip(first);
        for (x, out) in x.zip(out.chunks_exact_mut(hidden)) {
            let scale = scale(x, eps);
            for ((out, x), weight) in out.iter_mut().zip(x).zip(weight) {
                *out = x * scale * weight;
            }
        }
    });
}

/// `out = (x - mean) / sqrt(variance + eps) * weight + bias` for each row of `[tokens, hidden]`.
///
/// `weight` and `bias` are `[hidden]`; the variance is the biased one.
pub fn layer_norm(x: &[f32], weight: &[f32], bias: &[f32], eps: f32, out: &mut [f32]) {
    let hidden = weight.len().max(1);
    pool::rows(out, hidden, 6, |first, out| {
        let x = x.chunks_exact(hidden).skip(first);
        for (x, out) in x.zip(out.chunks_exact_mut(hidden)) {
            let mean = mean(x, |x| x);
            for (out, x) in out.iter_mut().zip(x) {
                *out = x - mean;
            }
            let scale = scale(out, eps);
            for ((out, weight), bias) in out.iter_mut().zip(weight).zip(bias) {
                *out = *out * scale * weight + bias;
            }
        }
    });
}

fn scale(x: &[f32], eps: f32) -> f32 {
    (mean(x, |x| x * x) + eps).sqrt().recip()
}

/// The mean of `of` each element, in sixteen sums so that additions do not wait for each other.
#[inline(always)]
fn mean(x: &[f32], of: impl Fn(f32) -> f32) -> f32 {
    let (chunks, rest) = x.as_chunks::<16>();
    let mut sums = [0.0f32; 16];
    for x in chunks {
        for (sum, x) in sums.iter_mut().zip(x) {
            *sum += of(*x);
        }
    }
    let rest: f32 = rest.iter().map(|x| of(*x)).sum();
    (lanes(sums) + rest) / x.len() as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_norm_is_its_definition() {
        for hidden in [2, 16, 37] {
            let x: Vec<f32> = (0..2 * hidden)
                .map(|i| (i as f32 * 0.7).sin() + 3.0)
                .collect();
            let weight: Vec<f32> = (0..hidden).map(|i| 1.0 + i as f32).collect();
            let bias: Vec<f32> = (0..hidden).map(|i| i as f32 * 0.1).collect();
            let mut out = vec![0.0; x.len()];
            layer_norm(&x, &weight, &bias, 1e-5, &mut out);
            for (x, out) in x.chunks(hidden).zip(out.chunks(hidden)) {
                let count = hidden as f64;
                let mean = x.iter().map(|x| f64::from(*x)).sum::<f64>() / count;
                let square = |x: &f32| (f64::from(*x) - mean).powi(2);
                let variance = x.iter().map(square).sum::<f64>() / count;
                for i in 0..hidden {
                    let want = (f64::from(x[i]) - mean) / (variance + 1e-5).sqrt()
                        * f64::from(weight[i])
                        + f64::from(bias[i]);
                    assert!((f64::from(out[i]) - want).abs() <= 2e-5 * (1.0 + want.abs()));
                }
            }
        }
    }

    #[test]
    fn a_row_has_the_length_of_its_weights() {
        for hidden in [1, 3, 16, 37] {
            let x: Vec<f32> = (0..2 * hidden).map(|i| (i as f32 * 0.7).sin()).collect();
            let weight: Vec<f32> = (0..hidden).map(|i| 1.0 + i as f32).collect();
            let mut out = vec![0.0; x.len()];
            rms_norm(&x, &weight, 1e-5, &mut out);
            for (x, out) in x.chunks(hidden).zip(out.chunks(hidden)) {
                let mean: f64 =
                    x.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / hidden as f64;
                for ((x, out), weight) in x.iter().zip(out).zip(&weight) {
                    let want = f64::from(*x) / (mean + 1e-5).sqrt() * f64::from(*weight);
                    assert!((f64::from(*out) - want).abs() <= 1e-5 * want.abs() + 1e-6);
                }
            }
        }
    }
}
