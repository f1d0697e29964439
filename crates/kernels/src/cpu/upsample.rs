//! The gathering half of a transposed convolution 4x4 with stride 2 and padding 1.
//!
//! Its other half is a product: each input pixel with all sixteen places of the kernel. An output
//! pixel is the sum of four of these products, so no zeros are multiplied and no input is copied.

use super::pool;
use crate::KernelError;

/// Places of the kernel.
const PLACES: usize = 16;

/// Kernel place and input pixel: an output pixel `2 m + parity` takes kernel row `k` at input
/// `m + shift`, `(k, shift + 1)`.
const TAPS: [[(usize, usize); 2]; 2] = [[(1, 1), (3, 0)], [(2, 1), (0, 2)]];

/// `[batch, rows, columns, 16 channels] -> [batch, 2 rows, 2 columns, channels]`: sums, plus
/// `bias` `[channels]`, negative ones as zero (ReLU).
///
/// A pixel's products are kernel row by kernel row, all channels of a place together.
///
/// # Errors
/// `invalid-argument` when a length does not fit.
pub fn upsample(
    products: &[f32],
    [rows, columns]: [usize; 2],
    bias: &[f32],
    out: &mut [f32],
) -> Result<(), KernelError> {
    let channels = bias.len();
    let picture = rows * columns * channels * PLACES;
    let fits =
        picture > 0 && products.len().is_multiple_of(picture) && out.len() == products.len() / 4;
    if !fits {
        return Err(KernelError::InvalidArgument(format!(
            "{} products of {rows} x {columns} pixels and {channels} channels do not fit {} \
             outputs",
            products.len(),
            out.len()
        )));
    }
    let line = 2 * columns * channels;
    pool::rows(out, line, 8, |first, out| {
        for (index, out) in out.chunks_exact_mut(line).enumerate() {
            let (batch, y) = ((first + index) / (2 * rows), (first + index) % (2 * rows));
            for (x, out) in out.chunks_exact_mut(channels).enumerate() {
                out.copy_from_slice(bias);
                for &(ky, dy) in TAPS.get(y % 2).into_iter().flatten() {
                    for &(kx, dx) in TAPS.get(x % 2).into_iter().flatten() {
                        let (y, x) = (y / 2 + dy, x / 2 + dx);
                        if y == 0 || y > rows || x == 0 || x > columns {
                            continue;
                        }
                        let pixel = (batch * rows + y - 1) * columns + x - 1;
                        let at = (pixel * PLACES + ky * 4 + kx) * channels;
                        let taken = products.get(at..at + channels).unwrap_or_default();
                        for (out, product) in out.iter_mut().zip(taken) {
                            *out += product;
                        }
                    }
                }
                out.iter_mut().for_each(|out| *out = out.max(0.0));
            }
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scatters as the definition of a transposed convolution does: input pixel `(m, n)` adds to
    /// output `(2 m - 1 + ky, 2 n - 1 + kx)`.
    #[test]
    fn gathers_what_the_definition_scatters() {
        for (batch, rows, columns, channels) in [(1, 1, 1, 1), (2, 3, 2, 5), (1, 4, 7, 16)] {
            let count = batch * rows * columns * PLACES * channels;
            let products: Vec<f32> = (0..count).map(|i| (i as f32 * 0.73).sin()).collect();
            let bias: Vec<f32> = (0..channels).map(|i| (i as f32).cos() * 0.1).collect();
            let mut want: Vec<f32> = bias.repeat(batch * rows * columns * 4);
            for pixel in 0..batch * rows * columns {
                let (m, n) = (pixel / columns % rows, pixel % columns);
                for place in 0..PLACES {
                    let y = (2 * m + place / 4) as isize - 1;
                    let x = (2 * n + place % 4) as isize - 1;
                    let inside = |at: isize, side: usize| (0..2 * side as isize).contains(&at);
                    if !inside(y, rows) || !inside(x, columns) {
                        continue;
                    }
                    let picture = pixel / (rows * columns) * 2 * rows;
                    let to = (picture + y as usize) * 2 * columns + x as usize;
                    for channel in 0..channels {
                        want[to * channels + channel] +=
                            products[(pixel * PLACES + place) * channels + channel];
                    }
                }
            }
            let mut out = vec![f32::NAN; want.len()];
            upsample(&products, [rows, columns], &bias, &mut out).unwrap();
            for (have, want) in out.iter().zip(&want) {
                assert!((have - want.max(0.0)).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn lengths_that_do_not_fit_are_refused() {
        let run = |products: usize, shape: [usize; 2], out: usize| {
            let (products, mut out) = (vec![0.0; products], vec![0.0; out]);
            upsample(&products, shape, &[0.0; 2], &mut out)
        };
        assert!(run(64, [1, 2], 16).is_ok());
        for (products, shape, out) in [(63, [1, 2], 16), (64, [1, 2], 15), (64, [0, 2], 16)] {
            let error = run(products, shape, out).unwrap_err();
            assert_eq!(error.code(), "invalid-argument");
        }
    }
}
