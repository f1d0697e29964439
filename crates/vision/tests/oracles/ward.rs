use lexigraft_vision::reduce::Ward;

use crate::common::{Case, close};
use crate::{each, rows, weighted};

/// Squared distance of the members, each as often as it has patches, from their mean: hidden states
/// of length one.
fn spread(case: &Case, members: &[usize]) -> f64 {
    let unit = |token: usize| -> Vec<f64> {
        let feature = case.feature(token).iter().map(|value| f64::from(*value));
        let norm = feature.clone().map(|value| value * value).sum::<f64>();
        feature.map(|value| value / norm.sqrt()).collect()
    };
    let size = |token: usize| f64::from(case.sizes[case.leading + token]);
    let total: f64 = members.iter().map(|&token| size(token)).sum();
    let mut mean = vec![0.0; case.width];
    for &token in members {
        for (mean, value) in mean.iter_mut().zip(unit(token)) {
            *mean += size(token) / total * value;
        }
    }
    let distance = |token: usize| -> f64 {
        let pairs = mean.iter().zip(unit(token));
        pairs.map(|(mean, value)| (value - mean).powi(2)).sum()
    };
    members
        .iter()
        .map(|&token| size(token) * distance(token))
        .sum()
}

#[test]
fn ward_merges_what_adds_least_to_the_spread() {
    let mut undecided = 0;
    each(11, |case, keep, _| {
        let n = case.reducible();
        // Every pair of groups is united and measured anew at each step.
        let mut groups: Vec<Vec<usize>> = (0..n).map(|token| vec![token]).collect();
        while groups.len() > keep.max(1) {
            let mut best = (0, 0, f64::INFINITY);
            let mut second = f64::INFINITY;
            for a in 0..groups.len() {
                for b in a + 1..groups.len() {
                    let together = [groups[a].as_slice(), &groups[b]].concat();
                    let added = spread(case, &together)
                        - spread(case, &groups[a])
                        - spread(case, &groups[b]);
                    if added < best.2 {
                        second = best.2;
                        best = (a, b, added);
                    } else {
                        second = second.min(added);
                    }
                }
            }
            if second - best.2 < 1e-5 {
                // Singles do not tell these apart.
                undecided += 1;
                return;
            }
            let gone = groups.remove(best.1);
            groups[best.0].extend(gone);
            groups[best.0].sort_unstable();
            groups.sort();
        }
        let mut want = Vec::new();
        for members in &groups {
            let size = |token: usize| f64::from(case.sizes[case.leading + token]);
            let total: f64 = members.iter().map(|&token| size(token)).sum();
            let terms: Vec<(usize, f64)> = members
                .iter()
                .map(|&token| (token, size(token) / total))
                .collect();
            want.extend(weighted(case, &terms));
        }
        let reduction = case.reduce(&Ward, keep);
        assert_eq!(reduction.outputs() - case.leading, groups.len());
        close(&rows(&reduction, case), &want, 1e-5);
    });
    assert!(undecided < 10, "{undecided} cases say nothing");
}
