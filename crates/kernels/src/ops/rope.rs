use burn::tensor::Tensor;
#[cfg(feature = "reference")]
use burn::tensor::s;

use super::Heads;

/// The angles of all positions, on the device.
///
/// Both are `[positions, head_dim]`, the first half of `sin` negated, so that a rotation is
/// `x * cos + swap_halves(x) * sin`.
#[derive(Debug, Clone)]
pub struct RopeTables {
    /// Cosines, each half the same.
    pub cos: Tensor<2>,
    /// Sines, the first half negated.
    pub sin: Tensor<2>,
}

impl RopeTables {
    /// Rotates `[heads, tokens, head_dim]` at positions from `start` on; element `i` turns with
    /// element `i + head_dim / 2`.
    #[cfg(feature = "reference")]
    pub fn rotate(&self, x: Tensor<3>, start: usize) -> Tensor<3> {
        let [_, tokens, head_dim] = x.dims();
        let half = head_dim / 2;
        let first = x.clone().narrow(2, 0, half);
        let second = x.clone().narrow(2, half, half);
        let rows = |table: &Tensor<2>| table.clone().narrow(0, start, tokens).unsqueeze_dim(0);
        x * rows(&self.cos) + Tensor::cat(vec![second, first], 2) * rows(&self.sin)
    }
}

/// Rotates queries and keys (arXiv 2104.09864) and puts keys and values into the cache at
/// positions `start..start + tokens`, in place where nobody else holds it.
///
/// `qkv` is `[tokens, (heads + 2 kv_heads) * head_dim]`, `keys` and `values` are
/// `[kv_heads, capacity, head_dim]`. Returns queries `[tokens, heads * head_dim]`, keys and values.
pub fn rope_append(
    qkv: Tensor<2>,
    heads: Heads,
    rope: &RopeTables,
    start: usize,
    keys: Tensor<3>,
    values: Tensor<3>,
) -> (Tensor<2>, Tensor<3>, Tensor<3>) {
    // The kernel writes in place whoever else holds the cache, so nobody may.
    #[cfg(feature = "gpu")]
    let (keys, values) = {
        let (keys, alone) = crate::gpu::is_alone(keys);
        let (values, both) = crate::gpu::is_alone(values);
        if alone && both {
            let angles = [&rope.cos, &rope.sin];
            let out = crate::gpu::rope_append(qkv.clone(), heads, angles, start, &keys, &values);
            if let Ok(queries) = out {
                return (queries, keys, values);
            }
        }
        (keys, values)
    };
    #[cfg(feature = "cpu")]
    let (qkv, keys, values) = match on_host(qkv, heads, rope, start, keys, values) {
        Ok(done) => return done,
        Err(operands) => operands,
    };
    otherwise!(reference(qkv, heads, rope, start, keys, values))
}

/// The fused projection or what was made of it, keys and values.
#[cfg(feature = "cpu")]
pub(super) type Operands = (Tensor<2>, Tensor<3>, Tensor<3>);

#[cfg(feature = "cpu")]
#[allow(clippy::result_large_err, reason = "the caller has the tensors back")]
fn on_host(
    qkv: Tensor<2>,
    heads: Heads,
    rope: &RopeTables,
    start: usize,
    keys: Tensor<3>,
    values: Tensor<3>,
) -> Result<Operands, Operands> {
    let tokens = qkv.dims()[0];
    with_host(
        (qkv, keys, values),
        rope,
        |qkv, [cos, sin], keys, values| {
            let rows = start * heads.head_dim..(start + tokens) * heads.head_dim;
            let mut queries = vec![0.0; tokens * heads.query_columns()];
            let (cos, sin) = (cos.get(rows.clone())?, sin.get(rows)?);
            crate::cpu::rope_append(qkv, heads, cos, sin, start, keys, values, &mut queries);
            Some(super::host::tensor(
                queries,
                [tokens, heads.query_columns()],
            ))
        },
    )
}

/// Runs `job` on the projection, cosines and sines, keys and values where all of them lie in this
/// memory. `job` writes keys and values in place, and gives `None` for shapes that do not fit.
#[cfg(feature = "cpu")]
#[allow(clippy::result_large_err, reason = "the caller has the tensors back")]
pub(super) fn with_host(
    (qkv, keys, values): Operands,
    rope: &RopeTables,
    job: impl FnOnce(&[f32], [&[f32]; 2], &mut [f32], &mut [f32]) -> Option<Tensor<2>>,
) -> Result<Operands, Operands> {
    use super::host::{HostTensor, take, view};
    let (Some(cos), Some(sin)) = (view(&rope.cos), view(&rope.sin)) else {
        return Err((qkv, keys, values));
    };
    let qkv = match take(qkv) {
        Ok(qkv) => qkv,
        Err(qkv) => return Err((qkv, keys, values)),
    };
    let (mut keys, mut values) = match (take(keys), take(values)) {
        (Ok(keys), Ok(values)) => (keys, values),
        (keys, values) => {
            let back = |taken: Result<HostTensor, Tensor<3>>| {
                taken.map_or_else(|tensor| tensor, HostTensor::into_tensor)
            };
            return Err((qkv.into_tensor(), back(keys), back(values)));
        }
    };
    let angles = [cos.values(), sin.values()];
    let made = job(qkv.values(), angles, keys.values_mut(), values.values_mut());
    match made {
        Some(made) => Ok((made, keys.into_tensor(), values.into_tensor())),
        None => Err((qkv.into_tensor(), keys.into_tensor(), values.into_tensor())),
    }
}

#[cfg(feature = "reference")]
pub(super) fn reference(
    qkv: Tensor<2>,
    heads: Heads,
    rope: &RopeTables,
    start: usize,
    keys: Tensor<3>,
    values: Tensor<3>,
) -> (Tensor<2>, Tensor<3>, Tensor<3>) {
    let tokens = qkv.dims()[0];
    let Heads {
        heads,
        kv_heads,
        head_dim,
    } = heads;
    // [tokens, heads + 2 kv_heads, head_dim] -> heads first
    let qkv = qkv
        .reshape([tokens, heads + 2 * kv_heads, head_dim])
        .swap_dims(0, 1);
    let turned = rope.rotate(qkv.clone().narrow(0, 0, heads + kv_heads), start);
    let queries = turned
        .clone()
        .narrow(0, 0, heads)
        .swap_dims(0, 1)
        .reshape([tokens, heads * head_dim]);
    let end = start + tokens;
    let new_keys = turned.narrow(0, heads, kv_heads);
    let new_values = qkv.narrow(0, heads + kv_heads, kv_heads);
    (
        queries,
        keys.slice_assign(s![.., start..end, ..], new_keys),
        values.slice_assign(s![.., start..end, ..], new_values),
    )
}
