//! Rotations, caches and attention over them.

use lexigraft_kernels::cpu::Heads;
use lexigraft_kernels::gpu::{self, twin};

use crate::common::Random;
use crate::support::{assert_close, read, tensor};
#[test]
fn attention_over_caches_of_many_shapes_agrees() {
    let mut random = Random(17);
    for (heads, kv_heads, head_dim) in [(1, 1, 4), (4, 2, 20), (9, 3, 64), (6, 1, 96), (2, 2, 256)]
    {
        let shape = Heads {
            heads,
            kv_heads,
            head_dim,
        };
        let cases = [
            (0, 1),
            (0, 7),
            (5, 1),
            (63, 1),
            (64, 2),
            (100, 9),
            (511, 1),
            (512, 1),
            (1300, 1),
        ];
        for (start, tokens) in cases {
            let capacity = start + tokens + 3;
            let mut cache = || random.activations(kv_heads * capacity * head_dim);
            let (keys, values) = (cache(), cache());
            let queries = random.activations(tokens * heads * head_dim);
            // Sharp weights as well as flat ones.
            for magnitude in [1.0f32, 30.0] {
                let queries: Vec<f32> = queries.iter().map(|q| q * magnitude).collect();
                let expected = twin::attention(&queries, &keys, &values, shape, capacity, start);
                let [k, v] = [&keys, &values].map(|x| tensor(x, [kv_heads, capacity, head_dim]));
                let q = tensor(&queries, [tokens, heads * head_dim]);
                let out = gpu::attention(q, &k, &v, shape, start).unwrap();
                let what = format!("{shape:?}, {tokens} tokens at {start}, times {magnitude}");
                assert_close(&what, &read(out), &expected, |_| 2e-5);
            }
        }
    }
}

#[test]
fn rotations_and_steps_over_caches_of_many_shapes_agree() {
    let mut random = Random(21);
    for (heads, kv_heads, head_dim) in [(1, 1, 8), (4, 2, 24), (9, 3, 64), (6, 1, 128), (2, 2, 256)]
    {
        let shape = Heads {
            heads,
            kv_heads,
            head_dim,
        };
        let columns = (heads + 2 * kv_heads) * head_dim;
        for (start, tokens) in [
            (0, 1),
            (0, 5),
            (1, 1),
            (64, 1),
            (70, 3),
            (511, 1),
            (512, 1),
            (1500, 1),
        ] {
            let capacity = start + tokens + 2;
            let cache = [kv_heads, capacity, head_dim];
            let [keys, values] = [0, 1].map(|_| random.activations(kv_heads * capacity * head_dim));
            let qkv = random.activations(tokens * columns);
            // Angles make cosines and sines; their first halves repeat, the sines' negated.
            let mut angles = |f: fn(f32) -> f32, sign: f32| -> Vec<f32> {
                let half = random.activations((start + tokens) * head_dim / 2);
                let rows = half.chunks_exact(head_dim / 2);
                rows.flat_map(|row| {
                    let first = row.iter().map(move |x| sign * f(3.0 * x));
                    first.chain(row.iter().map(move |x| f(3.0 * x)))
                })
                .collect()
            };
            let (cos, sin) = (angles(f32::cos, 1.0), angles(f32::sin, -1.0));
            let (queries, new_keys, new_values) =
                twin::rope_append(&qkv, shape, [&cos, &sin], start, [&keys, &values]);
            let expected =
                twin::attention(&queries, &new_keys, &new_values, shape, capacity, start);
            let table = [start + tokens, head_dim];
            let (c, s) = (tensor(&cos, table), tensor(&sin, table));
            let what = format!("{shape:?}, {tokens} tokens at {start}");
            let wide = |x: &[f32]| -> Vec<f64> { x.iter().map(|x| f64::from(*x)).collect() };
            let run = |step: bool| {
                let (k, v) = (tensor(&keys, cache), tensor(&values, cache));
                let qkv = tensor(&qkv, [tokens, columns]);
                let mixed = if step {
                    gpu::attention_step(qkv, shape, [&c, &s], start, &k, &v).unwrap()
                } else {
                    let q = gpu::rope_append(qkv, shape, [&c, &s], start, &k, &v).unwrap();
                    assert_close(&what, &read(q.clone()), &wide(&queries), |_| 1e-6);
                    gpu::attention(q, &k, &v, shape, start).unwrap()
                };
                assert_close(&what, &read(mixed), &expected, |_| 2e-5);
                assert_close(&what, &read(k), &wide(&new_keys), |_| 1e-6);
                assert_eq!(read(v), new_values, "{what}");
            };
            run(false);
            if tokens == 1 {
                run(true);
            }
        }
    }
}
