//! The merging kernels in plain Rust, in double precision: each rule by its definition.

/// What bipartite soft matching makes of each token, from the rows of a projection `[tokens, 3 heads
/// * head_dim]`.
pub fn bipartite(
    qkv: &[f32],
    heads: usize,
    head_dim: usize,
    leading: usize,
    merges: usize,
) -> Vec<u32> {
    let columns = heads * head_dim;
    let keys: Vec<Vec<f64>> = qkv
        .chunks_exact(3 * columns)
        .map(|row| {
            let keys = &row[columns..2 * columns];
            let sum = |i: usize| -> f64 {
                let parts = keys.chunks_exact(head_dim);
                parts.map(|part| f64::from(part[i])).sum()
            };
            unit((0..head_dim).map(sum).collect())
        })
        .collect();
    let tokens = keys.len();
    let sources: Vec<usize> = (leading + 1..tokens).step_by(2).collect();
    let targets: Vec<usize> = (leading..tokens).step_by(2).collect();
    let mut pairs: Vec<(usize, usize, f64)> = sources
        .iter()
        .map(|&source| {
            let mut best = (source, 0, f64::NEG_INFINITY);
            for (number, &target) in targets.iter().enumerate() {
                let product = keys[source].iter().zip(&keys[target]).map(|(a, b)| a * b);
                let product: f64 = product.sum();
                if product > best.2 {
                    best = (source, number, product);
                }
            }
            best
        })
        .collect();
    pairs.sort_by(|a, b| b.2.total_cmp(&a.2));
    let merged = &pairs[..merges];
    let mut goes: Vec<u32> = (0..tokens as u32).collect();
    let mut output = leading as u32;
    for &source in &sources {
        if !merged.iter().any(|pair| pair.0 == source) {
            goes[source] = output;
            output += 1;
        }
    }
    for (number, &target) in targets.iter().enumerate() {
        goes[target] = output + number as u32;
    }
    for &(source, number, _) in merged {
        goes[source] = output + number as u32;
    }
    goes
}

/// What Ward's criterion makes of each token of `x` `[tokens, width]`: all means and costs anew for
/// each merge.
pub fn ward(x: &[f32], width: usize, sizes: &[f32], leading: usize, merges: usize) -> Vec<u32> {
    let mut unions: Vec<(Vec<usize>, f64, Vec<f64>)> = x
        .chunks_exact(width)
        .zip(sizes)
        .enumerate()
        .skip(leading)
        .map(|(token, (row, size))| {
            let row = row.iter().map(|x| f64::from(*x)).collect();
            (vec![token], f64::from(*size), unit(row))
        })
        .collect();
    for _ in 0..merges {
        let mut best = (0, 0, f64::INFINITY);
        for (a, (_, size_a, mean_a)) in unions.iter().enumerate() {
            for (b, (_, size_b, mean_b)) in unions.iter().enumerate().skip(a + 1) {
                let apart = mean_a.iter().zip(mean_b).map(|(a, b)| (a - b).powi(2));
                let cost = apart.sum::<f64>() * size_a * size_b / (size_a + size_b);
                if cost < best.2 {
                    best = (a, b, cost);
                }
            }
        }
        let (tokens, size, mean) = unions.remove(best.1);
        let kept = &mut unions[best.0];
        for (own, other) in kept.2.iter_mut().zip(mean) {
            *own = (*own * kept.1 + other * size) / (kept.1 + size);
        }
        kept.1 += size;
        kept.0.extend(tokens);
    }
    let mut goes: Vec<u32> = (0..sizes.len() as u32).collect();
    for (number, (tokens, ..)) in unions.iter().enumerate() {
        for &token in tokens {
            goes[token] = (leading + number) as u32;
        }
    }
    goes
}

/// The outputs' means by size of `x` `[tokens, width]`, and their sizes.
pub fn means(x: &[f32], width: usize, sizes: &[f32], goes: &[u32]) -> (Vec<f64>, Vec<f64>) {
    let outputs = goes.iter().max().map_or(0, |last| *last as usize + 1);
    let (mut means, mut whole) = (vec![0.0; outputs * width], vec![0.0; outputs]);
    for ((row, size), &output) in x.chunks_exact(width).zip(sizes).zip(goes) {
        let output = output as usize;
        whole[output] += f64::from(*size);
        for (mean, x) in means[output * width..].iter_mut().zip(row) {
            *mean += f64::from(*size) * f64::from(*x);
        }
    }
    for (row, whole) in means.chunks_exact_mut(width).zip(&whole) {
        row.iter_mut().for_each(|mean| *mean /= whole);
    }
    (means, whole)
}

/// Attention of every token to every other, each as often as its size says: `[tokens, 3 heads *
/// head_dim] -> [tokens, heads * head_dim]`.
pub fn sized_attention(qkv: &[f32], heads: usize, head_dim: usize, sizes: &[f32]) -> Vec<f64> {
    let columns = heads * head_dim;
    let part = |token: usize, part: usize, head: usize| {
        let start = token * 3 * columns + part * columns + head * head_dim;
        &qkv[start..start + head_dim]
    };
    let mut out = Vec::new();
    for token in 0..sizes.len() {
        for head in 0..heads {
            let weights: Vec<f64> = (0..sizes.len())
                .map(|other| {
                    let pairs = part(token, 0, head).iter().zip(part(other, 1, head));
                    let product: f64 = pairs.map(|(q, k)| f64::from(*q) * f64::from(*k)).sum();
                    f64::from(sizes[other]) * (product / (head_dim as f64).sqrt()).exp()
                })
                .collect();
            let sum: f64 = weights.iter().sum();
            out.extend((0..head_dim).map(|i| {
                let values = weights.iter().enumerate();
                let value = |other: usize| f64::from(part(other, 2, head)[i]);
                values
                    .map(|(other, weight)| weight * value(other))
                    .sum::<f64>()
                    / sum
            }));
        }
    }
    out
}

fn unit(row: Vec<f64>) -> Vec<f64> {
    let norm = row.iter().map(|x| x * x).sum::<f64>().sqrt();
    let scale = if norm > 0.0 { 1.0 / norm } else { 0.0 };
    row.into_iter().map(|x| x * scale).collect()
}
