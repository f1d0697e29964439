//! What token reduction sees of a block, on the host.

/// Hidden states, keys and the attention of CLS of one picture's tokens.
#[derive(Debug, Clone)]
pub struct Judged {
    /// Hidden states after the attention's residual, `[tokens, hidden]`.
    pub hidden: Vec<f32>,
    /// Keys, mean over the heads, `[tokens, head_dim]`.
    pub keys: Vec<f32>,
    pub head_dim: usize,
    /// Attention of CLS over all tokens, mean over the heads, `[tokens]`.
    pub cls_attention: Vec<f32>,
}

impl Judged {
    /// `qkv` is `[tokens, 3 heads * head_dim]`: queries of all heads, their keys, their values.
    pub(super) fn new(
        hidden: Vec<f32>,
        qkv: &[f32],
        [heads, head_dim]: [usize; 2],
        log_sizes: Option<&[f32]>,
    ) -> Self {
        let width = heads * head_dim;
        let row = |part: usize| {
            let rows = qkv.chunks_exact((3 * width).max(1));
            rows.map(move |row| {
                row.get(part * width..(part + 1) * width)
                    .unwrap_or_default()
            })
        };
        let mut keys = Vec::with_capacity(hidden.len() / heads.max(1));
        for key in row(1) {
            let start = keys.len();
            keys.resize(start + head_dim, 0.0);
            if let Some(mean) = keys.get_mut(start..) {
                for head in key.chunks_exact(head_dim.max(1)) {
                    for (mean, key) in mean.iter_mut().zip(head) {
                        *mean += key;
                    }
                }
                mean.iter_mut().for_each(|mean| *mean /= heads as f32);
            }
        }
        let mut cls_attention = vec![0.0; qkv.len() / (3 * width).max(1)];
        let query = row(0).next().unwrap_or_default();
        let scale = (head_dim as f32).sqrt().recip();
        for (head, query) in query.chunks_exact(head_dim.max(1)).enumerate() {
            let mut scores: Vec<f32> = row(1)
                .map(|key| {
                    let key = key.get(head * head_dim..).unwrap_or_default();
                    query.iter().zip(key).map(|(q, k)| q * k).sum::<f32>() * scale
                })
                .collect();
            for (score, size) in scores.iter_mut().zip(log_sizes.unwrap_or_default()) {
                *score += size;
            }
            let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let sum: f32 = scores.iter().map(|score| (score - largest).exp()).sum();
            for (mean, score) in cls_attention.iter_mut().zip(&scores) {
                *mean += (score - largest).exp() / (sum * heads as f32);
            }
        }
        Self {
            hidden,
            keys,
            head_dim,
            cls_attention,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Judged;

    /// The equations, in f64, over two heads of two elements and three tokens.
    #[test]
    fn keys_are_means_and_attention_sums_to_one() {
        let qkv: Vec<f32> = (0..36).map(|i| (i as f32 * 0.9).sin()).collect();
        let log_sizes = [0.0, 2f32.ln(), 0.0];
        let judged = Judged::new(vec![0.0; 12], &qkv, [2, 2], Some(&log_sizes));
        let at = |token: usize, part: usize, head: usize, i: usize| {
            f64::from(qkv[token * 12 + part * 4 + head * 2 + i])
        };
        let mut attention = [0.0f64; 3];
        for head in 0..2 {
            let weights = [0, 1, 2].map(|token| {
                let dot: f64 = (0..2)
                    .map(|i| at(0, 0, head, i) * at(token, 1, head, i))
                    .sum();
                (dot / 2f64.sqrt()).exp() * f64::from(log_sizes[token]).exp()
            });
            let sum: f64 = weights.iter().sum();
            for (mean, weight) in attention.iter_mut().zip(weights) {
                *mean += weight / sum / 2.0;
            }
        }
        for (token, want) in attention.iter().enumerate() {
            assert!((f64::from(judged.cls_attention[token]) - want).abs() < 1e-6);
            for i in 0..2 {
                let mean = (at(token, 1, 0, i) + at(token, 1, 1, i)) / 2.0;
                assert!((f64::from(judged.keys[token * 2 + i]) - mean).abs() < 1e-6);
            }
        }
        assert!((judged.cls_attention.iter().sum::<f32>() - 1.0).abs() < 1e-6);
    }
}
