use lexigraft_vision::reduce::HoloV;

use crate::common::{cosine, kept};
use crate::each;

#[test]
fn holov_fills_each_crop_by_its_share() {
    each(20, |case, keep, draw| {
        let n = case.reducible();
        let crops = 1 + draw.below(n);
        let method = HoloV { crops, alpha: 0.7 };
        let found = kept(&case.reduce(&method, keep), case.leading);
        assert_eq!(found.len(), keep);
        let bounds: Vec<usize> = (0..=crops).map(|crop| crop * n / crops).collect();
        let score = |crop: usize, token: usize| {
            let others: Vec<f64> = (bounds[crop]..bounds[crop + 1])
                .filter(|&other| other != token)
                .map(|other| cosine(case.feature(token), case.feature(other)))
                .collect();
            let count = others.len().max(1) as f64;
            let mean = others.iter().sum::<f64>() / count;
            let variance = others.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count;
            1e3 * f64::from(case.score(token)) + 0.7 * variance
        };
        let scores: Vec<Vec<f64>> = (0..crops)
            .map(|crop| {
                (bounds[crop]..bounds[crop + 1])
                    .map(|t| score(crop, t))
                    .collect()
            })
            .collect();
        let total: f64 = scores.iter().flatten().sum();
        for crop in 0..crops {
            let inside: Vec<usize> = found
                .iter()
                .copied()
                .filter(|t| (bounds[crop]..bounds[crop + 1]).contains(t))
                .collect();
            // The best of the crop, as many as its quota.
            let mut order: Vec<usize> = (bounds[crop]..bounds[crop + 1]).collect();
            order.sort_by(|&a, &b| {
                scores[crop][b - bounds[crop]].total_cmp(&scores[crop][a - bounds[crop]])
            });
            let mut best = order[..inside.len()].to_vec();
            best.sort_unstable();
            assert_eq!(inside, best);
            // Never fewer than the whole part of what is due, unless the crop is full.
            let due = scores[crop].iter().sum::<f64>() / total * keep as f64;
            let size = bounds[crop + 1] - bounds[crop];
            assert!(inside.len() >= ((due - 1e-3).floor().max(0.0) as usize).min(size));
        }
    });
}
