//! Each method against the plainest way to compute it, over many small cases.

mod common;

use common::{Case, Draw, close, cosine, kept, subsets};
use lexigraft_vision::reduce::{
    CdPruner, Correlation, DivPrune, EVit, HoloV, Lowest, PruMerge, Random, Reduction, ToMe,
    VisionZip, VqToken, ZooPrune, cluster, conditional_kernel, greedy_map, outliers, relevance,
    sensitivities,
};

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

#[test]
fn zoo_prune_weighs_distance_by_sensitivity() {
    each(14, |case, keep, _| {
        let method = ZooPrune {
            directions: 5,
            ..ZooPrune::default()
        };
        let n = case.reducible();
        let reduction = case.reduce(&method, keep);
        let projected = case.projected.clone().unwrap();
        let out = case.width + 1;
        let line = |group: usize, token: usize| &projected[(group * n + token) * out..][..out];
        let scores: Vec<f64> = (0..n)
            .map(|token| {
                let norms = (0..5).map(|j| {
                    let pairs = line(1 + 2 * j, token).iter().zip(line(2 + 2 * j, token));
                    let squares: f64 = pairs.map(|(a, b)| f64::from(a - b).powi(2)).sum();
                    squares.sqrt() / (2.0 * 0.01f32 as f64)
                });
                norms.sum::<f64>() / 5.0
            })
            .collect();
        let low = scores.iter().copied().fold(f64::INFINITY, f64::min);
        let high = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = scores.iter().map(|s| (s - low) / (high - low)).collect();
        let first = (0..n).find(|&token| weights[token] == 1.0).unwrap();
        let distance = |a: usize, b: usize| 1.0 - cosine(line(0, a), line(0, b));
        let want = max_min(n, keep, first, |token, taken| {
            weights[token] * farthest(token, taken, &distance)
        });
        assert_eq!(kept(&reduction, case.leading), want);
    });
}

#[test]
fn a_linear_projector_is_equally_sensitive_everywhere() {
    for seed in 0..CASES {
        let mut draw = Draw::new(seed + 1);
        let (n, width, out) = (2 + draw.below(6), 4 + draw.below(4), 3 + draw.below(4));
        let matrix = draw.floats(out * width);
        let case = Case::random(&mut draw, n);
        let method = ZooPrune {
            directions: 8,
            step: 0.01,
            seed,
        };
        use lexigraft_vision::reduce::TokenReducer;
        let features = draw.floats(n * width);
        let rows = method.probes(&features, width).unwrap();
        let projected: Vec<f32> = rows
            .chunks_exact(width)
            .flat_map(|row| {
                matrix
                    .chunks_exact(width)
                    .map(|line| line.iter().zip(row).map(|(a, b)| a * b).sum::<f32>())
                    .collect::<Vec<_>>()
            })
            .collect();
        let found = sensitivities(&projected, n, 8, 0.01).unwrap();
        for value in &found {
            assert!(
                (value - found[0]).abs() < 2e-3 * found[0].max(1.0),
                "{found:?}"
            );
        }
        drop(case);
    }
}

#[test]
fn the_estimate_has_the_size_of_the_jacobian() {
    // E ||J u||² = ||J||² / d over unit vectors u; the estimator takes the mean of ||J u||, whose
    // square is not above it, and for a multiple of the identity equals it.
    let (width, m) = (16, 4000);
    let method = ZooPrune {
        directions: m,
        step: 0.01,
        seed: 1,
    };
    use lexigraft_vision::reduce::TokenReducer;
    let mut draw = Draw::new(9);
    let matrix = draw.floats(8 * width);
    let features = draw.floats(width);
    let rows = method.probes(&features, width).unwrap();
    let project = |row: &[f32]| -> Vec<f32> {
        matrix
            .chunks_exact(width)
            .map(|line| line.iter().zip(row).map(|(a, b)| a * b).sum())
            .collect()
    };
    let frobenius: f64 = matrix.iter().map(|v| f64::from(*v).powi(2)).sum();
    let pairs: Vec<Vec<f32>> = rows.chunks_exact(width).map(project).collect();
    let squares: f64 = pairs[1..]
        .chunks_exact(2)
        .map(|pair| {
            let difference = pair[0].iter().zip(&pair[1]);
            difference
                .map(|(a, b)| f64::from((a - b) / 0.02).powi(2))
                .sum::<f64>()
        })
        .sum();
    let found = squares / m as f64;
    let want = frobenius / width as f64;
    assert!((found / want - 1.0).abs() < 0.05, "{found} {want}");
    let identity: Vec<f32> = rows.iter().map(|value| 3.0 * value).collect();
    let found = sensitivities(&identity, 1, m, 0.01).unwrap();
    assert!((found[0] - 3.0).abs() < 1e-2, "{found:?}");
    assert!(sensitivities(&identity, 1, m + 1, 0.01).is_err());
    assert!(sensitivities(&[], 1, 1, 0.01).is_err());
}

/// Determinant by elimination with pivoting.
fn determinant(mut matrix: Vec<Vec<f64>>) -> f64 {
    let n = matrix.len();
    let mut product = 1.0;
    for column in 0..n {
        let pivot = (column..n)
            .max_by(|&a, &b| matrix[a][column].abs().total_cmp(&matrix[b][column].abs()))
            .unwrap();
        if matrix[pivot][column] == 0.0 {
            return 0.0;
        }
        if pivot != column {
            matrix.swap(pivot, column);
            product = -product;
        }
        product *= matrix[column][column];
        let top = matrix[column].clone();
        for line in matrix.iter_mut().skip(column + 1) {
            let factor = line[column] / top[column];
            line.iter_mut()
                .zip(&top)
                .for_each(|(a, b)| *a -= factor * b);
        }
    }
    product
}

#[test]
fn cdpruner_takes_what_multiplies_the_determinant_most() {
    for seed in 0..CASES {
        let mut draw = Draw::new(seed + 1);
        let n = 2 + draw.below(9);
        // Wider than the number of tokens, so that the kernel has full rank.
        let width = n + 2;
        let features = draw.floats(n * width);
        let scores: Vec<f32> = (0..n).map(|_| 0.2 + draw.float().abs()).collect();
        let kernel = conditional_kernel(&features, width, &scores);
        let entry = |i: usize, j: usize| {
            f64::from(scores[i])
                * cosine(
                    &features[i * width..][..width],
                    &features[j * width..][..width],
                )
                * f64::from(scores[j])
        };
        for i in 0..n {
            for j in 0..n {
                assert!((f64::from(kernel[i * n + j]) - entry(i, j)).abs() < 1e-5);
            }
        }
        let keep = draw.below(n + 1);
        let found = greedy_map(&kernel, n, keep);
        let mut taken: Vec<usize> = Vec::new();
        while taken.len() < keep {
            let mut best = (usize::MAX, f64::NEG_INFINITY);
            for item in (0..n).filter(|item| !taken.contains(item)) {
                let set: Vec<usize> = taken.iter().copied().chain([item]).collect();
                let matrix = set
                    .iter()
                    .map(|&i| set.iter().map(|&j| entry(i, j)).collect())
                    .collect();
                let value = determinant(matrix);
                if value > best.1 {
                    best = (item, value);
                }
            }
            taken.push(best.0);
        }
        assert_eq!(found, taken, "{seed}");
    }
}

#[test]
fn cdpruner_scales_attention_and_stays_in_range_beyond_full_rank() {
    each(20, |case, keep, _| {
        let n = case.reducible();
        let scores: Vec<f32> = (0..n).map(|i| case.score(i)).collect();
        let low = scores.iter().copied().fold(f32::INFINITY, f32::min);
        let high = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let q: Vec<f32> = scores
            .iter()
            .map(|s| if high > low { (s - low) / (high - low) } else { 1.0 } + 1e-6)
            .collect();
        let kernel = conditional_kernel(case.features(), case.width, &q);
        let mut want = greedy_map(&kernel, n, keep);
        want.sort_unstable();
        assert_eq!(kept(&case.reduce(&CdPruner, keep), case.leading), want);
    });
}

#[test]
fn relevance_is_the_scaled_mean_of_negated_cosines() {
    for seed in 0..CASES {
        let mut draw = Draw::new(seed + 1);
        let (n, m, width) = (2 + draw.below(6), 1 + draw.below(4), 3 + draw.below(5));
        let (image, text) = (draw.floats(n * width), draw.floats(m * width));
        let means: Vec<f64> = (0..n)
            .map(|i| {
                let token = &image[i * width..][..width];
                let sum: f64 = text.chunks_exact(width).map(|t| -cosine(token, t)).sum();
                sum / m as f64
            })
            .collect();
        let low = means.iter().copied().fold(f64::INFINITY, f64::min);
        let high = means.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let want: Vec<f64> = means
            .iter()
            .map(|v| (v - low) / (high - low) + 1e-6)
            .collect();
        close(&relevance(&image, &text, width), &want, 1e-4);
    }
}

#[test]
fn visionzip_takes_dominant_tokens_and_merges_the_rest() {
    each(20, |case, keep, _| {
        let n = case.reducible();
        let method = VisionZip { contextual: 0.4 };
        let reduction = case.reduce(&method, keep);
        if keep == n {
            return assert!(reduction.is_identity());
        }
        let contextual = ((keep as f32 * 0.4).round() as usize).min(keep);
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|&a, &b| case.score(b).total_cmp(&case.score(a)));
        let mut dominant = order[..keep - contextual].to_vec();
        dominant.sort_unstable();
        let rest: Vec<usize> = (0..n).filter(|i| !dominant.contains(i)).collect();
        let mut want = Vec::new();
        for &index in &dominant {
            want.extend(weighted(case, &[(index, 1.0)]));
        }
        if let Some(stride) = rest.len().checked_div(contextual) {
            let targets: Vec<usize> = (0..contextual).map(|i| rest[i * stride]).collect();
            let mut groups = vec![Vec::new(); contextual];
            for &token in rest.iter().filter(|token| !targets.contains(token)) {
                let mut best = (0, f64::MIN);
                for (at, &target) in targets.iter().enumerate() {
                    let value = cosine(case.key(token), case.key(target));
                    if value > best.1 {
                        best = (at, value);
                    }
                }
                groups[best.0].push(token);
            }
            for (&target, group) in targets.iter().zip(&groups) {
                let mut terms = vec![(target, 1.0)];
                terms.extend(group.iter().map(|&t| (t, 1.0 / group.len() as f64)));
                want.extend(weighted(case, &terms));
            }
        }
        close(&rows(&reduction, case), &want, 1e-5);
        let living = reduction
            .destinations()
            .iter()
            .filter(|d| d.is_some())
            .count();
        let expected = if contextual > 0 { n } else { keep };
        assert_eq!(living, case.leading + expected);
    });
}

#[test]
fn prumerge_sums_neighbours_and_the_rest() {
    each(18, |case, keep, draw| {
        let n = case.reducible();
        let neighbours = 1 + draw.below(4);
        let method = PruMerge {
            neighbours,
            adaptive: false,
        };
        let reduction = case.reduce(&method, keep);
        if keep == n {
            return assert!(reduction.is_identity());
        }
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|&a, &b| case.score(b).total_cmp(&case.score(a)));
        let mut centers = order[..keep].to_vec();
        centers.sort_unstable();
        let rest: Vec<usize> = (0..n).filter(|i| !centers.contains(i)).collect();
        let mut taken = vec![false; n];
        let mut want = Vec::new();
        for &center in &centers {
            let mut near = rest.clone();
            near.sort_by(|&a, &b| {
                cosine(case.key(center), case.key(b))
                    .total_cmp(&cosine(case.key(center), case.key(a)))
            });
            near.truncate(neighbours);
            let mut terms = vec![(center, 1.0)];
            for &token in &near {
                taken[token] = true;
                terms.push((token, f64::from(case.score(token))));
            }
            want.extend(weighted(case, &terms));
        }
        let left: Vec<usize> = rest.iter().copied().filter(|&t| !taken[t]).collect();
        if !left.is_empty() {
            let total: f64 = left.iter().map(|&t| f64::from(case.score(t))).sum();
            let terms: Vec<(usize, f64)> = left
                .iter()
                .map(|&t| (t, f64::from(case.score(t)) / total))
                .collect();
            want.extend(weighted(case, &terms));
        }
        close(&rows(&reduction, case), &want, 1e-5);
        assert!(reduction.destinations().iter().all(Option::is_some));
    });
}

#[test]
fn outliers_are_above_the_upper_fence() {
    // numpy.quantile([1, 2, 3, 4, 100], [.25, .75]) = [2, 4]: the fence is 7.
    assert_eq!(outliers(&[1.0, 2.0, 100.0, 3.0, 4.0]), [2]);
    assert_eq!(outliers(&[1.0; 8]), [] as [usize; 0]);
    assert_eq!(outliers(&[]), [] as [usize; 0]);
    for seed in 0..CASES {
        let mut draw = Draw::new(seed + 1);
        let count = 1 + draw.below(30);
        let scores: Vec<f32> = (0..count).map(|_| draw.float().powi(5)).collect();
        let mut sorted: Vec<f64> = scores.iter().map(|s| f64::from(*s)).collect();
        sorted.sort_by(f64::total_cmp);
        let quantile = |share: f64| {
            let at = share * (sorted.len() - 1) as f64;
            let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
            low + (at - at.floor()) * (high - low)
        };
        let fence = quantile(0.75) + 1.5 * (quantile(0.75) - quantile(0.25));
        let want: Vec<usize> = (0..scores.len())
            .filter(|&i| f64::from(scores[i]) > fence + 1e-7)
            .collect();
        assert_eq!(outliers(&scores), want);
    }
    // The adaptive form keeps the outliers alone, and falls back on the count without any.
    let adaptive = PruMerge {
        neighbours: 2,
        adaptive: true,
    };
    let mut case = Case::random(&mut Draw::new(4), 9);
    for index in 0..9 {
        case.attention[case.leading + index] = 0.05 + 0.001 * index as f32;
    }
    // With a summary or without, by whether the neighbours cover the rest.
    let outputs = case.reduce(&adaptive, 4).outputs() - case.leading;
    assert!((4..=5).contains(&outputs), "{outputs}");
    case.attention[case.leading + 3] = 0.9;
    assert_eq!(case.reduce(&adaptive, 4).outputs(), case.leading + 2);
}

#[test]
fn holov_fills_each_crop_by_its_share() {
    each(20, |case, keep, draw| {
        let n = case.reducible();
        let crops = 1 + draw.below(n);
        let method = HoloV { crops, alpha: 0.7 };
        let found = kept(&case.reduce(&method, keep), case.leading);
        assert_eq!(found.len(), keep);
        let bounds: Vec<usize> = (0..=crops).map(|crop| crop * n / crops).collect();
        let score = |crop: usize, token: usize| {
            let others: Vec<f64> = (bounds[crop]..bounds[crop + 1])
                .filter(|&other| other != token)
                .map(|other| cosine(case.feature(token), case.feature(other)))
                .collect();
            let count = others.len().max(1) as f64;
            let mean = others.iter().sum::<f64>() / count;
            let variance = others.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count;
            1e3 * f64::from(case.score(token)) + 0.7 * variance
        };
        let scores: Vec<Vec<f64>> = (0..crops)
            .map(|crop| {
                (bounds[crop]..bounds[crop + 1])
                    .map(|t| score(crop, t))
                    .collect()
            })
            .collect();
        let total: f64 = scores.iter().flatten().sum();
        for crop in 0..crops {
            let inside: Vec<usize> = found
                .iter()
                .copied()
                .filter(|t| (bounds[crop]..bounds[crop + 1]).contains(t))
                .collect();
            // The best of the crop, as many as its quota.
            let mut order: Vec<usize> = (bounds[crop]..bounds[crop + 1]).collect();
            order.sort_by(|&a, &b| {
                scores[crop][b - bounds[crop]].total_cmp(&scores[crop][a - bounds[crop]])
            });
            let mut best = order[..inside.len()].to_vec();
            best.sort_unstable();
            assert_eq!(inside, best);
            // Never fewer than the whole part of what is due, unless the crop is full.
            let due = scores[crop].iter().sum::<f64>() / total * keep as f64;
            let size = bounds[crop + 1] - bounds[crop];
            assert!(inside.len() >= ((due - 1e-3).floor().max(0.0) as usize).min(size));
        }
    });
}

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

#[test]
fn clusters_are_nearest_means_and_separate_what_is_apart() {
    for seed in 0..CASES {
        let mut draw = Draw::new(seed + 1);
        let k = 2 + draw.below(4);
        let width = k + 2;
        // k directions, tokens close to one of them each.
        let tokens = k + draw.below(15);
        let truth: Vec<usize> = (0..tokens)
            .map(|token| if token < k { token } else { draw.below(k) })
            .collect();
        let rows: Vec<f32> = truth
            .iter()
            .flat_map(|&label| {
                let scale = 1.0 + draw.float().abs();
                (0..width)
                    .map(|axis| {
                        let on = if axis == label { 1.0 } else { 0.0 };
                        scale * (on + 0.01 * draw.float())
                    })
                    .collect::<Vec<f32>>()
            })
            .collect();
        let labels = cluster(&rows, width, k, 50, seed);
        // The same partition under other names.
        for a in 0..tokens {
            for b in 0..tokens {
                assert_eq!(labels[a] == labels[b], truth[a] == truth[b], "{seed}");
            }
        }
        // On any rows: no token is nearer to another cluster's mean direction than to its own.
        let rows = draw.floats(tokens * width);
        let labels = cluster(&rows, width, k, 500, seed);
        let unit = |token: usize| {
            let row = &rows[token * width..][..width];
            let norm = row
                .iter()
                .map(|v| f64::from(*v).powi(2))
                .sum::<f64>()
                .sqrt();
            row.iter()
                .map(|v| (f64::from(*v) / norm) as f32)
                .collect::<Vec<f32>>()
        };
        let means: Vec<Option<Vec<f32>>> = (0..k)
            .map(|label| {
                let members: Vec<Vec<f32>> = (0..tokens)
                    .filter(|&t| labels[t] == label)
                    .map(unit)
                    .collect();
                (!members.is_empty()).then(|| {
                    (0..width)
                        .map(|axis| members.iter().map(|m| m[axis]).sum())
                        .collect()
                })
            })
            .collect();
        for token in 0..tokens {
            let row = unit(token);
            let own = cosine(&row, means[labels[token]].as_ref().unwrap());
            for mean in means.iter().flatten() {
                assert!(cosine(&row, mean) <= own + 1e-5, "{seed}");
            }
        }
    }
}

#[test]
fn vqtoken_outputs_are_the_means_of_their_members() {
    each(20, |case, keep, _| {
        let reduction = case.reduce(&VqToken::default(), keep);
        if keep == 0 {
            return assert_eq!(reduction.outputs(), case.leading);
        }
        let out = rows(&reduction, case);
        for (number, row) in out.chunks_exact(case.width).enumerate() {
            let output = (case.leading + number) as u32;
            let members: Vec<usize> = (0..case.reducible())
                .filter(|&t| reduction.destinations()[case.leading + t] == Some(output))
                .collect();
            let size = |t: usize| f64::from(case.sizes[case.leading + t]);
            let total: f64 = members.iter().map(|&t| size(t)).sum();
            let terms: Vec<(usize, f64)> = members.iter().map(|&t| (t, size(t) / total)).collect();
            close(row, &weighted(case, &terms), 1e-5);
        }
    });
}

#[test]
fn random_depends_on_seed_and_layer_alone_and_is_fair() {
    let mut counts = vec![0usize; 10];
    let mut case = Case::random(&mut Draw::new(1), 10);
    for seed in 0..4000 {
        let reduction = case.reduce(&Random { seed }, 3);
        for index in kept(&reduction, case.leading) {
            counts[index] += 1;
        }
    }
    // 1200 expected, standard deviation 29.
    assert!(
        counts.iter().all(|count| (1050..1350).contains(count)),
        "{counts:?}"
    );
    let once = case.reduce(&Random { seed: 5 }, 3);
    assert_eq!(once, case.reduce(&Random { seed: 5 }, 3));
    let same: usize = (0..40)
        .filter(|&layer| {
            case.layer = layer;
            case.reduce(&Random { seed: 5 }, 3) == once
        })
        .count();
    assert!(same < 10, "layers draw alike");
}
