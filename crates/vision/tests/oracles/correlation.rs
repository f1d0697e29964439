use lexigraft_vision::reduce::Correlation;

use crate::common::{cosine, kept};
use crate::each;

#[test]
fn correlation_prefers_distinct_patches_by_their_bond_with_cls() {
    each(20, |case, keep, draw| {
        let n = case.reducible();
        // Repeats, so that something is redundant.
        for _ in 0..draw.below(6) {
            let (from, to) = (draw.below(n), draw.below(n));
            let row = case.feature(from).to_vec();
            case.hidden[(case.leading + to) * case.width..][..case.width].copy_from_slice(&row);
        }
        let method = Correlation {
            threshold: 0.8,
            adaptive: false,
        };
        let mut distinct: Vec<usize> = Vec::new();
        for token in 0..n {
            if distinct
                .iter()
                .all(|&d| cosine(case.feature(d), case.feature(token)) <= 0.8)
            {
                distinct.push(token);
            }
        }
        assert_eq!(method.distinct(case.features(), case.width), distinct);
        let bond = |token: usize| cosine(&case.hidden[..case.width], case.feature(token)) as f32;
        let mut order: Vec<usize> = (0..n).collect();
        // A tie of duplicates is exact in f32 and goes to the lower index, as the sort is stable.
        order.sort_by(|&a, &b| {
            let is_distinct = |t: &usize| distinct.contains(t);
            is_distinct(&b)
                .cmp(&is_distinct(&a))
                .then(bond(b).total_cmp(&bond(a)))
        });
        let mut want = order[..keep].to_vec();
        want.sort_unstable();
        assert_eq!(kept(&case.reduce(&method, keep), case.leading), want);
        let adaptive = Correlation {
            threshold: 0.8,
            adaptive: true,
        };
        let found = case.reduce(&adaptive, keep);
        assert_eq!(found.outputs() - case.leading, keep.min(distinct.len()));
    });
}
