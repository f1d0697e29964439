//! Tokens that are kept and dropped, and maps made larger.

use lexigraft_kernels::cpu;
use lexigraft_kernels::gpu::{self, DROPPED, Reducing, twin};
use lexigraft_kernels::ops::{ByAttention, Demands};

use crate::common::Random;
use crate::support::{assert_within, read, tensor};

const RULES: [ByAttention; 3] = [
    ByAttention::Most,
    ByAttention::MostAndFused,
    ByAttention::Least,
];

fn dropping(reductions: usize, restores: bool) -> Demands {
    Demands {
        reductions,
        attention_by_size: false,
        restores,
        drops: true,
    }
}

/// Rows that are kept, as they are.
fn kept(x: &[f32], width: usize, goes: &[u32]) -> Vec<f32> {
    let rows = x.chunks_exact(width).zip(goes);
    let kept = rows.filter(|(_, output)| **output != DROPPED);
    kept.flat_map(|(row, _)| row.iter().copied()).collect()
}

/// Three reductions in a row; between them the hidden states change, as an MLP would change them. Dropped
/// patches keep what they were.
fn agrees(rule: ByAttention, seed: u64) {
    let mut random = Random(seed);
    let (heads, head_dim, width) = (3, 8, 24);
    for (leading, patches) in [(1, 9), (5, 64), (1, 131), (2, 300)] {
        let mut tokens = leading + patches;
        let mut x = random.activations(tokens * width);
        let mut last = x[leading * width..].to_vec();
        let mut place: Vec<Option<usize>> = (leading..tokens).map(Some).collect();
        let begun = Reducing::begin(&tensor(&x, [tokens, width]), leading, dropping(3, false));
        let mut picture = begun.unwrap();
        let mut all = Vec::new();
        for _ in 0..3 {
            let what = format!("{rule:?} of {leading} + {patches} at {tokens}");
            let qkv = random.activations(tokens * 3 * heads * head_dim);
            let keep = random.below(tokens - leading);
            let scores = twin::cls_attention(&qkv, heads, head_dim);
            let signed: Vec<f64> = match rule {
                ByAttention::Least => scores.iter().map(|score| -score).collect(),
                _ => scores.clone(),
            };
            let goes = twin::keep_largest(&signed, leading, keep);
            let from = tensor(&x, [tokens, width]);
            let projection = tensor(&qkv, [tokens, 3 * heads * head_dim]);
            let out = picture.keep_attended(&from, &projection, heads, rule, keep);
            let out = read(out.unwrap());
            let mut expected = kept(&x, width, &goes);
            assert_eq!(out[..expected.len()], expected, "{what}: bit for bit");
            if rule == ByAttention::MostAndFused {
                let fused = twin::fused(&x, width, &scores, &goes);
                assert_within(&what, &out[expected.len()..], &fused, 1e-5);
                expected.extend(&out[expected.len()..]);
            }
            assert_eq!(out.len(), expected.len(), "{what}");
            for (place, last) in place.iter_mut().zip(last.chunks_exact_mut(width)) {
                let Some(token) = *place else { continue };
                last.copy_from_slice(&x[token * width..][..width]);
                *place = (goes[token] != DROPPED).then_some(goes[token] as usize);
            }
            all.push(goes);
            tokens = expected.len() / width;
            x = expected.iter().map(|x| (3.0 * x).sin()).collect();
            if tokens == leading {
                break;
            }
        }
        assert!(picture.sizes().is_none(), "each counts once");
        let restored = read(picture.restore(&tensor(&x, [tokens, width])).unwrap());
        for ((restored, place), last) in restored
            .chunks_exact(width)
            .zip(&place)
            .zip(last.chunks_exact(width))
        {
            let row = place.map_or(last, |token| &x[token * width..][..width]);
            assert_eq!(restored, row, "{rule:?} of {leading} + {patches}");
        }
        let found = pollster::block_on(picture.destinations()).unwrap();
        assert_eq!(found, all, "{rule:?} of {leading} + {patches}");
    }
}

#[test]
fn reductions_by_attention_agree() {
    for (seed, rule) in RULES.into_iter().enumerate() {
        for turn in 0..3 {
            agrees(rule, 100 + 10 * seed as u64 + turn);
        }
    }
}

#[test]
fn reductions_by_diversity_agree() {
    let mut random = Random(140);
    let width = 24;
    for (leading, patches) in [(1, 2), (1, 9), (5, 64), (1, 131), (2, 300)] {
        let tokens = leading + patches;
        for weighed in [false, true] {
            for of in [16, 24] {
                let x = random.activations(tokens * width);
                let rows = random.activations(tokens * of);
                let weights = random.activations(patches);
                let weights = weighed.then_some(weights.as_slice());
                let keep = 1 + random.below(patches - 1);
                let goes = twin::diverse(&rows, of, leading, weights, keep);
                let from = tensor(&x, [tokens, width]);
                let begun = Reducing::begin(&from, leading, dropping(1, false));
                let mut picture = begun.unwrap();
                let weights = weights.map(|weights| tensor(weights, [patches]));
                let rows = tensor(&rows, [tokens, of]);
                let out = picture.keep_diverse(&from, &rows, weights.as_ref(), keep);
                let out = read(out.unwrap());
                let what = format!("{keep} of {leading} + {patches}, weighed: {weighed}");
                assert_eq!(out, kept(&x, width, &goes), "{what}");
                let found = pollster::block_on(picture.destinations()).unwrap();
                assert_eq!(found, [goes], "{what}");
            }
        }
    }
}

#[test]
fn tokens_that_are_named_stay_and_what_merging_lost_comes_back() {
    let (leading, tokens, width) = (2, 9, 8);
    let x = Random(150).activations(tokens * width);
    let from = tensor(&x, [tokens, width]);
    let mut picture = Reducing::begin(&from, leading, dropping(2, true)).unwrap();
    let out = picture.keep_chosen(&from, &[1, 4, 6]).unwrap();
    assert_eq!(out.dims(), [5, width]);
    let out = picture.keep_chosen(&out, &[1]).unwrap();
    let goes = twin::keep_at(&[3, 6, 8], leading, tokens);
    let found = pollster::block_on(picture.destinations()).unwrap();
    assert_eq!(found[0], goes);
    assert_eq!(found[1], [0, 1, DROPPED, 2, DROPPED]);
    let restored = read(picture.restore(&out).unwrap());
    assert_eq!(restored, x[leading * width..]);
}

#[test]
fn equal_tokens_are_kept_in_their_order() {
    let (width, tokens) = (4, 7);
    let x = tensor(&vec![0.5; tokens * width], [tokens, width]);
    let qkv = tensor(&vec![0.5; tokens * 24], [tokens, 24]);
    let first = twin::keep_at(&[1, 2], 1, tokens);
    for rule in RULES {
        let mut picture = Reducing::begin(&x, 1, dropping(1, false)).unwrap();
        picture.keep_attended(&x, &qkv, 1, rule, 2).unwrap();
        let found = pollster::block_on(picture.destinations()).unwrap();
        assert_eq!(found, [first.as_slice()], "{rule:?}");
    }
    for weights in [None, Some(tensor(&[2.0; 6], [6]))] {
        let mut picture = Reducing::begin(&x, 1, dropping(1, false)).unwrap();
        let out = picture.keep_diverse(&x, &x, weights.as_ref(), 2);
        out.unwrap();
        let found = pollster::block_on(picture.destinations()).unwrap();
        assert_eq!(found, [first.as_slice()]);
    }
}

#[test]
fn what_is_no_number_still_leaves_the_count_that_was_asked_for() {
    let (width, tokens, keep) = (8, 12, 5);
    let x = tensor(&vec![f32::NAN; tokens * width], [tokens, width]);
    let qkv = tensor(&vec![f32::NAN; tokens * 24], [tokens, 24]);
    for rule in RULES {
        let mut picture = Reducing::begin(&x, 1, dropping(1, false)).unwrap();
        picture.keep_attended(&x, &qkv, 1, rule, keep).unwrap();
        let found = pollster::block_on(picture.destinations()).unwrap();
        let kept = found[0].iter().filter(|output| **output != DROPPED);
        assert_eq!(kept.count(), 1 + keep, "{rule:?}: {found:?}");
    }
    let mut picture = Reducing::begin(&x, 1, dropping(1, false)).unwrap();
    picture.keep_diverse(&x, &x, None, keep).unwrap();
    let found = pollster::block_on(picture.destinations()).unwrap();
    let kept = found[0].iter().filter(|output| **output != DROPPED);
    assert_eq!(kept.count(), 1 + keep, "{found:?}");
}

#[test]
fn probes_and_their_lengths_agree() {
    let mut random = Random(160);
    for (leading, n, width, of) in [(1, 1, 4, 8), (1, 70, 24, 40), (5, 300, 8, 96)] {
        let x = random.activations((leading + n) * width);
        let directions = random.activations(3 * width);
        let from = tensor(&x, [leading + n, width]);
        let picture = Reducing::begin(&from, leading, dropping(1, false)).unwrap();
        let on_device = tensor(&directions, [3, width]);
        let probes = read(picture.probe(&from, &on_device, 2, 0.25).unwrap());
        let rows = x[leading * width..].chunks_exact(width);
        let u = &directions[2 * width..];
        for (at, row) in rows.enumerate() {
            for (i, (x, u)) in row.iter().zip(u).enumerate() {
                let moved = [
                    f64::from(*x) + 0.25 * f64::from(*u),
                    f64::from(*x) - 0.25 * f64::from(*u),
                ];
                let found = [probes[at * width + i], probes[(n + at) * width + i]];
                assert_within("probe", &found, &moved, 1e-6);
            }
        }
        let first = random.activations(2 * n * of);
        let second = random.activations(2 * n * of);
        let sums = picture
            .add_lengths(&tensor(&first, [2 * n, of]), None)
            .unwrap();
        let sums = picture.add_lengths(&tensor(&second, [2 * n, of]), Some(sums));
        let pairs = twin::lengths(&first, of)
            .into_iter()
            .zip(twin::lengths(&second, of));
        let expected: Vec<f64> = pairs.map(|(a, b)| a + b).collect();
        assert_within("lengths", &read(sums.unwrap()), &expected, 1e-4);
    }
}

#[test]
fn larger_maps_are_the_processor_s() {
    let mut random = Random(170);
    for (batch, rows, columns, channels) in
        [(1, 1, 1, 1), (2, 3, 2, 5), (1, 4, 7, 16), (1, 9, 5, 130)]
    {
        let products = random.activations(batch * rows * columns * 16 * channels);
        let bias = random.activations(channels);
        let mut expected = vec![0.0; products.len() / 4];
        cpu::upsample(&products, [rows, columns], &bias, &mut expected).unwrap();
        let expected: Vec<f64> = expected.iter().map(|x| f64::from(*x)).collect();
        let from = tensor(&products, [batch * rows * columns, 16 * channels]);
        let out = gpu::upsample(&from, [rows, columns], &bias).unwrap();
        assert_eq!(out.dims(), [4 * batch * rows * columns, channels]);
        assert_within("upsample", &read(out), &expected, 2e-6);
    }
}

#[test]
fn what_does_not_fit_is_an_error() {
    let x = tensor(&[0.0; 5 * 8], [5, 8]);
    let qkv = tensor(&[0.0; 5 * 24], [5, 24]);
    let begin = || Reducing::begin(&x, 1, dropping(1, false)).unwrap();
    let by = ByAttention::Most;
    assert!(
        begin().keep_attended(&x, &qkv, 1, by, 4).is_err(),
        "all of them"
    );
    assert!(
        begin().keep_attended(&x, &qkv, 5, by, 2).is_err(),
        "no such heads"
    );
    assert!(begin().keep_diverse(&x, &x, None, 0).is_err());
    let weights = tensor(&[0.0; 3], [3]);
    assert!(begin().keep_diverse(&x, &x, Some(&weights), 2).is_err());
    for indices in [vec![4], vec![2, 1], vec![1, 1], vec![0, 1, 2, 3]] {
        assert!(begin().keep_chosen(&x, &indices).is_err(), "{indices:?}");
    }
    let merging = Demands {
        reductions: 1,
        ..Demands::default()
    };
    let mut undemanded = Reducing::begin(&x, 1, merging).unwrap();
    let error = undemanded.keep_chosen(&x, &[1]).unwrap_err();
    assert_eq!(error.code(), "invalid-argument");
    let mut picture = begin();
    let out = picture.keep_chosen(&x, &[1, 2]).unwrap();
    assert!(picture.restore(&x).is_err(), "that is what was before");
    assert!(
        picture.keep_chosen(&out, &[1]).is_err(),
        "one was announced"
    );
    assert!(
        picture
            .probe(&x, &tensor(&[0.0; 8], [2, 4]), 0, 1.0)
            .is_err()
    );
    assert!(
        picture
            .add_lengths(&tensor(&[0.0; 24], [3, 8]), None)
            .is_err()
    );
    assert!(gpu::upsample(&x, [1, 5], &[0.0]).is_err());
}
