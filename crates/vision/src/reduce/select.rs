//! What the methods share: cosines, the k largest, and the greedy loop over distances.

/// Rows of `[n, width]` scaled to length one; a zero row stays zero.
pub fn normalised(rows: &[f32], width: usize) -> Vec<f32> {
    let mut out = rows.to_vec();
    for row in out.chunks_exact_mut(width.max(1)) {
        let norm = row.iter().map(|value| value * value).sum::<f32>().sqrt();
        let scale = if norm > 0.0 { 1.0 / norm } else { 0.0 };
        row.iter_mut().for_each(|value| *value *= scale);
    }
    out
}

pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    // Eight sums at once, which the compiler keeps in one register.
    let mut sums = [0f32; 8];
    let (a_chunks, b_chunks) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = a_chunks
        .remainder()
        .iter()
        .zip(b_chunks.remainder())
        .map(|(x, y)| x * y)
        .sum();
    for (x, y) in a_chunks.zip(b_chunks) {
        for ((sum, x), y) in sums.iter_mut().zip(x).zip(y) {
            *sum += x * y;
        }
    }
    sums.iter().sum::<f32>() + rest
}

/// Row `index` of `[n, width]`.
pub fn row(rows: &[f32], index: usize, width: usize) -> &[f32] {
    rows.get(index * width..(index + 1) * width)
        .unwrap_or_default()
}

/// Indices of the k largest scores, sorted; among equals the lower index wins. NaN is smallest.
pub fn top_k(scores: &[f32], k: usize) -> Vec<usize> {
    let mut order: Vec<usize> = ranking(scores);
    order.truncate(k);
    order.sort_unstable();
    order
}

/// Indices from the largest score to the smallest; among equals the lower index comes first.
pub fn ranking(scores: &[f32]) -> Vec<usize> {
    let at = |index: usize| {
        let score = scores.get(index).copied().unwrap_or(f32::NEG_INFINITY);
        // Zeros of either sign are equal, and NaN is smallest.
        if score.is_nan() {
            f32::NEG_INFINITY
        } else {
            score + 0.0
        }
    };
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| at(b).total_cmp(&at(a)));
    order
}

/// Index of the largest score, the lowest among equals; `None` when there is none.
pub fn argmax(scores: impl IntoIterator<Item = f32>) -> Option<usize> {
    let mut best: Option<(usize, f32)> = None;
    for (index, score) in scores.into_iter().enumerate() {
        if best.is_none_or(|(_, top)| score > top) {
            best = Some((index, score));
        }
    }
    best.map(|(index, _)| index)
}

/// The greedy loop of DivPrune and ZOO-Prune: beginning with `first`, takes k times the token with
/// the largest product of weight and smallest distance (one minus cosine) to those taken.
///
/// `unit` is `[n, width]` of unit rows; returns the indices in the order taken.
pub fn max_min(unit: &[f32], width: usize, weights: &[f32], first: usize, k: usize) -> Vec<usize> {
    let n = weights.len();
    let mut taken = Vec::with_capacity(k.min(n));
    let mut free = vec![true; n];
    let mut nearest = vec![f32::INFINITY; n];
    let mut next = Some(first).filter(|&first| first < n && k > 0);
    while let Some(token) = next {
        taken.push(token);
        if let Some(slot) = free.get_mut(token) {
            *slot = false;
        }
        if taken.len() == k.min(n) {
            break;
        }
        let chosen = row(unit, token, width);
        for (index, slot) in nearest.iter_mut().enumerate() {
            *slot = slot.min(1.0 - dot(chosen, row(unit, index, width)));
        }
        next = argmax(
            nearest
                .iter()
                .zip(weights)
                .zip(&free)
                .map(|((distance, weight), free)| {
                    if *free {
                        weight * distance
                    } else {
                        f32::NEG_INFINITY
                    }
                }),
        );
    }
    taken
}

/// Scales to 0..=1 by the smallest and the largest; all ones when they are equal.
pub fn min_max(scores: &[f32]) -> Vec<f32> {
    let low = scores.iter().copied().fold(f32::INFINITY, f32::min);
    let high = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let span = high - low;
    scores
        .iter()
        .map(|score| {
            if span > 0.0 {
                (score - low) / span
            } else {
                1.0
            }
        })
        .collect()
}

/// The indices of `0..n` that are not in `sorted`.
pub fn complement(sorted: &[usize], n: usize) -> Vec<usize> {
    let mut rest = Vec::with_capacity(n.saturating_sub(sorted.len()));
    let mut kept = sorted.iter().copied().peekable();
    for index in 0..n {
        if kept.peek() == Some(&index) {
            kept.next();
        } else {
            rest.push(index);
        }
    }
    rest
}

/// For each row of `queries` the row of `targets` with the largest product; 0 without targets.
pub fn nearest(queries: &[f32], targets: &[f32], width: usize) -> Vec<usize> {
    queries
        .chunks_exact(width.max(1))
        .map(|query| {
            let cosines = targets
                .chunks_exact(width.max(1))
                .map(|target| dot(query, target));
            argmax(cosines).unwrap_or(0)
        })
        .collect()
}

/// Gathers rows of `[n, width]`.
pub fn gather(rows: &[f32], indices: &[usize], width: usize) -> Vec<f32> {
    indices
        .iter()
        .flat_map(|&index| row(rows, index, width).iter().copied())
        .collect()
}
