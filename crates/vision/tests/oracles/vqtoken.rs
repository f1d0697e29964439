use lexigraft_vision::reduce::{VqToken, cluster};

use crate::common::{Draw, close, cosine};
use crate::{CASES, each, rows, weighted};

#[test]
fn clusters_are_nearest_means_and_separate_what_is_apart() {
    for seed in 0..CASES {
        let mut draw = Draw::new(seed + 1);
        let k = 2 + draw.below(4);
        let width = k + 2;
        // k directions, tokens close to one of them each.
        let tokens = k + draw.below(15);
        let truth: Vec<usize> = (0..tokens)
            .map(|token| if token < k { token } else { draw.below(k) })
            .collect();
        let rows: Vec<f32> = truth
            .iter()
            .flat_map(|&label| {
                let scale = 1.0 + draw.float().abs();
                (0..width)
                    .map(|axis| {
                        let on = if axis == label { 1.0 } else { 0.0 };
                        scale * (on + 0.01 * draw.float())
                    })
                    .collect::<Vec<f32>>()
            })
            .collect();
        let labels = cluster(&rows, width, k, 50, seed);
        // The same partition under other names.
        for a in 0..tokens {
            for b in 0..tokens {
                assert_eq!(labels[a] == labels[b], truth[a] == truth[b], "{seed}");
            }
        }
        // On any rows: no token is nearer to another cluster's mean direction than to its own.
        let rows = draw.floats(tokens * width);
        let labels = cluster(&rows, width, k, 500, seed);
        let unit = |token: usize| {
            let row = &rows[token * width..][..width];
            let norm = row
                .iter()
                .map(|v| f64::from(*v).powi(2))
                .sum::<f64>()
                .sqrt();
            row.iter()
                .map(|v| (f64::from(*v) / norm) as f32)
                .collect::<Vec<f32>>()
        };
        let means: Vec<Option<Vec<f32>>> = (0..k)
            .map(|label| {
                let members: Vec<Vec<f32>> = (0..tokens)
                    .filter(|&t| labels[t] == label)
                    .map(unit)
                    .collect();
                (!members.is_empty()).then(|| {
                    (0..width)
                        .map(|axis| members.iter().map(|m| m[axis]).sum())
                        .collect()
                })
            })
            .collect();
        for token in 0..tokens {
            let row = unit(token);
            let own = cosine(&row, means[labels[token]].as_ref().unwrap());
            for mean in means.iter().flatten() {
                assert!(cosine(&row, mean) <= own + 1e-5, "{seed}");
            }
        }
    }
}

#[test]
fn vqtoken_outputs_are_the_means_of_their_members() {
    each(20, |case, keep, _| {
        let reduction = case.reduce(&VqToken::default(), keep);
        if keep == 0 {
            return assert_eq!(reduction.outputs(), case.leading);
        }
        let out = rows(&reduction, case);
        for (number, row) in out.chunks_exact(case.width).enumerate() {
            let output = (case.leading + number) as u32;
            let members: Vec<usize> = (0..case.reducible())
                .filter(|&t| reduction.destinations()[case.leading + t] == Some(output))
                .collect();
            let size = |t: usize| f64::from(case.sizes[case.leading + t]);
            let total: f64 = members.iter().map(|&t| size(t)).sum();
            let terms: Vec<(usize, f64)> = members.iter().map(|&t| (t, size(t) / total)).collect();
            close(row, &weighted(case, &terms), 1e-5);
        }
    });
}
