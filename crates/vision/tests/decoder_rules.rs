//! Selection rules of language models with image tokens, and late interaction, against the
//! plainest way to compute them.

mod common;

use common::{Draw, cosine};
use lexigraft_vision::decoder_rules::{
    SparseVlm, density_peaks, fastv, pyramid_counts, pyramid_drop, raters,
};
use lexigraft_vision::filip::late_interaction;

const CASES: u64 = 600;

/// Indices by score, best first, lower index first among equals.
fn ranked(scores: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    order
}

fn best(scores: &[f64], k: usize) -> Vec<usize> {
    let mut best = ranked(scores)[..k].to_vec();
    best.sort_unstable();
    best
}

#[test]
fn fastv_keeps_text_and_the_most_attended_image_tokens() {
    for seed in 0..CASES {
        let mut draw = Draw::new(seed + 1);
        let (heads, before, image, after) = (
            1 + draw.below(4),
            draw.below(4),
            1 + draw.below(12),
            draw.below(4),
        );
        let tokens = before + image + after;
        let attention: Vec<f32> = (0..heads * tokens).map(|_| draw.float().abs()).collect();
        let keep = draw.below(image + 1);
        let scores: Vec<f64> = (0..image)
            .map(|i| {
                (0..heads)
                    .map(|h| f64::from(attention[h * tokens + before + i]))
                    .sum()
            })
            .collect();
        let mut want: Vec<usize> = (0..before).collect();
        want.extend(best(&scores, keep).iter().map(|i| before + i));
        want.extend(before + image..tokens);
        let found = fastv(&attention, tokens, before..before + image, keep).unwrap();
        assert_eq!(found, want);
        assert!(fastv(&attention, tokens, before..before + image, image + 1).is_err());
        assert!(fastv(&attention, tokens, before..tokens + 1, 0).is_err());
    }
    assert_eq!(fastv(&[0.5; 6], 6, 1..5, 2).unwrap(), [0, 1, 2, 5]);
}

#[test]
fn pyramid_drop_ranks_by_the_last_query() {
    for seed in 0..CASES {
        let mut draw = Draw::new(seed + 1);
        let (n, width) = (1 + draw.below(15), 2 + draw.below(8));
        let (query, keys) = (draw.floats(width), draw.floats(n * width));
        let scores: Vec<f64> = keys
            .chunks_exact(width)
            .map(|key| {
                key.iter()
                    .zip(&query)
                    .map(|(a, b)| f64::from(*a) * f64::from(*b))
                    .sum()
            })
            .collect();
        let keep = draw.below(n + 1);
        assert_eq!(
            pyramid_drop(&query, &keys, keep).unwrap(),
            best(&scores, keep)
        );
        assert!(pyramid_drop(&query, &keys, n + 1).is_err());
    }
    assert_eq!(pyramid_counts(576), [288, 144, 72]);
}

#[test]
fn raters_relate_to_the_picture_above_the_mean() {
    for seed in 0..CASES {
        let mut draw = Draw::new(seed + 1);
        let (n, m, width) = (1 + draw.below(6), 1 + draw.below(6), 2 + draw.below(6));
        let (vision, text) = (draw.floats(n * width), draw.floats(m * width));
        let mut sums = vec![0f64; m];
        for token in vision.chunks_exact(width) {
            let weights: Vec<f64> = text
                .chunks_exact(width)
                .map(|word| {
                    let dot: f64 = token
                        .iter()
                        .zip(word)
                        .map(|(a, b)| f64::from(*a) * f64::from(*b))
                        .sum();
                    dot.exp()
                })
                .collect();
            let total: f64 = weights.iter().sum();
            sums.iter_mut()
                .zip(&weights)
                .for_each(|(sum, w)| *sum += w / total);
        }
        let mean = n as f64 / m as f64;
        let mut want: Vec<usize> = (0..m).filter(|&i| sums[i] > mean + 1e-6).collect();
        if want.is_empty() {
            want = (0..m).collect();
        }
        assert_eq!(raters(&vision, &text, width), want, "{seed}");
    }
}

#[test]
fn sparse_vlm_keeps_recycles_and_drops() {
    for seed in 0..CASES {
        let mut draw = Draw::new(seed + 1);
        let (n, m, width) = (2 + draw.below(18), 1 + draw.below(5), 2 + draw.below(4));
        let attention: Vec<f32> = (0..m * n).map(|_| draw.float().abs()).collect();
        let vision = draw.floats(n * width);
        let chosen: Vec<usize> = (0..m).filter(|i| i % 2 == 0).collect();
        let keep = draw.below(n + 1);
        let method = SparseVlm {
            recycle: 0.3,
            clusters: 1 + draw.below(3),
            neighbours: 2,
        };
        let scores: Vec<f64> = (0..n)
            .map(|i| chosen.iter().map(|r| f64::from(attention[r * n + i])).sum())
            .collect();
        let found = method
            .select(&attention, &chosen, &vision, width, keep)
            .unwrap();
        assert_eq!(found.kept, best(&scores, keep));
        let order = ranked(&scores);
        let count = (0.3f32 * (n - keep) as f32) as usize;
        let mut recycled = order[keep..keep + count].to_vec();
        recycled.sort_unstable();
        let mut members: Vec<usize> = found.clusters.concat();
        members.sort_unstable();
        assert_eq!(members, recycled);
        assert!(found.clusters.len() <= method.clusters);
        assert!(
            method
                .select(&attention, &chosen, &vision, width, n + 1)
                .is_err()
        );
        assert!(method.select(&attention, &[], &vision, width, 0).is_err());
        assert!(method.select(&attention, &[m], &vision, width, 0).is_err());
    }
}

#[test]
fn density_peaks_by_definition() {
    for seed in 0..CASES {
        let mut draw = Draw::new(seed + 1);
        let (n, width) = (2 + draw.below(12), 2);
        let rows = draw.floats(n * width);
        let (clusters, neighbours) = (1 + draw.below(3), 1 + draw.below(3));
        let distance = |a: usize, b: usize| -> f64 {
            (0..width)
                .map(|axis| f64::from(rows[a * width + axis] - rows[b * width + axis]).powi(2))
                .sum::<f64>()
                .sqrt()
        };
        let density: Vec<f64> = (0..n)
            .map(|a| {
                let mut near: Vec<f64> = (0..n)
                    .filter(|&b| b != a)
                    .map(|b| distance(a, b).powi(2))
                    .collect();
                near.sort_by(f64::total_cmp);
                near.truncate(neighbours);
                (-near.iter().sum::<f64>() / near.len() as f64).exp()
            })
            .collect();
        // Densities closer than f32 can tell apart say nothing about the rule.
        let mut sorted = density.clone();
        sorted.sort_by(f64::total_cmp);
        let ties = sorted.windows(2).any(|pair| pair[1] - pair[0] < 1e-6);
        if ties && neighbours > 1 {
            continue;
        }
        let denser = |b: usize, a: usize| {
            density[b] > density[a] + 1e-6 || ((density[b] - density[a]).abs() <= 1e-6 && b < a)
        };
        let peaks: Vec<f64> = (0..n)
            .map(|a| {
                let reach = (0..n)
                    .filter(|&b| b != a && denser(b, a))
                    .map(|b| distance(a, b))
                    .fold(f64::INFINITY, f64::min);
                let widest = (0..n).map(|b| distance(a, b)).fold(0.0, f64::max);
                density[a] * if reach.is_finite() { reach } else { widest }
            })
            .collect();
        let centres = &ranked(&peaks)[..clusters.min(n)];
        let close = peaks
            .iter()
            .enumerate()
            .any(|(a, x)| peaks[..a].iter().any(|y| (x - y).abs() < 1e-5));
        if close {
            continue;
        }
        for (token, label) in density_peaks(&rows, width, clusters, neighbours)
            .into_iter()
            .enumerate()
        {
            let own = distance(token, centres[label]);
            let nearest = centres
                .iter()
                .map(|&c| distance(token, c))
                .fold(f64::MAX, f64::min);
            assert!((own - nearest).abs() < 1e-6, "{seed}");
        }
    }
}

#[test]
fn late_interaction_both_ways_with_padding_masked() {
    for seed in 0..CASES {
        let mut draw = Draw::new(seed + 1);
        let (n, m, width) = (draw.below(6), 1 + draw.below(6), 2 + draw.below(6));
        let (x, y) = (draw.floats(n * width), draw.floats(m * width));
        let x_mask: Vec<bool> = (0..n).map(|_| draw.below(4) > 0).collect();
        let y_mask: Vec<bool> = (0..m).map(|_| draw.below(4) > 0).collect();
        let one_way = |a: &[f32], a_mask: &[bool], b: &[f32], b_mask: &[bool]| -> f64 {
            let mut sum = 0.0;
            let mut count = 0.0;
            for (i, row) in a
                .chunks_exact(width)
                .enumerate()
                .filter(|(i, _)| a_mask[*i])
            {
                let best = b
                    .chunks_exact(width)
                    .zip(b_mask)
                    .filter(|(_, counted)| **counted)
                    .map(|(other, _)| cosine(row, other))
                    .fold(f64::NEG_INFINITY, f64::max);
                assert!(i < n.max(m));
                sum += best;
                count += 1.0;
            }
            if count == 0.0 || sum == f64::NEG_INFINITY {
                0.0
            } else {
                sum / count
            }
        };
        let (forth, back) = late_interaction(&x, &x_mask, &y, &y_mask, width);
        assert!((f64::from(forth) - one_way(&x, &x_mask, &y, &y_mask)).abs() < 1e-5);
        assert!((f64::from(back) - one_way(&y, &y_mask, &x, &x_mask)).abs() < 1e-5);
    }
    // A side against itself is one, and a masked token does not count.
    let rows = [1.0, 0.0, 0.0, 1.0];
    assert_eq!(
        late_interaction(&rows, &[true; 2], &rows, &[true; 2], 2),
        (1.0, 1.0)
    );
    let (forth, back) = late_interaction(&rows, &[true; 2], &rows, &[true, false], 2);
    assert_eq!((forth, back), (0.5, 1.0));
}
