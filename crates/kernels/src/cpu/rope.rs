//! Rotary positions (arXiv 2104.09864) and the write into the cache, in one pass.

/// How the columns of a fused query, key and value projection divide into heads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heads {
    /// Query heads; a multiple of [`kv_heads`](Self::kv_heads).
    pub heads: usize,
    /// Heads of keys and of values.
    pub kv_heads: usize,
    /// Elements of a head.
    pub head_dim: usize,
}

impl Heads {
    /// Columns of the fused projection.
    pub fn columns(self) -> usize {
        (self.heads + 2 * self.kv_heads) * self.head_dim
    }

    /// Columns of the queries.
    pub fn query_columns(self) -> usize {
        self.heads * self.head_dim
    }
}

/// Rotates queries and keys and puts keys and values into the cache.
///
/// `qkv` is `[tokens, columns]`; `cos` and `sin` are `[tokens, head_dim]`, the first half of `sin`
/// negated, so that a rotation is `x * cos + swap_halves(x) * sin`; `keys` and `values` are
/// `[kv_heads, capacity, head_dim]` and get rows `start..start + tokens`; `queries` is
/// `[tokens, heads * head_dim]`.
#[allow(clippy::too_many_arguments, reason = "the operands of one kernel")]
pub fn rope_append(
    qkv: &[f32],
    heads: Heads,
    cos: &[f32],
    sin: &[f32],
    start: usize,
    keys: &mut [f32],
    values: &mut [f32],
    queries: &mut [f32],
) {
    let dim = heads.head_dim.max(1);
    let capacity = keys.len() / (heads.kv_heads * dim).max(1);
    let rows = qkv.chunks_exact(heads.columns().max(1));
    let angles = cos.chunks_exact(dim).zip(sin.chunks_exact(dim));
    let queries = queries.chunks_exact_mut(heads.query_columns().max(1));
    for (token, ((row, (cos, sin)), queries)) in rows.zip(angles).zip(queries).enumerate() {
        let (q, kv) = row.split_at(heads.query_columns());
        let (k, v) = kv.split_at(heads.kv_heads * dim);
        for (q, out) in q.chunks_exact(dim).zip(queries.chunks_exact_mut(dim)) {
            rotate(q, cos, sin, out);
        }
        for (head, (k, v)) in k.chunks_exact(dim).zip(v.chunks_exact(dim)).enumerate() {
            let at = (head * capacity + start + token) * dim;
            if let Some(out) = keys.get_mut(at..at + dim) {
                rotate(k, cos, sin, out);
            }
            if let Some(out) = values.get_mut(at..at + dim) {
                out.copy_from_slice(v);
            }
        }
    }
}

/// Element `i` turns with element `i + head_dim / 2`.
#[inline(always)]
fn rotate(x: &[f32], cos: &[f32], sin: &[f32], out: &mut [f32]) {
    let half = x.len() / 2;
    let (first, second) = x.split_at(half);
    let swapped = second.iter().chain(first);
    for ((((out, x), other), cos), sin) in out.iter_mut().zip(x).zip(swapped).zip(cos).zip(sin) {
        *out = x * cos + other * sin;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_turn_and_values_are_copied() {
        let heads = Heads {
            heads: 2,
            kv_heads: 1,
            head_dim: 4,
        };
        let (tokens, capacity, start) = (2, 5, 3);
        let qkv: Vec<f32> = (0..tokens * heads.columns()).map(|i| i as f32).collect();
        // A quarter turn: (x, y) becomes (-y, x).
        let cos = [0.0; 8];
        let sin = [-1.0, -1.0, 1.0, 1.0, -1.0, -1.0, 1.0, 1.0];
        let mut keys = vec![f32::NAN; capacity * 4];
        let mut values = vec![f32::NAN; capacity * 4];
        let mut queries = vec![f32::NAN; tokens * 8];
        rope_append(
            &qkv,
            heads,
            &cos,
            &sin,
            start,
            &mut keys,
            &mut values,
            &mut queries,
        );
        assert_eq!(&queries[..8], &[-2., -3., 0., 1., -6., -7., 4., 5.]);
        assert_eq!(&keys[12..16], &[-10., -11., 8., 9.]);
        assert_eq!(&values[12..16], &[12., 13., 14., 15.]);
        assert_eq!(&values[16..], &[28., 29., 30., 31.]);
        assert!(keys[..12].iter().chain(&values[..12]).all(|x| x.is_nan()));
    }
}
