//! The keeping kernels in plain Rust, in double precision: each rule by its definition.

use super::DROPPED;

/// What the first token attends to, mean over the heads, in a projection `[tokens, 3 heads *
/// head_dim]`: `[tokens]`.
pub fn cls_attention(qkv: &[f32], heads: usize, head_dim: usize) -> Vec<f64> {
    let columns = heads * head_dim;
    let rows: Vec<&[f32]> = qkv.chunks_exact(3 * columns).collect();
    let mut mean = vec![0.0; rows.len()];
    for head in 0..heads {
        let query = &rows[0][head * head_dim..][..head_dim];
        let weights: Vec<f64> = rows
            .iter()
            .map(|row| {
                let key = &row[columns + head * head_dim..][..head_dim];
                let pairs = query.iter().zip(key);
                let product: f64 = pairs.map(|(q, k)| f64::from(*q) * f64::from(*k)).sum();
                (product / (head_dim as f64).sqrt()).exp()
            })
            .collect();
        let sum: f64 = weights.iter().sum();
        for (mean, weight) in mean.iter_mut().zip(weights) {
            *mean += weight / (sum * heads as f64);
        }
    }
    mean
}

/// What becomes of each token when the leading ones and the `keep` others with the largest scores
/// `[tokens]` stay.
pub fn keep_largest(scores: &[f64], leading: usize, keep: usize) -> Vec<u32> {
    let mut order: Vec<usize> = (leading..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    order.truncate(keep);
    keep_at(&order, leading, scores.len())
}

/// What becomes of each of `tokens` tokens when the leading ones and those in `kept` stay.
pub fn keep_at(kept: &[usize], leading: usize, tokens: usize) -> Vec<u32> {
    let mut output = 0;
    (0..tokens)
        .map(|token| {
            if token >= leading && !kept.contains(&token) {
                return DROPPED;
            }
            output += 1;
            output - 1
        })
        .collect()
}

/// What becomes of each token of `rows` `[tokens, width]` when the leading ones and `keep` others
/// stay, one after the other the one with the largest product of weight and distance to those taken.
pub fn diverse(
    rows: &[f32],
    width: usize,
    leading: usize,
    weights: Option<&[f32]>,
    keep: usize,
) -> Vec<u32> {
    let units: Vec<Vec<f64>> = rows
        .chunks_exact(width)
        .map(|row| {
            let row: Vec<f64> = row.iter().map(|x| f64::from(*x)).collect();
            let norm = row.iter().map(|x| x * x).sum::<f64>().sqrt();
            let scale = if norm > 0.0 { 1.0 / norm } else { 0.0 };
            row.into_iter().map(|x| x * scale).collect()
        })
        .collect();
    let distance = |a: usize, b: usize| {
        let products = units[a].iter().zip(&units[b]).map(|(a, b)| a * b);
        1.0 - products.sum::<f64>()
    };
    let tokens = units.len();
    let nearest = |token: usize, others: &[usize]| {
        let others = others.iter().filter(|other| **other != token);
        others.fold(f64::INFINITY, |least, &other| {
            least.min(distance(token, other))
        })
    };
    let all: Vec<usize> = (leading..tokens).collect();
    let first: Vec<f64> = match weights {
        Some(weights) => weights.iter().map(|weight| f64::from(*weight)).collect(),
        None => all.iter().map(|&token| nearest(token, &all)).collect(),
    };
    let low = first.iter().copied().fold(f64::INFINITY, f64::min);
    let high = first.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weight = |token: usize| match weights {
        Some(_) if high > low => (first[token - leading] - low) / (high - low),
        _ => 1.0,
    };
    let mut taken = Vec::new();
    while taken.len() < keep {
        let mut best = (0, f64::NEG_INFINITY);
        for &token in all.iter().filter(|token| !taken.contains(*token)) {
            let value = match taken.is_empty() {
                true => first[token - leading],
                false => weight(token) * nearest(token, &taken),
            };
            if value > best.1 {
                best = (token, value);
            }
        }
        taken.push(best.0);
    }
    keep_at(&taken, leading, tokens)
}

/// The sum of the dropped tokens of `x` `[tokens, width]` by their scores.
pub fn fused(x: &[f32], width: usize, scores: &[f64], goes: &[u32]) -> Vec<f64> {
    let mut sum = vec![0.0; width];
    for ((row, score), _) in x
        .chunks_exact(width)
        .zip(scores)
        .zip(goes)
        .filter(|(_, output)| **output == DROPPED)
    {
        for (sum, x) in sum.iter_mut().zip(row) {
            *sum += score * f64::from(*x);
        }
    }
    sum
}

/// How far apart the probes `[2 count, width]` of each token are.
pub fn lengths(rows: &[f32], width: usize) -> Vec<f64> {
    let (ahead, back) = rows.split_at(rows.len() / 2);
    ahead
        .chunks_exact(width)
        .zip(back.chunks_exact(width))
        .map(|(a, b)| {
            let pairs = a.iter().zip(b);
            let squares: f64 = pairs.map(|(a, b)| f64::from(a - b).powi(2)).sum();
            squares.sqrt()
        })
        .collect()
}
