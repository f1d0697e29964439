use lexigraft_vision::reduce::DivPrune;

use crate::common::{cosine, kept};
use crate::{each, farthest, max_min};

#[test]
fn divprune_is_the_greedy_loop_over_all_pairs() {
    each(16, |case, keep, _| {
        let n = case.reducible();
        let distance = |a: usize, b: usize| 1.0 - cosine(case.feature(a), case.feature(b));
        let all: Vec<usize> = (0..n).collect();
        let first = (0..n)
            .map(|token| {
                let others: Vec<usize> = all.iter().copied().filter(|&o| o != token).collect();
                farthest(token, &others, &distance)
            })
            .enumerate()
            .fold(
                (0, f64::MIN),
                |best, (i, v)| if v > best.1 + 1e-7 { (i, v) } else { best },
            )
            .0;
        let want = max_min(n, keep, first, |token, taken| {
            farthest(token, taken, &distance)
        });
        assert_eq!(kept(&case.reduce(&DivPrune, keep), case.leading), want);
    });
}
