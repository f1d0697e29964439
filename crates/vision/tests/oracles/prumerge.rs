use lexigraft_vision::reduce::{PruMerge, outliers};

use crate::common::{Case, Draw, close, cosine};
use crate::{CASES, each, rows, weighted};

#[test]
fn prumerge_sums_neighbours_and_the_rest() {
    each(18, |case, keep, draw| {
        let n = case.reducible();
        let neighbours = 1 + draw.below(4);
        let method = PruMerge {
            neighbours,
            adaptive: false,
        };
        let reduction = case.reduce(&method, keep);
        if keep == n {
            return assert!(reduction.is_identity());
        }
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|&a, &b| case.score(b).total_cmp(&case.score(a)));
        let mut centers = order[..keep].to_vec();
        centers.sort_unstable();
        let rest: Vec<usize> = (0..n).filter(|i| !centers.contains(i)).collect();
        let mut taken = vec![false; n];
        let mut want = Vec::new();
        for &center in &centers {
            let mut near = rest.clone();
            near.sort_by(|&a, &b| {
                cosine(case.key(center), case.key(b))
                    .total_cmp(&cosine(case.key(center), case.key(a)))
            });
            near.truncate(neighbours);
            let mut terms = vec![(center, 1.0)];
            for &token in &near {
                taken[token] = true;
                terms.push((token, f64::from(case.score(token))));
            }
            want.extend(weighted(case, &terms));
        }
        let left: Vec<usize> = rest.iter().copied().filter(|&t| !taken[t]).collect();
        if !left.is_empty() {
            let total: f64 = left.iter().map(|&t| f64::from(case.score(t))).sum();
            let terms: Vec<(usize, f64)> = left
                .iter()
                .map(|&t| (t, f64::from(case.score(t)) / total))
                .collect();
            want.extend(weighted(case, &terms));
        }
        close(&rows(&reduction, case), &want, 1e-5);
        assert!(reduction.destinations().iter().all(Option::is_some));
    });
}

#[test]
fn outliers_are_above_the_upper_fence() {
    // numpy.quantile([1, 2, 3, 4, 100], [.25, .75]) = [2, 4]: the fence is 7.
    assert_eq!(outliers(&[1.0, 2.0, 100.0, 3.0, 4.0]), [2]);
    assert_eq!(outliers(&[1.0; 8]), [] as [usize; 0]);
    assert_eq!(outliers(&[]), [] as [usize; 0]);
    for seed in 0..CASES {
        let mut draw = Draw::new(seed + 1);
        let count = 1 + draw.below(30);
        let scores: Vec<f32> = (0..count).map(|_| draw.float().powi(5)).collect();
        let mut sorted: Vec<f64> = scores.iter().map(|s| f64::from(*s)).collect();
        sorted.sort_by(f64::total_cmp);
        let quantile = |share: f64| {
            let at = share * (sorted.len() - 1) as f64;
            let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
            low + (at - at.floor()) * (high - low)
        };
        let fence = quantile(0.75) + 1.5 * (quantile(0.75) - quantile(0.25));
        let want: Vec<usize> = (0..scores.len())
            .filter(|&i| f64::from(scores[i]) > fence + 1e-7)
            .collect();
        assert_eq!(outliers(&scores), want);
    }
    // The adaptive form keeps the outliers alone, and falls back on the count without any.
    let adaptive = PruMerge {
        neighbours: 2,
        adaptive: true,
    };
    let mut case = Case::random(&mut Draw::new(4), 9);
    for index in 0..9 {
        case.attention[case.leading + index] = 0.05 + 0.001 * index as f32;
    }
    // With a summary or without, by whether the neighbours cover the rest.
    let outputs = case.reduce(&adaptive, 4).outputs() - case.leading;
    assert!((4..=5).contains(&outputs), "{outputs}");
    case.attention[case.leading + 3] = 0.9;
    assert_eq!(case.reduce(&adaptive, 4).outputs(), case.leading + 2);
}
