//! Merging of tokens.

use lexigraft_kernels::gpu::{self, Reducing, twin};
use lexigraft_kernels::ops::{Demands, Matching};

use crate::common::Random;
use crate::support::{assert_within, read, tensor};

fn merging(reductions: usize, restores: bool) -> Demands {
    Demands {
        reductions,
        attention_by_size: true,
        restores,
        drops: false,
    }
}

fn singles(values: &[f64]) -> Vec<f32> {
    values.iter().map(|value| *value as f32).collect()
}

/// Three reductions in a row of pictures of several sizes; between them the hidden states change, as
/// an MLP would change them.
fn agrees(matching: Matching, seed: u64) {
    let mut random = Random(seed);
    let (heads, head_dim, width) = (3, 8, 24);
    for (leading, patches) in [(1, 6), (1, 9), (5, 64), (1, 131), (2, 300)] {
        let mut tokens = leading + patches;
        let mut x = random.activations(tokens * width);
        let begun = Reducing::begin(&tensor(&x, [tokens, width]), leading, merging(3, true));
        let mut picture = begun.unwrap();
        assert!(picture.sizes().is_none());
        let mut sizes = vec![1.0f32; tokens];
        let mut place: Vec<usize> = (leading..tokens).collect();
        let mut lost = vec![0.0f64; patches * width];
        let mut all = Vec::new();
        for _ in 0..3 {
            let what = format!("{matching:?} of {leading} + {patches} at {tokens}");
            let qkv = random.activations(tokens * 3 * heads * head_dim);
            let reducible = tokens - leading;
            if reducible < 2 {
                break;
            }
            let most = matching.most(reducible);
            let merges = 1 + random.below(most.min(40));
            let goes = match matching {
                Matching::Bipartite => twin::bipartite(&qkv, heads, head_dim, leading, merges),
                Matching::Ward => twin::ward(&x, width, &sizes, leading, merges),
            };
            let from = tensor(&x, [tokens, width]);
            let projection = tensor(&qkv, [tokens, 3 * heads * head_dim]);
            let out = picture.merge(&from, &projection, heads, matching, merges);
            let out = read(out.unwrap());
            let (means, whole) = twin::means(&x, width, &sizes, &goes);
            assert_within(&what, &out, &means, 2e-6);
            let found = read(picture.sizes().unwrap().clone());
            assert_within(&what, &found, &whole, 0.0);
            for (token, row) in x.chunks_exact(width).enumerate() {
                let output = goes[token] as usize;
                if goes.iter().filter(|to| **to as usize == output).count() == 1 {
                    assert_eq!(
                        &out[output * width..][..width],
                        row,
                        "{what}: {token} is alone"
                    );
                }
            }
            for (token, lost) in place.iter_mut().zip(lost.chunks_exact_mut(width)) {
                let output = goes[*token] as usize;
                for (i, lost) in lost.iter_mut().enumerate() {
                    *lost += f64::from(x[*token * width + i]) - means[output * width + i];
                }
                *token = output;
            }
            all.push(goes);
            tokens -= merges;
            sizes = singles(&whole);
            x = singles(&means);
            x.iter_mut().for_each(|x| *x = (3.0 * *x).sin());
        }
        let restored = read(picture.restore(&tensor(&x, [tokens, width])).unwrap());
        let expected: Vec<f64> = place
            .iter()
            .zip(lost.chunks_exact(width))
            .flat_map(|(&token, lost)| {
                let row = x[token * width..][..width].iter();
                row.zip(lost).map(|(x, lost)| f64::from(*x) + lost)
            })
            .collect();
        assert_within("restored", &restored, &expected, 1e-5);
        let found = pollster::block_on(picture.destinations()).unwrap();
        assert_eq!(found, all, "{matching:?} of {leading} + {patches}");
    }
}

#[test]
fn bipartite_reductions_agree() {
    for seed in 0..6 {
        agrees(Matching::Bipartite, 40 + seed);
    }
}

#[test]
fn ward_reductions_agree() {
    for seed in 0..6 {
        agrees(Matching::Ward, 60 + seed);
    }
}

#[test]
fn equal_tokens_merge_in_their_order() {
    let (width, tokens) = (4, 7);
    let x = tensor(&vec![0.5; tokens * width], [tokens, width]);
    let qkv = tensor(&vec![0.5; tokens * 24], [tokens, 24]);
    for (matching, merges, expected) in [
        (Matching::Bipartite, 2, vec![0, 2, 2, 3, 2, 4, 1]),
        (Matching::Ward, 3, vec![0, 1, 1, 1, 1, 2, 3]),
    ] {
        let mut picture = Reducing::begin(&x, 1, merging(1, false)).unwrap();
        picture.merge(&x, &qkv, 1, matching, merges).unwrap();
        let found = pollster::block_on(picture.destinations()).unwrap();
        assert_eq!(found, [expected], "{matching:?}");
    }
}

#[test]
fn what_is_no_number_still_leaves_the_count_that_was_asked_for() {
    let (width, tokens) = (8, 12);
    let x = tensor(&vec![f32::NAN; tokens * width], [tokens, width]);
    let qkv = tensor(&vec![f32::NAN; tokens * 24], [tokens, 24]);
    for matching in [Matching::Bipartite, Matching::Ward] {
        let mut picture = Reducing::begin(&x, 1, merging(1, true)).unwrap();
        let out = picture.merge(&x, &qkv, 1, matching, 5).unwrap();
        assert_eq!(out.dims(), [7, width]);
        let found = pollster::block_on(picture.destinations()).unwrap();
        assert!(found[0].iter().all(|&output| output < 7), "{found:?}");
    }
}

#[test]
fn attention_by_size_agrees() {
    let mut random = Random(81);
    for (tokens, heads, head_dim) in [(1, 1, 4), (17, 2, 16), (70, 3, 64), (301, 1, 8)] {
        let qkv = random.activations(tokens * 3 * heads * head_dim);
        let sizes: Vec<f32> = (0..tokens).map(|_| 1.0 + random.below(9) as f32).collect();
        let from = tensor(&qkv, [tokens, 3 * heads * head_dim]);
        let out = gpu::sized_attention(&from, heads, &tensor(&sizes, [tokens])).unwrap();
        let expected = twin::sized_attention(&qkv, heads, head_dim, &sizes);
        assert_within("attention", &read(out), &expected, 1e-5);
    }
}

#[test]
fn what_does_not_fit_is_an_error() {
    let x = tensor(&[0.0; 5 * 8], [5, 8]);
    let qkv = tensor(&[0.0; 5 * 24], [5, 24]);
    assert!(Reducing::begin(&x, 5, merging(1, false)).is_err());
    assert!(Reducing::begin(&tensor(&[0.0; 15], [5, 3]), 1, merging(1, false)).is_err());
    let mut picture = Reducing::begin(&x, 1, merging(1, false)).unwrap();
    for (matching, merges) in [
        (Matching::Bipartite, 0),
        (Matching::Bipartite, 3),
        (Matching::Ward, 4),
    ] {
        let error = picture.merge(&x, &qkv, 1, matching, merges).unwrap_err();
        assert_eq!(error.code(), "invalid-argument");
    }
    assert!(picture.restore(&x).is_err());
    let out = picture.merge(&x, &qkv, 1, Matching::Ward, 1).unwrap();
    // One reduction was announced.
    let qkv = tensor(&[0.0; 4 * 24], [4, 24]);
    assert!(picture.merge(&out, &qkv, 1, Matching::Ward, 1).is_err());
    assert!(picture.restore(&out).is_err());
    let long = tensor(&[0.0; 2 * 3 * 128], [2, 384]);
    assert!(gpu::sized_attention(&long, 1, &tensor(&[1.0; 2], [2])).is_err());
}
