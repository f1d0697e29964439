//! Each method against the plainest way to compute it, over many small cases.

#[path = "../common/mod.rs"]
mod common;

mod cdpruner;
mod correlation;
mod divprune;
mod evit;
mod holov;
mod lowest;
mod prumerge;
mod random;
mod tome;
mod vision_zip;
mod vqtoken;
mod ward;
mod zoo_prune;

use common::{Case, Draw};
use lexigraft_vision::reduce::Reduction;

const CASES: u64 = 600;

fn each(most: usize, mut check: impl FnMut(&mut Case, usize, &mut Draw)) {
    for seed in 0..CASES {
        let mut draw = Draw::new(seed + 1000);
        let tokens = 2 + draw.below(most - 1);
        let mut case = Case::random(&mut draw, tokens);
        let keep = draw.below(tokens + 1);
        check(&mut case, keep, &mut draw);
    }
}

/// `[reducible, width]` rows of the outputs behind the leading ones, in f64.
fn rows(reduction: &Reduction, case: &Case) -> Vec<f32> {
    reduction.apply(&case.hidden, case.width)[case.leading * case.width..].to_vec()
}

fn weighted(case: &Case, terms: &[(usize, f64)]) -> Vec<f64> {
    let mut out = vec![0.0; case.width];
    for &(token, weight) in terms {
        for (sum, value) in out.iter_mut().zip(case.feature(token)) {
            *sum += weight * f64::from(*value);
        }
    }
    out
}

/// The max-min rule by its definition: every step looks at every pair again.
fn max_min(n: usize, k: usize, first: usize, gain: impl Fn(usize, &[usize]) -> f64) -> Vec<usize> {
    let mut taken = Vec::new();
    if k > 0 {
        taken.push(first);
    }
    while taken.len() < k {
        let mut best = (usize::MAX, f64::NEG_INFINITY);
        for token in (0..n).filter(|token| !taken.contains(token)) {
            let value = gain(token, &taken);
            if value > best.1 {
                best = (token, value);
            }
        }
        taken.push(best.0);
    }
    taken.sort_unstable();
    taken
}

fn farthest(token: usize, from: &[usize], distance: &dyn Fn(usize, usize) -> f64) -> f64 {
    from.iter()
        .map(|&other| distance(token, other))
        .fold(f64::INFINITY, f64::min)
}
