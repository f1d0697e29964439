//! Branches that take one another's place in the cache.

use lexigraft_kernels::cpu::Heads;
use lexigraft_kernels::gpu::{self, twin};

use crate::common::Random;
use crate::support::{assert_within, read, tensor};

/// Heads whose rows may be bound where they lie, heads whose rows are copied, and heads that the
/// single-token kernel does not take.
#[test]
fn branches_get_what_they_would_get_alone() {
    let mut random = Random(5);
    let shapes = [(9, 3, 64), (3, 1, 24), (4, 2, 12), (2, 2, 128)];
    let cases: [&[(usize, usize)]; 4] = [
        &[(5, 3), (6, 1), (6, 4)],
        &[(0, 2), (0, 1), (1, 2), (3, 1)],
        &[(70, 1), (70, 1), (70, 1)],
        &[(600, 1), (600, 2), (602, 9), (605, 1)],
    ];
    for (heads, kv_heads, head_dim) in shapes {
        let shape = Heads {
            heads,
            kv_heads,
            head_dim,
        };
        for branches in cases {
            let what = format!("{shape:?}, {branches:?}");
            let end = branches.iter().map(|(start, tokens)| start + tokens);
            let capacity = end.max().unwrap() + 2;
            let flat = |values: &[f32], rows: usize| tensor(values, [rows, values.len() / rows]);
            let cache = [kv_heads, capacity, head_dim];
            let [mut keys, mut values] =
                [0, 1].map(|_| random.activations(kv_heads * capacity * head_dim));
            let [cos, sin] = [0, 1].map(|_| random.activations(capacity * head_dim));
            let rows = branches.iter().map(|(_, tokens)| tokens).sum();
            let qkv = random.activations(rows * shape.columns());
            let (k, v) = (tensor(&keys, cache), tensor(&values, cache));
            let (c, s) = (flat(&cos, capacity), flat(&sin, capacity));
            let out =
                gpu::branch_attention(flat(&qkv, rows), shape, [&c, &s], branches, &k, &v).unwrap();

            let (mut expected, mut first) = (Vec::new(), 0);
            for (start, tokens) in branches.iter().copied() {
                let part = &qkv[first * shape.columns()..][..tokens * shape.columns()];
                let angles = [&cos, &sin].map(|table| &table[..(start + tokens) * head_dim]);
                let queries;
                (queries, keys, values) =
                    twin::rope_append(part, shape, angles, start, [&keys, &values]);
                expected.extend(twin::attention(
                    &queries, &keys, &values, shape, capacity, start,
                ));
                first += tokens;
            }
            assert_within(&what, &read(out), &expected, 2e-5);
            let wide = |x: &[f32]| -> Vec<f64> { x.iter().map(|x| f64::from(*x)).collect() };
            assert_within(&what, &read(k), &wide(&keys), 2e-6);
            assert_within(&what, &read(v), &wide(&values), 0.0);

            let wrong = gpu::branch_attention(
                flat(&qkv, rows),
                shape,
                [&c, &s],
                &branches[1..],
                &tensor(&keys, cache),
                &tensor(&values, cache),
            );
            assert_eq!(wrong.unwrap_err().code(), "invalid-argument");
        }
    }
}
