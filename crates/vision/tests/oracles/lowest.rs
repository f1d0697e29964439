use lexigraft_vision::reduce::Lowest;

use crate::common::{kept, subsets};
use crate::each;

#[test]
fn lowest_keeps_the_set_with_least_attention() {
    each(10, |case, keep, _| {
        let want = subsets(case.reducible(), keep)
            .into_iter()
            .map(|set| {
                let sum: f64 = set.iter().map(|&i| f64::from(case.score(i))).sum();
                (set, sum)
            })
            .reduce(|a, b| if b.1 < a.1 { b } else { a })
            .unwrap()
            .0;
        assert_eq!(kept(&case.reduce(&Lowest, keep), case.leading), want);
    });
}
