//! The position grid at another resolution.

/// Cubic convolution (Keys 1981) with `a = -0.75`, as PyTorch and ONNX interpolate.
const A: f32 = -0.75;

/// Resizes a grid `[side, side, hidden]` to `[rows, columns, hidden]`, both row-major: cubic,
/// half-pixel centres, edges repeated, no antialiasing.
///
/// The grid as stored comes back bit for bit when the size is its own.
pub fn resize_grid(
    grid: &[f32],
    side: usize,
    hidden: usize,
    rows: usize,
    columns: usize,
) -> Vec<f32> {
    let (row_taps, column_taps) = (taps(side, rows), taps(side, columns));
    let mut out = vec![0f32; rows * columns * hidden];
    let cells = out.chunks_exact_mut(hidden.max(1));
    let sources = row_taps
        .iter()
        .flat_map(|row| column_taps.iter().map(move |column| (row, column)));
    for (cell, (row, column)) in cells.zip(sources) {
        for (y, row_weight) in row {
            for (x, column_weight) in column {
                let weight = row_weight * column_weight;
                if weight == 0.0 {
                    continue;
                }
                let start = (y * side + x) * hidden;
                let source = grid.get(start..start + hidden).unwrap_or_default();
                for (out, value) in cell.iter_mut().zip(source) {
                    *out += weight * value;
                }
            }
        }
    }
    out
}

/// The four inputs of each output and their weights.
fn taps(from: usize, to: usize) -> Vec<[(usize, f32); 4]> {
    let scale = from as f32 / to as f32;
    let last = from.saturating_sub(1) as isize;
    (0..to)
        .map(|index| {
            let at = (index as f32 + 0.5) * scale - 0.5;
            let floor = at.floor();
            let t = at - floor;
            let weights = [far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)];
            std::array::from_fn(|tap| {
                let input = floor as isize + tap as isize - 1;
                let weight = weights.get(tap).copied().unwrap_or_default();
                (input.clamp(0, last) as usize, weight)
            })
        })
        .collect()
}

/// For distances up to one.
fn near(x: f32) -> f32 {
    ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
}

/// For distances from one to two.
fn far(x: f32) -> f32 {
    ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_own_size_comes_back_bit_for_bit() {
        let grid: Vec<f32> = (0..5 * 5 * 3).map(|i| (i as f32 * 0.37).sin()).collect();
        assert_eq!(resize_grid(&grid, 5, 3, 5, 5), grid);
    }

    #[test]
    fn weights_sum_to_one_and_keep_a_constant() {
        for (from, to) in [(37, 16), (37, 1), (4, 9), (1, 3)] {
            for row in taps(from, to) {
                let sum: f32 = row.iter().map(|(_, weight)| weight).sum();
                assert!((sum - 1.0).abs() < 1e-5, "{from} to {to}: {sum}");
            }
        }
    }

    // torch.nn.functional.interpolate(torch.arange(16.).view(1,1,4,4) ** 2, (2, 3),
    // mode="bicubic") in exact arithmetic: the taps are 0.5 apart and at thirds.
    #[test]
    fn agrees_with_the_convolution_written_out() {
        let grid: Vec<f32> = (0..16).map(|i| (i * i) as f32).collect();
        let found = resize_grid(&grid, 4, 1, 2, 3);
        let kernel = |x: f64| {
            let (a, x) = (-0.75f64, x.abs());
            if x <= 1.0 {
                (a + 2.0) * x.powi(3) - (a + 3.0) * x.powi(2) + 1.0
            } else if x < 2.0 {
                a * x.powi(3) - 5.0 * a * x.powi(2) + 8.0 * a * x - 4.0 * a
            } else {
                0.0
            }
        };
        for row in 0..2 {
            for column in 0..3 {
                let y = (row as f64 + 0.5) * 2.0 - 0.5;
                let x = (column as f64 + 0.5) * 4.0 / 3.0 - 0.5;
                let mut want = 0.0;
                for i in -4i32..8 {
                    for j in -4i32..8 {
                        let value = grid[(i.clamp(0, 3) * 4 + j.clamp(0, 3)) as usize];
                        want +=
                            kernel(y - f64::from(i)) * kernel(x - f64::from(j)) * f64::from(value);
                    }
                }
                let have = f64::from(found[row * 3 + column]);
                assert!((have - want).abs() < 1e-3, "{row} {column}: {have} {want}");
            }
        }
    }
}
