//! The sigmoid approximation of the Gaussian error linear unit (arXiv 1606.08415), as CLIP uses it.

use super::math::exp;
use super::pool;

/// `x / (1 + exp(-1.702 x))` in place.
pub fn quick_gelu(values: &mut [f32]) {
    pool::rows(values, 1, 24, |_, values| {
        for x in values {
            *x /= 1.0 + exp(-1.702 * *x);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quick_gelu_is_its_definition() {
        for i in -8000..=8000 {
            let x = i as f32 / 400.0;
            let want = f64::from(x) / (1.0 + (-1.702 * f64::from(x)).exp());
            let mut found = [x];
            quick_gelu(&mut found);
            let error = (f64::from(found[0]) - want).abs();
            assert!(error <= 2e-6 * want.abs() + 1e-12, "{x}: {error}");
        }
        let mut far = [-1e30, 1e30, 0.0];
        quick_gelu(&mut far);
        assert!(
            far[0].abs() < 1e-6 && far[1] == 1e30 && far[2] == 0.0,
            "{far:?}"
        );
    }
}
