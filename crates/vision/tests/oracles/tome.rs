use lexigraft_vision::reduce::ToMe;

use crate::common::{close, cosine, subsets};
use crate::{each, rows, weighted};

#[test]
fn tome_merges_the_best_matching() {
    each(11, |case, keep, _| {
        let n = case.reducible();
        let targets: Vec<usize> = (0..n).step_by(2).collect();
        let sources: Vec<usize> = (1..n).step_by(2).collect();
        let merges = (n - keep).min(sources.len());
        if merges == 0 {
            return assert!(case.reduce(&ToMe::default(), keep).is_identity());
        }
        // Every set of that many sources, each with its best target: the largest sum wins.
        let best_of = |source: usize| {
            let cosines = targets
                .iter()
                .map(|&t| cosine(case.key(source), case.key(t)));
            cosines.enumerate().fold(
                (0, f64::MIN),
                |best, (at, c)| {
                    if c > best.1 { (at, c) } else { best }
                },
            )
        };
        let chosen = subsets(sources.len(), merges)
            .into_iter()
            .map(|set| {
                let sum: f64 = set.iter().map(|&at| best_of(sources[at]).1).sum();
                (set, sum)
            })
            .reduce(|a, b| if b.1 > a.1 { b } else { a })
            .unwrap()
            .0;
        let mut want = Vec::new();
        for (at, &source) in sources.iter().enumerate() {
            if !chosen.contains(&at) {
                want.extend(weighted(case, &[(source, 1.0)]));
            }
        }
        for (number, &target) in targets.iter().enumerate() {
            let mut members = vec![target];
            members.extend(
                chosen
                    .iter()
                    .map(|&at| sources[at])
                    .filter(|&source| best_of(source).0 == number),
            );
            let size = |token: usize| f64::from(case.sizes[case.leading + token]);
            let total: f64 = members.iter().map(|&m| size(m)).sum();
            let terms: Vec<(usize, f64)> = members.iter().map(|&m| (m, size(m) / total)).collect();
            want.extend(weighted(case, &terms));
        }
        let reduction = case.reduce(&ToMe::default(), keep);
        close(&rows(&reduction, case), &want, 1e-5);
    });
}
