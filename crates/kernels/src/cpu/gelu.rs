//! The Gaussian error linear unit (arXiv 1606.08415).

use super::math::exp;
use super::pool;

/// `x Φ(x)` in place, where `Φ` is the normal distribution, to 2e-7 of `max(1, |x|)`.
pub fn gelu(values: &mut [f32]) {
    pool::rows(values, 1, 32, |_, values| {
        for x in values {
            *x *= 0.5 * (1.0 + erf(*x * std::f32::consts::FRAC_1_SQRT_2));
        }
    });
}

/// Abramowitz and Stegun, 7.1.26: within 1.5e-7 everywhere.
#[inline(always)]
fn erf(x: f32) -> f32 {
    let magnitude = x.abs();
    let t = 1.0 / (1.0 + 0.327_591_1 * magnitude);
    let mut p = 1.061_405_4;
    for c in [-1.453_152, 1.421_413_7, -0.284_496_74, 0.254_829_6] {
        p = p * t + c;
    }
    let value = 1.0 - p * t * exp(-magnitude * magnitude);
    value.copysign(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By its series, in f64: `2 / sqrt(pi) Σ (-1)^n x^(2n+1) / (n! (2n+1))`.
    fn exact_erf(x: f64) -> f64 {
        if x.abs() > 5.0 {
            return x.signum();
        }
        let (mut term, mut sum) = (x, x);
        for n in 1..200 {
            let n = f64::from(n);
            term *= -x * x / n;
            sum += term / (2.0 * n + 1.0);
        }
        sum * std::f64::consts::FRAC_2_SQRT_PI
    }

    #[test]
    fn gelu_is_its_definition() {
        for i in -8000..=8000 {
            let x = i as f32 / 1000.0;
            let want = f64::from(x) * 0.5 * (1.0 + exact_erf(f64::from(x) / 2f64.sqrt()));
            let mut found = [x];
            gelu(&mut found);
            let error = (f64::from(found[0]) - want).abs();
            assert!(error < 4e-7 * f64::from(x.abs().max(1.0)), "{x}: {error}");
        }
        let mut far = [-1e30, 1e30, 0.0];
        gelu(&mut far);
        assert_eq!(far, [0.0, 1e30, 0.0]);
    }
}
