//! The gate of a SwiGLU network (arXiv 2002.05202).

use super::math::exp;
use super::pool;

/// `out = silu(gate) * up`: `[tokens, 2 wide] -> [tokens, wide]`.
///
/// A row of `gate_up` holds the gate, then the up projection.
pub fn swiglu(gate_up: &[f32], wide: usize, out: &mut [f32]) {
    let wide = wide.max(1);
    pool::rows(out, wide, 24, |first, out| {
        let rows = gate_up.chunks_exact(2 * wide).skip(first);
        for (row, out) in rows.zip(out.chunks_exact_mut(wide)) {
            let (gate, up) = row.split_at(wide);
            for ((out, gate), up) in out.iter_mut().zip(gate).zip(up) {
                *out = gate / (1.0 + exp(-gate)) * up;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gates_are_sigmoid_weighted() {
        let gate_up: Vec<f32> = (0..2 * 2 * 5).map(|i| i as f32 * 1.7 - 15.0).collect();
        let mut out = vec![0.0; 10];
        swiglu(&gate_up, 5, &mut out);
        for (row, out) in gate_up.chunks(10).zip(out.chunks(5)) {
            for i in 0..5 {
                let (gate, up) = (f64::from(row[i]), f64::from(row[5 + i]));
                let want = gate / (1.0 + (-gate).exp()) * up;
                assert!((f64::from(out[i]) - want).abs() <= 1e-6 * want.abs() + 1e-30);
            }
        }
    }
}
