//! The rotation that brings one space of vectors nearest to another (Schönemann 1966).

/// Steps of the iteration: each one squares the distance once it is small, and a singular value of
/// `10^-6` of the largest needs 35.
const STEPS: usize = 60;

/// The orthogonal `R`, `[columns, columns]` row-major, for which `sum |a_i R - b_i|^2` is least;
/// `a` and `b` are `[pairs, columns]`.
///
/// It is the orthogonal factor of `A^T B`, found by the Newton-Schulz iteration
/// `X <- (3 X - X X^T X) / 2`. Where pairs do not fix a direction it is left nearly zero.
pub fn procrustes(a: &[f32], b: &[f32], columns: usize) -> Vec<f32> {
    let n = columns;
    let mut x = vec![0f64; n * n];
    for (a, b) in a.chunks_exact(n).zip(b.chunks_exact(n)) {
        for (row, a) in x.chunks_exact_mut(n).zip(a) {
            for (x, b) in row.iter_mut().zip(b) {
                *x += f64::from(*a) * f64::from(*b);
            }
        }
    }
    // Singular values must begin below the root of 3; the Frobenius norm is above them all.
    let norm = x.iter().map(|x| x * x).sum::<f64>().sqrt();
    if norm > 0.0 {
        x.iter_mut().for_each(|x| *x /= norm);
    }
    for _ in 0..STEPS {
        let gram = product_transposed(&x, &x, n);
        let cubed = product(&gram, &x, n);
        for (x, cubed) in x.iter_mut().zip(&cubed) {
            *x = 1.5 * *x - 0.5 * cubed;
        }
    }
    x.iter().map(|x| *x as f32).collect()
}

/// `A B`, both `[n, n]`.
fn product(a: &[f64], b: &[f64], n: usize) -> Vec<f64> {
    let mut out = vec![0.0; n * n];
    for (out, a) in out.chunks_exact_mut(n).zip(a.chunks_exact(n)) {
        for (a, b) in a.iter().zip(b.chunks_exact(n)) {
            for (out, b) in out.iter_mut().zip(b) {
                *out += a * b;
            }
        }
    }
    out
}

/// `A B^T`, both `[n, n]`.
fn product_transposed(a: &[f64], b: &[f64], n: usize) -> Vec<f64> {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum();
    a.chunks_exact(n)
        .flat_map(|a| b.chunks_exact(n).map(move |b| dot(a, b)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_planted_rotation_is_found() {
        let n = 6;
        // A product of plane rotations.
        let mut rotation: Vec<f64> = (0..n * n)
            .map(|i| f64::from(u8::from(i / n == i % n)))
            .collect();
        for turn in 0..20usize {
            let (p, q) = (turn % n, (turn * 5 + 1) % n);
            if p == q {
                continue;
            }
            let (sin, cos) = (turn as f64 * 0.7).sin_cos();
            for row in rotation.chunks_exact_mut(n) {
                (row[p], row[q]) = (cos * row[p] - sin * row[q], sin * row[p] + cos * row[q]);
            }
        }
        let a: Vec<f32> = (0..40 * n)
            .map(|i| ((i * 7919 % 101) as f32) / 50.0 - 1.0)
            .collect();
        let b: Vec<f32> = a
            .chunks_exact(n)
            .flat_map(|row| {
                (0..n)
                    .map(|column| {
                        let sum: f64 = (0..n)
                            .map(|k| f64::from(row[k]) * rotation[k * n + column])
                            .sum();
                        sum as f32
                    })
                    .collect::<Vec<f32>>()
            })
            .collect();
        let found = procrustes(&a, &b, n);
        for (found, expected) in found.iter().zip(&rotation) {
            assert!(
                (f64::from(*found) - expected).abs() < 1e-4,
                "{found} {expected}"
            );
        }
    }

    #[test]
    fn the_result_is_orthogonal_for_noisy_pairs() {
        let n = 5;
        let a: Vec<f32> = (0..30 * n)
            .map(|i| ((i * 7919 % 101) as f32) / 50.0 - 1.0)
            .collect();
        let b: Vec<f32> = (0..30 * n)
            .map(|i| ((i * 104_729 % 97) as f32) / 48.0 - 1.0)
            .collect();
        let found: Vec<f64> = procrustes(&a, &b, n)
            .iter()
            .map(|x| f64::from(*x))
            .collect();
        let gram = product_transposed(&found, &found, n);
        for (at, x) in gram.iter().enumerate() {
            let expected = f64::from(u8::from(at / n == at % n));
            assert!((x - expected).abs() < 1e-5, "{gram:?}");
        }
    }
}
