//! The kernels of this module in plain Rust, in double precision, for tests and
//! [`self_test`](super::self_test()).
//!
//! Slices are row-major; shapes are those of the kernels.

pub use super::reducing::keeping_twin::{
    cls_attention, diverse, fused, keep_at, keep_largest, lengths,
};
pub use super::reducing::merging_twin::{bipartite, means, sized_attention, ward};
use crate::cpu::Heads;

/// `x Wᵀ` with a dequantised `weight` `[rows, cols]`.
pub fn product(x: &[f32], weight: &[f32], cols: usize) -> Vec<f64> {
    let dot = |x: &[f32], w: &[f32]| -> f64 {
        x.iter()
            .zip(w)
            .map(|(x, w)| f64::from(*x) * f64::from(*w))
            .sum()
    };
    x.chunks_exact(cols)
        .flat_map(|x| weight.chunks_exact(cols).map(move |w| dot(x, w)))
        .collect()
}

/// `x / sqrt(mean(x²) + eps) * gain`.
pub fn rms_norm(x: &[f32], gain: &[f32], eps: f64) -> Vec<f64> {
    x.chunks_exact(gain.len())
        .flat_map(|x| {
            let squares: f64 = x.iter().map(|x| f64::from(*x) * f64::from(*x)).sum();
            let scale = (squares / gain.len() as f64 + eps).sqrt().recip();
            x.iter()
                .zip(gain)
                .map(move |(x, gain)| f64::from(*x) * scale * f64::from(*gain))
        })
        .collect()
}

/// `silu(gate) * up` of rows of `2 wide` elements.
pub fn swiglu(gate_up: &[f64], wide: usize) -> Vec<f64> {
    let silu = |x: f64| x / (1.0 + (-x).exp());
    gate_up
        .chunks_exact(2 * wide)
        .flat_map(|row| {
            let (gate, up) = row.split_at(wide);
            gate.iter()
                .zip(up)
                .map(|(gate, up)| silu(*gate) * up)
                .collect::<Vec<_>>()
        })
        .collect()
}

/// One head rotated: element `i` turns with element `i + half`.
pub fn rotate(x: &[f32], cos: &[f32], sin: &[f32]) -> Vec<f64> {
    let half = x.len() / 2;
    let (first, second) = x.split_at(half);
    let swapped = second.iter().chain(first);
    x.iter()
        .zip(swapped)
        .zip(cos.iter().zip(sin))
        .map(|((a, b), (c, s))| f64::from(*a) * f64::from(*c) + f64::from(*b) * f64::from(*s))
        .collect()
}

/// Rotated queries, and keys and values with the new ones in them. The tables hold all positions.
pub fn rope_append(
    qkv: &[f32],
    shape: Heads,
    [cos, sin]: [&[f32]; 2],
    start: usize,
    [keys, values]: [&[f32]; 2],
) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
    let Heads {
        heads,
        kv_heads,
        head_dim,
    } = shape;
    let capacity = keys.len() / (kv_heads * head_dim).max(1);
    let (mut keys, mut values) = (keys.to_vec(), values.to_vec());
    let mut queries = Vec::new();
    let all = heads + 2 * kv_heads;
    for (item, head) in qkv.chunks_exact(head_dim).enumerate() {
        let (token, index) = (item / all, item % all);
        let row = |table: &[f32]| -> Vec<f32> {
            table
                .iter()
                .skip((start + token) * head_dim)
                .take(head_dim)
                .copied()
                .collect()
        };
        let turned = rotate(head, &row(cos), &row(sin));
        let turned: Vec<f32> = turned.iter().map(|x| *x as f32).collect();
        if index < heads {
            queries.extend(turned);
            continue;
        }
        let (cache, head, new) = if index < heads + kv_heads {
            (&mut keys, index - heads, turned.as_slice())
        } else {
            (&mut values, index - heads - kv_heads, head)
        };
        let place = (head * capacity + start + token) * head_dim;
        if let Some(place) = cache.get_mut(place..place + head_dim) {
            place.copy_from_slice(new);
        }
    }
    (queries, keys, values)
}

/// Attention of the queries of positions `start..` over a cache of `capacity` positions.
pub fn attention(
    queries: &[f32],
    keys: &[f32],
    values: &[f32],
    shape: Heads,
    capacity: usize,
    start: usize,
) -> Vec<f64> {
    let Heads {
        heads,
        kv_heads,
        head_dim,
    } = shape;
    let scale = (head_dim as f64).sqrt().recip();
    let mut out = Vec::with_capacity(queries.len());
    for (item, query) in queries.chunks_exact(head_dim).enumerate() {
        let (token, head) = (item / heads, item % heads);
        let of_head = |cache: &[f32]| -> Vec<Vec<f64>> {
            cache
                .chunks_exact(head_dim)
                .skip(head / (heads / kv_heads) * capacity)
                .take(start + token + 1)
                .map(|row| row.iter().map(|x| f64::from(*x)).collect())
                .collect()
        };
        let scores: Vec<f64> = of_head(keys)
            .iter()
            .map(|key| {
                let dot = |(q, k): (&f32, &f64)| f64::from(*q) * k;
                query.iter().zip(key).map(dot).sum::<f64>() * scale
            })
            .collect();
        let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = scores.iter().map(|score| (score - most).exp()).collect();
        let total: f64 = weights.iter().sum();
        let mut mixed = vec![0.0; head_dim];
        for (weight, value) in weights.iter().zip(of_head(values)) {
            for (mixed, value) in mixed.iter_mut().zip(value) {
                *mixed += weight / total * value;
            }
        }
        out.extend(mixed);
    }
    out
}

/// The first of the largest elements of each row; NaN is never it.
pub fn argmax(x: &[f32], width: usize) -> Vec<Option<u32>> {
    x.chunks_exact(width)
        .map(|row| {
            let mut best = (None, f32::MIN);
            for (i, &x) in (0..).zip(row) {
                if x > best.1 {
                    best = (Some(i), x);
                }
            }
            best.0
        })
        .collect()
}

/// The `k` largest, the largest first and of equal ones the smaller id; NaN is never among them.
pub fn top_k(x: &[f32], k: usize) -> Vec<(u32, f32)> {
    let mut all: Vec<(u32, f32)> = (0..).zip(x.iter().copied()).collect();
    all.retain(|(_, x)| !x.is_nan());
    all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    all.truncate(k);
    all
}

/// Log-probability of one id a row.
pub fn target_log_probs(logits: &[f32], targets: &[u32]) -> Vec<f64> {
    let width = logits.len() / targets.len().max(1);
    let rows = logits.chunks_exact(width.max(1));
    rows.zip(targets)
        .map(|(row, &target)| {
            let row: Vec<f64> = row.iter().map(|x| f64::from(*x)).collect();
            let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = row.iter().map(|x| (x - most).exp()).sum();
            row.get(target as usize).copied().unwrap_or(f64::NAN) - most - sum.ln()
        })
        .collect()
}

/// The mean of all rows.
pub fn mean_rows(x: &[f32], width: usize) -> Vec<f64> {
    let rows = (x.len() / width.max(1)) as f64;
    let column = |column| x.iter().skip(column).step_by(width.max(1));
    (0..width)
        .map(|i| column(i).map(|x| f64::from(*x)).sum::<f64>() / rows)
        .collect()
}

/// Logarithms of the probabilities of segments; -1e30 for an empty one.
pub fn segment_log_probs(logits: &[f32], segments: &[Vec<u32>]) -> Vec<f64> {
    let of = |segment: &Vec<u32>| -> Vec<f64> {
        let logit = |&i: &u32| logits.get(i as usize).map(|x| f64::from(*x));
        segment.iter().filter_map(logit).collect()
    };
    let log_sum = |logits: &[f64]| {
        let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        most + logits.iter().map(|x| (x - most).exp()).sum::<f64>().ln()
    };
    let all: Vec<f64> = segments.iter().flat_map(of).collect();
    let all = log_sum(&all);
    segments
        .iter()
        .map(|segment| match of(segment).as_slice() {
            [] => -1e30,
            logits => log_sum(logits) - all,
        })
        .collect()
}

/// `(x - mean) / sqrt(variance + eps) * gain + bias`, biased variance.
pub fn layer_norm(x: &[f32], gain: &[f32], bias: &[f32], eps: f64) -> Vec<f64> {
    let width = gain.len() as f64;
    x.chunks_exact(gain.len())
        .flat_map(|x| {
            let mean = x.iter().map(|x| f64::from(*x)).sum::<f64>() / width;
            let centred = x.iter().map(|x| f64::from(*x) - mean);
            let variance = centred.clone().map(|x| x * x).sum::<f64>() / width;
            let scale = (variance + eps).sqrt().recip();
            centred
                .zip(gain.iter().zip(bias))
                .map(|(x, (gain, bias))| x * scale * f64::from(*gain) + f64::from(*bias))
                .collect::<Vec<_>>()
        })
        .collect()
}

/// `x sigmoid(1.702 x)`.
pub fn quick_gelu(x: f64) -> f64 {
    x / (1.0 + (-1.702 * x).exp())
}

/// `x Φ(x)`, by integrating the normal density with Simpson's rule.
pub fn gelu(x: f64) -> f64 {
    const STEPS: usize = 2000;
    // Beyond 12 there is nothing left of the tail.
    let z = x.abs().min(12.0);
    let step = z / STEPS as f64;
    let density = |i: usize| (-0.5 * (i as f64 * step).powi(2)).exp();
    let inner: f64 = (1..STEPS)
        .map(|i| density(i) * if i % 2 == 1 { 4.0 } else { 2.0 })
        .sum();
    let half = (density(0) + inner + density(STEPS)) * step / 3.0 / std::f64::consts::TAU.sqrt();
    let below = if x < 0.0 { 0.5 - half } else { 0.5 + half };
    x * below
}

/// Attention of every token to every other; rows hold queries, keys and values of all heads.
pub fn full_attention(qkv: &[f32], heads: usize, head_dim: usize) -> Vec<f64> {
    let columns = heads * head_dim;
    let tokens = qkv.len() / (3 * columns);
    let shape = Heads {
        heads,
        kv_heads: heads,
        head_dim,
    };
    // As a cache of all tokens that each of them sees whole.
    let part = |first: usize| -> Vec<f32> {
        let head = |head: usize| {
            qkv.chunks_exact(3 * columns).flat_map(move |row| {
                let from = first * columns + head * head_dim;
                row.iter().skip(from).take(head_dim).copied()
            })
        };
        (0..heads).flat_map(head).collect()
    };
    let (keys, values) = (part(1), part(2));
    qkv.chunks_exact(3 * columns)
        .flat_map(|row| {
            let query = row.get(..columns).unwrap_or_default();
            attention(query, &keys, &values, shape, tokens, tokens - 1)
        })
        .collect()
}
