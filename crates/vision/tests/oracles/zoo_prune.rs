use lexigraft_vision::reduce::{ZooPrune, sensitivities};

use crate::common::{Case, Draw, cosine, kept};
use crate::{CASES, each, farthest, max_min};

#[test]
fn zoo_prune_weighs_distance_by_sensitivity() {
    each(14, |case, keep, _| {
        let method = ZooPrune {
            directions: 5,
            ..ZooPrune::default()
        };
        let n = case.reducible();
        let reduction = case.reduce(&method, keep);
        let projected = case.projected.clone().unwrap();
        let out = case.width + 1;
        let line = |group: usize, token: usize| &projected[(group * n + token) * out..][..out];
        let scores: Vec<f64> = (0..n)
            .map(|token| {
                let norms = (0..5).map(|j| {
                    let pairs = line(1 + 2 * j, token).iter().zip(line(2 + 2 * j, token));
                    let squares: f64 = pairs.map(|(a, b)| f64::from(a - b).powi(2)).sum();
                    squares.sqrt() / (2.0 * 0.01f32 as f64)
                });
                norms.sum::<f64>() / 5.0
            })
            .collect();
        let low = scores.iter().copied().fold(f64::INFINITY, f64::min);
        let high = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = scores.iter().map(|s| (s - low) / (high - low)).collect();
        let first = (0..n).find(|&token| weights[token] == 1.0).unwrap();
        let distance = |a: usize, b: usize| 1.0 - cosine(line(0, a), line(0, b));
        let want = max_min(n, keep, first, |token, taken| {
            weights[token] * farthest(token, taken, &distance)
        });
        assert_eq!(kept(&reduction, case.leading), want);
    });
}

#[test]
fn a_linear_projector_is_equally_sensitive_everywhere() {
    for seed in 0..CASES {
        let mut draw = Draw::new(seed + 1);
        let (n, width, out) = (2 + draw.below(6), 4 + draw.below(4), 3 + draw.below(4));
        let matrix = draw.floats(out * width);
        let case = Case::random(&mut draw, n);
        let method = ZooPrune {
            directions: 8,
            step: 0.01,
            seed,
        };
        use lexigraft_vision::reduce::TokenReducer;
        let features = draw.floats(n * width);
        let rows = method.probes(&features, width).unwrap();
        let projected: Vec<f32> = rows
            .chunks_exact(width)
            .flat_map(|row| {
                matrix
                    .chunks_exact(width)
                    .map(|line| line.iter().zip(row).map(|(a, b)| a * b).sum::<f32>())
                    .collect::<Vec<_>>()
            })
            .collect();
        let found = sensitivities(&projected, n, 8, 0.01).unwrap();
        for value in &found {
            assert!(
                (value - found[0]).abs() < 2e-3 * found[0].max(1.0),
                "{found:?}"
            );
        }
        drop(case);
    }
}

#[test]
fn the_estimate_has_the_size_of_the_jacobian() {
    // E ||J u||² = ||J||² / d over unit vectors u; the estimator takes the mean of ||J u||, whose
    // square is not above it, and for a multiple of the identity equals it.
    let (width, m) = (16, 4000);
    let method = ZooPrune {
        directions: m,
        step: 0.01,
        seed: 1,
    };
    use lexigraft_vision::reduce::TokenReducer;
    let mut draw = Draw::new(9);
    let matrix = draw.floats(8 * width);
    let features = draw.floats(width);
    let rows = method.probes(&features, width).unwrap();
    let project = |row: &[f32]| -> Vec<f32> {
        matrix
            .chunks_exact(width)
            .map(|line| line.iter().zip(row).map(|(a, b)| a * b).sum())
            .collect()
    };
    let frobenius: f64 = matrix.iter().map(|v| f64::from(*v).powi(2)).sum();
    let pairs: Vec<Vec<f32>> = rows.chunks_exact(width).map(project).collect();
    let squares: f64 = pairs[1..]
        .chunks_exact(2)
        .map(|pair| {
            let difference = pair[0].iter().zip(&pair[1]);
            difference
                .map(|(a, b)| f64::from((a - b) / 0.02).powi(2))
                .sum::<f64>()
        })
        .sum();
    let found = squares / m as f64;
    let want = frobenius / width as f64;
    assert!((found / want - 1.0).abs() < 0.05, "{found} {want}");
    let identity: Vec<f32> = rows.iter().map(|value| 3.0 * value).collect();
    let found = sensitivities(&identity, 1, m, 0.01).unwrap();
    assert!((found[0] - 3.0).abs() < 1e-2, "{found:?}");
    assert!(sensitivities(&identity, 1, m + 1, 0.01).is_err());
    assert!(sensitivities(&[], 1, 1, 0.01).is_err());
}
