use burn::tensor::Tensor;

use super::{CausalMask, Heads, RopeTables};

/// [`append_attention`](super::append_attention) of several branches at once, of which each takes
/// the place of what was cached from its first position on.
///
/// `qkv` `[rows, (heads + 2 kv_heads) * head_dim]` holds the rows of one branch after the other; a
/// mask tells of the positions of each. Returns the mixed values `[rows, heads * head_dim]`, and
/// keys and values with the branches as they were written, later ones over earlier ones. Each
/// branch gets the very values that it would get alone.
pub fn branch_attention(
    qkv: Tensor<2>,
    heads: Heads,
    rope: &RopeTables,
    masks: &[CausalMask],
    keys: Tensor<3>,
    values: Tensor<3>,
) -> (Tensor<2>, Tensor<3>, Tensor<3>) {
    // The kernel writes in place whoever else holds the cache, so nobody may.
    #[cfg(feature = "gpu")]
    let (keys, values) = {
        use crate::gpu;
        let (keys, alone) = gpu::is_alone(keys);
        let (values, both) = gpu::is_alone(values);
        if alone && both {
            let branches: Vec<(usize, usize)> = masks.iter().map(CausalMask::positions).collect();
            let angles = [&rope.cos, &rope.sin];
            let out = gpu::branch_attention(qkv.clone(), heads, angles, &branches, &keys, &values);
            if let Ok(mixed) = out {
                return (mixed, keys, values);
            }
        }
        (keys, values)
    };
    #[cfg(feature = "cpu")]
    let (qkv, keys, values) = match on_host(qkv, heads, rope, masks, keys, values) {
        Ok(done) => return done,
        Err(operands) => operands,
    };
    otherwise!(reference(qkv, heads, rope, masks, keys, values))
}

#[cfg(feature = "cpu")]
#[allow(clippy::result_large_err, reason = "the caller has the tensors back")]
fn on_host(
    qkv: Tensor<2>,
    heads: Heads,
    rope: &RopeTables,
    masks: &[CausalMask],
    keys: Tensor<3>,
    values: Tensor<3>,
) -> Result<super::rope::Operands, super::rope::Operands> {
    use super::host::{check, tensor};
    use crate::cpu::Instructions;
    super::rope::with_host(
        (qkv, keys, values),
        rope,
        |qkv, [cos, sin], keys, values| {
            let rows = qkv.len() / heads.columns().max(1);
            let mut mixed = vec![0.0; rows * heads.query_columns()];
            let mut queries = vec![0.0; mixed.len()];
            let mut first = 0;
            for (start, tokens) in masks.iter().map(CausalMask::positions) {
                let end = first + tokens;
                let of = |width: usize| first * width..end * width;
                let turns = start * heads.head_dim..(start + tokens) * heads.head_dim;
                let queries = queries.get_mut(of(heads.query_columns()))?;
                crate::cpu::rope_append(
                    qkv.get(of(heads.columns()))?,
                    heads,
                    cos.get(turns.clone())?,
                    sin.get(turns)?,
                    start,
                    keys,
                    values,
                    queries,
                );
                let out = mixed.get_mut(of(heads.query_columns()))?;
                let best = Instructions::best();
                check(crate::cpu::attention(
                    queries, keys, values, heads, start, out, best,
                ));
                first = end;
            }
            (first == rows).then(|| tensor(mixed, [rows, heads.query_columns()]))
        },
    )
}

#[cfg(feature = "reference")]
pub(super) fn reference(
    qkv: Tensor<2>,
    heads: Heads,
    rope: &RopeTables,
    masks: &[CausalMask],
    mut keys: Tensor<3>,
    mut values: Tensor<3>,
) -> (Tensor<2>, Tensor<3>, Tensor<3>) {
    let (mut mixed, mut first) = (Vec::with_capacity(masks.len()), 0);
    for mask in masks {
        let (start, tokens) = mask.positions();
        let part = qkv.clone().narrow(0, first, tokens);
        let queries;
        (queries, keys, values) = super::rope::reference(part, heads, rope, start, keys, values);
        mixed.push(super::attention::reference(
            queries, &keys, &values, heads, mask,
        ));
        first += tokens;
    }
    (Tensor::cat(mixed, 0), keys, values)
}
