use lexigraft_vision::reduce::{CdPruner, conditional_kernel, greedy_map, relevance};

use crate::common::{Draw, close, cosine, kept};
use crate::{CASES, each};

/// Determinant by elimination with pivoting.
fn determinant(mut matrix: Vec<Vec<f64>>) -> f64 {
    let n = matrix.len();
    let mut product = 1.0;
    for column in 0..n {
        let pivot = (column..n)
            .max_by(|&a, &b| matrix[a][column].abs().total_cmp(&matrix[b][column].abs()))
            .unwrap();
        if matrix[pivot][column] == 0.0 {
            return 0.0;
        }
        if pivot != column {
            matrix.swap(pivot, column);
            product = -product;
        }
        product *= matrix[column][column];
        let top = matrix[column].clone();
        for line in matrix.iter_mut().skip(column + 1) {
            let factor = line[column] / top[column];
            line.iter_mut()
                .zip(&top)
                .for_each(|(a, b)| *a -= factor * b);
        }
    }
    product
}

#[test]
fn cdpruner_takes_what_multiplies_the_determinant_most() {
    for seed in 0..CASES {
        let mut draw = Draw::new(seed + 1);
        let n = 2 + draw.below(9);
        // Wider than the number of tokens, so that the kernel has full rank.
        let width = n + 2;
        let features = draw.floats(n * width);
        let scores: Vec<f32> = (0..n).map(|_| 0.2 + draw.float().abs()).collect();
        let kernel = conditional_kernel(&features, width, &scores);
        let entry = |i: usize, j: usize| {
            f64::from(scores[i])
                * cosine(
                    &features[i * width..][..width],
                    &features[j * width..][..width],
                )
                * f64::from(scores[j])
        };
        for i in 0..n {
            for j in 0..n {
                assert!((f64::from(kernel[i * n + j]) - entry(i, j)).abs() < 1e-5);
            }
        }
        let keep = draw.below(n + 1);
        let found = greedy_map(&kernel, n, keep);
        let mut taken: Vec<usize> = Vec::new();
        while taken.len() < keep {
            let mut best = (usize::MAX, f64::NEG_INFINITY);
            for item in (0..n).filter(|item| !taken.contains(item)) {
                let set: Vec<usize> = taken.iter().copied().chain([item]).collect();
                let matrix = set
                    .iter()
                    .map(|&i| set.iter().map(|&j| entry(i, j)).collect())
                    .collect();
                let value = determinant(matrix);
                if value > best.1 {
                    best = (item, value);
                }
            }
            taken.push(best.0);
        }
        assert_eq!(found, taken, "{seed}");
    }
}

#[test]
fn cdpruner_scales_attention_and_stays_in_range_beyond_full_rank() {
    each(20, |case, keep, _| {
        let n = case.reducible();
        let scores: Vec<f32> = (0..n).map(|i| case.score(i)).collect();
        let low = scores.iter().copied().fold(f32::INFINITY, f32::min);
        let high = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let q: Vec<f32> = scores
            .iter()
            .map(|s| if high > low { (s - low) / (high - low) } else { 1.0 } + 1e-6)
            .collect();
        let kernel = conditional_kernel(case.features(), case.width, &q);
        let mut want = greedy_map(&kernel, n, keep);
        want.sort_unstable();
        assert_eq!(kept(&case.reduce(&CdPruner, keep), case.leading), want);
    });
}

#[test]
fn relevance_is_the_scaled_mean_of_negated_cosines() {
    for seed in 0..CASES {
        let mut draw = Draw::new(seed + 1);
        let (n, m, width) = (2 + draw.below(6), 1 + draw.below(4), 3 + draw.below(5));
        let (image, text) = (draw.floats(n * width), draw.floats(m * width));
        let means: Vec<f64> = (0..n)
            .map(|i| {
                let token = &image[i * width..][..width];
                let sum: f64 = text.chunks_exact(width).map(|t| -cosine(token, t)).sum();
                sum / m as f64
            })
            .collect();
        let low = means.iter().copied().fold(f64::INFINITY, f64::min);
        let high = means.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let want: Vec<f64> = means
            .iter()
            .map(|v| (v - low) / (high - low) + 1e-6)
            .collect();
        close(&relevance(&image, &text, width), &want, 1e-4);
    }
}
