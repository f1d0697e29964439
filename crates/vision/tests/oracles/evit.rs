use lexigraft_vision::reduce::EVit;

use crate::common::{close, kept, subsets};
use crate::{each, rows, weighted};

#[test]
fn evit_keeps_the_set_with_most_attention_and_fuses_the_rest() {
    each(10, |case, keep, _| {
        let n = case.reducible();
        let want = subsets(n, keep)
            .into_iter()
            .map(|set| {
                let sum: f64 = set.iter().map(|&i| f64::from(case.score(i))).sum();
                (set, sum)
            })
            .reduce(|a, b| if b.1 > a.1 { b } else { a })
            .unwrap()
            .0;
        let plain = case.reduce(&EVit { fuse: false }, keep);
        assert_eq!(kept(&plain, case.leading), want);
        let fused = case.reduce(&EVit { fuse: true }, keep);
        let mut rows_wanted = Vec::new();
        for &index in &want {
            rows_wanted.extend(weighted(case, &[(index, 1.0)]));
        }
        if keep < n {
            let rest: Vec<(usize, f64)> = (0..n)
                .filter(|index| !want.contains(index))
                .map(|index| (index, f64::from(case.score(index))))
                .collect();
            rows_wanted.extend(weighted(case, &rest));
        }
        close(&rows(&fused, case), &rows_wanted, 1e-5);
    });
}
