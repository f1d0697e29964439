//! What turns logits into log-probabilities.

use super::math::{exp, lanes};

/// Elements whose exponentials are added in single precision.
const RUN: usize = 256;

/// `ln Σ e^x`, to a few millionths: minus infinity for no elements, NaN where one is NaN.
///
/// Runs of exponentials are added in sixteen lanes, and the runs in double precision: a vocabulary is
/// a long sum.
pub fn log_sum_exp(x: &[f32]) -> f64 {
    let most = largest(x);
    if most == f32::NEG_INFINITY {
        return if x.iter().any(|x| x.is_nan()) {
            f64::NAN
        } else {
            f64::NEG_INFINITY
        };
    }
    let mut sum = 0f64;
    for run in x.chunks(RUN) {
        let (chunks, rest) = run.as_chunks::<16>();
        let mut sums = [0f32; 16];
        for chunk in chunks {
            for (sum, x) in sums.iter_mut().zip(chunk) {
                *sum += exp(x - most);
            }
        }
        let rest: f32 = rest.iter().map(|x| exp(x - most)).sum();
        sum += f64::from(lanes(sums) + rest);
    }
    f64::from(most) + sum.ln()
}

/// The largest element; NaN is smaller than any.
fn largest(x: &[f32]) -> f32 {
    let (chunks, rest) = x.as_chunks::<16>();
    let mut most = [f32::NEG_INFINITY; 16];
    // Not `f32::max`, which vector code needs more steps for.
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    for chunk in chunks {
        for (most, x) in most.iter_mut().zip(chunk) {
            *most = larger(*most, *x);
        }
    }
    most.iter()
        .chain(rest)
        .fold(f32::NEG_INFINITY, |a, b| larger(a, *b))
}

#[cfg(test)]
mod tests {
    use super::log_sum_exp;

    #[test]
    fn it_is_the_logarithm_of_the_sum() {
        for len in [1usize, 2, 15, 16, 17, 255, 256, 300, 49_152] {
            for spread in [0.0f32, 1.0, 20.0, 1e4] {
                let x: Vec<f32> = (0..len)
                    .map(|i| (i as f32 * 1.37).sin() * spread - 3.0)
                    .collect();
                let most = x.iter().copied().fold(f32::MIN, f32::max);
                let sum: f64 = x.iter().map(|x| f64::from(x - most).exp()).sum();
                let want = f64::from(most) + sum.ln();
                let found = log_sum_exp(&x);
                assert!(
                    (found - want).abs() < 2e-6,
                    "{len} {spread}: {found}, not {want}"
                );
            }
        }
    }

    #[test]
    fn what_is_no_number_is_told() {
        assert_eq!(log_sum_exp(&[]), f64::NEG_INFINITY);
        assert_eq!(log_sum_exp(&[f32::NEG_INFINITY; 20]), f64::NEG_INFINITY);
        assert_eq!(log_sum_exp(&[f32::NEG_INFINITY, 2.0]), 2.0);
        assert!(log_sum_exp(&[f32::NAN; 3]).is_nan());
        let mut x = [1.0; 40];
        x[7] = f32::NAN;
        assert!(log_sum_exp(&x).is_nan());
        x[7] = f32::INFINITY;
        assert!(log_sum_exp(&x).is_nan());
    }
}
