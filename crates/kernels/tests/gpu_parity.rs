//! The WGSL kernels against their twins in double precision, on the native wgpu device.
#![cfg(feature = "gpu")]

mod common;

use std::sync::OnceLock;

use burn::tensor::{Device, Tensor, TensorData};
use common::{Random, TYPES, dequantised, half_places, random_blocks};
use lexigraft_checkpoint::DType;
use lexigraft_kernels::cpu::{Heads, Part, RowOrder};
use lexigraft_kernels::gpu::{self, Around, Checked, GpuMatrix, Segments, Sharing, twin};

/// The device; the runtime may be initialised once a process.
fn device() -> Device {
    static DEVICE: OnceLock<Device> = OnceLock::new();
    let open = || pollster::block_on(Device::wgpu_options().init_async()).unwrap();
    DEVICE.get_or_init(open).clone()
}

fn tensor<const D: usize>(values: &[f32], shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), &device())
}

fn read<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    let data = pollster::block_on(tensor.into_data_async()).unwrap();
    data.try_into_vec::<f32>().unwrap()
}

/// `f32` sums of `terms` terms no larger than `magnitude`, and of weights that were rounded once.
fn assert_close(what: &str, found: &[f32], expected: &[f64], bound: impl Fn(usize) -> f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(*found) - expected).abs();
        let bound = bound(at);
        assert!(
            error <= bound,
            "{what}, element {at}: {found}, not {expected} (error {error:e}, bound {bound:e})"
        );
    }
}

/// Bounds of products: rounding of `cols` terms, each as large as the largest weight of its chunk,
/// because a type with a minimum adds terms larger than their sum.
fn product_bounds(weight: &[f32], x: &[f32], cols: usize) -> Vec<f64> {
    let mut bounds = Vec::new();
    for x in x.chunks_exact(cols) {
        for w in weight.chunks_exact(cols) {
            let chunks = w.chunks(32).zip(x.chunks(32));
            let magnitude: f64 = chunks
                .map(|(w, x)| {
                    let spread = w.iter().fold(0f32, |most, w| most.max(w.abs()));
                    let sum: f64 = x.iter().map(|x| f64::from(x.abs())).sum();
                    f64::from(spread) * sum
                })
                .sum();
            bounds.push(32.0 * f64::from(f32::EPSILON) * magnitude + 1e-30);
        }
    }
    bounds
}

const SHARINGS: [Sharing; 3] = [Sharing::Hardware, Sharing::Software, Sharing::Tiles];

fn check_products(dtype: DType, rows: usize, cols: usize, blocks: &[u8], x: &[f32]) {
    let weight = dequantised(dtype, blocks);
    let matrix = GpuMatrix::from_blocks(dtype, rows, cols, blocks, &device()).unwrap();
    let tokens = x.len() / cols;
    let expected = twin::product(x, &weight, cols);
    let bounds = product_bounds(&weight, x, cols);
    let what = format!("{matrix:?}, {tokens} tokens");
    for sharing in SHARINGS {
        let from = tensor(x, [tokens, cols]);
        let out = gpu::project_as(from, &matrix, Around::default(), sharing);
        let what = format!("{what}, {sharing:?}");
        assert_close(&what, &read(out.unwrap()), &expected, |at| bounds[at]);
    }
}

#[test]
fn products_of_random_shapes_agree() {
    let mut random = Random(11);
    for dtype in TYPES {
        let unit = dtype.block_len().max(32);
        for tokens in [1, 2, 3, 4, 5, 33] {
            let rows = 1 + random.below(150);
            let cols = unit * (1 + random.below(1024 / unit));
            let blocks = random_blocks(&mut random, dtype, rows * cols);
            let x = random.activations(tokens * cols);
            check_products(dtype, rows, cols, &blocks, &x);
        }
    }
}

#[test]
fn products_of_every_ragged_number_of_rows_agree() {
    let mut random = Random(12);
    for dtype in TYPES {
        let cols = dtype.block_len().max(32);
        for rows in [1, 2, 15, 16, 17, 31, 33, 63, 64, 65] {
            let blocks = random_blocks(&mut random, dtype, rows * cols);
            for tokens in [1, 9] {
                let x = random.activations(tokens * cols);
                check_products(dtype, rows, cols, &blocks, &x);
            }
        }
    }
}

#[test]
fn extreme_scales_and_activations_agree() {
    let mut random = Random(13);
    for dtype in TYPES {
        if half_places(dtype).is_empty() {
            continue;
        }
        let (rows, cols) = (33, dtype.block_len() * 2);
        // The largest half, the smallest normal one, subnormal ones, and zeros of either sign.
        for half in [0x7bffu16, 0xfbff, 0x0400, 0x03ff, 0x8001, 0x0000, 0x8000] {
            let mut blocks = random_blocks(&mut random, dtype, rows * cols);
            for block in blocks.chunks_exact_mut(dtype.block_bytes()) {
                for &place in half_places(dtype) {
                    block[place..place + 2].copy_from_slice(&half.to_le_bytes());
                }
            }
            for magnitude in [1e-12f32, 1.0, 1e20] {
                let x = random.activations(2 * cols);
                let x: Vec<f32> = x.iter().map(|x| x * magnitude).collect();
                check_products(dtype, rows, cols, &blocks, &x);
            }
        }
    }
}

#[test]
fn shards_parts_and_head_orders_make_one_matrix() {
    let mut random = Random(14);
    let cols = 512;
    let parts = [
        (DType::Q4_1, 128, RowOrder::RotaryPairs { head_dim: 32 }),
        (DType::Q8_0, 70, RowOrder::AsStored),
        (DType::Q8_0, 200, RowOrder::AsStored),
        (DType::Q6K, 65, RowOrder::AsStored),
    ];
    let stored: Vec<Vec<u8>> = parts
        .iter()
        .map(|(dtype, rows, _)| random_blocks(&mut random, *dtype, rows * cols))
        .collect();
    let mut weight = Vec::new();
    for ((dtype, rows, order), blocks) in parts.iter().zip(&stored) {
        let plain = dequantised(*dtype, blocks);
        for row in 0..*rows {
            // Row i of a half-split head is pair i % half, element i / half.
            let from = match order {
                RowOrder::AsStored => row,
                RowOrder::RotaryPairs { head_dim } => {
                    let (within, half) = (row % head_dim, head_dim / 2);
                    row - within + 2 * (within % half) + within / half
                }
            };
            weight.extend_from_slice(&plain[from * cols..(from + 1) * cols]);
        }
    }
    let parts = parts.map(|(dtype, rows, order)| Part { dtype, rows, order });
    let rows: usize = parts.iter().map(|part| part.rows).sum();
    let x = random.activations(3 * cols);
    let bias = random.activations(rows);
    let residual = random.activations(3 * rows);
    let mut expected = twin::product(&x, &weight, cols);
    for (at, sum) in expected.iter_mut().enumerate() {
        *sum += f64::from(bias[at % rows]) + f64::from(residual[at]);
    }
    let bounds = product_bounds(&weight, &x, cols);
    for (max_binding, piece) in [(128 << 20, usize::MAX), (40_000, 1009), (1, 37)] {
        let builder = GpuMatrix::builder(cols, &parts, &device()).unwrap();
        let mut builder = builder.with_max_binding(max_binding);
        for piece in stored.concat().chunks(piece) {
            builder.push(piece).unwrap();
        }
        assert!(builder.push(&[0]).is_err());
        let matrix = builder.finish().unwrap();
        let around = Around {
            bias: Some(&tensor(&bias, [rows])),
            residual: Some(&tensor(&residual, [3, rows])),
            ..Around::default()
        };
        for sharing in SHARINGS {
            let x = tensor(&x, [3, cols]);
            let out = gpu::project_as(x, &matrix, around, sharing).unwrap();
            let what = format!("{matrix:?}, {sharing:?}");
            assert_close(&what, &read(out), &expected, |at| bounds[at] + 1e-6);
        }
        let ids = [0, 127, 128, 198, 397, 398, rows as u32 - 1, 3];
        let out = read(gpu::rows(&ids, &matrix).unwrap());
        for (id, row) in ids.iter().zip(out.chunks_exact(cols)) {
            let at = *id as usize * cols;
            let expected: Vec<f64> = weight[at..at + cols]
                .iter()
                .map(|w| f64::from(*w))
                .collect();
            assert_close(&format!("row {id}"), row, &expected, |_| 1e-4);
        }
        assert!(gpu::rows(&[rows as u32], &matrix).is_err());
        // The rows that fill up tiles are all that is added to the blocks.
        let filling = 16 * cols * 4 * matrix.dtypes().count();
        assert!(matrix.bytes() <= stored.concat().len() + filling);
    }
}

#[test]
fn what_is_fused_with_a_product_agrees() {
    let mut random = Random(15);
    for (half, cols) in [(1, 32), (33, 96), (160, 576), (24, 3072), (16, 3104)] {
        let rows = 2 * half;
        let blocks = random_blocks(&mut random, DType::Q4_1, rows * cols);
        let weight = dequantised(DType::Q4_1, &blocks);
        let matrix = GpuMatrix::from_blocks(DType::Q4_1, rows, cols, &blocks, &device()).unwrap();
        let gain = random.activations(cols);
        for tokens in [1, 3, 40] {
            let x = random.activations(tokens * cols);
            let residual = random.activations(tokens * half);
            let normed = twin::rms_norm(&x, &gain, 1e-5);
            let normed: Vec<f32> = normed.iter().map(|x| *x as f32).collect();
            // Small products, so that silu is not a straight line.
            let scale = 4.0 / cols as f32;
            let gain: Vec<f32> = gain.iter().map(|gain| gain * scale).collect();
            let sums = twin::product(&normed, &weight, cols);
            let sums: Vec<f64> = sums.iter().map(|sum| sum * f64::from(scale)).collect();
            let mut expected = twin::swiglu(&sums, half);
            for (sum, residual) in expected.iter_mut().zip(&residual) {
                *sum += f64::from(*residual);
            }
            let around = Around {
                norm: Some((&tensor(&gain, [cols]), 1e-5)),
                swiglu: true,
                residual: Some(&tensor(&residual, [tokens, half])),
                ..Around::default()
            };
            let largest = expected.iter().fold(1f64, |most, x| most.max(x.abs()));
            for sharing in SHARINGS {
                let x = tensor(&x, [tokens, cols]);
                let out = gpu::project_as(x, &matrix, around, sharing).unwrap();
                let what = format!("{matrix:?}, {tokens} tokens, {sharing:?}");
                assert_close(&what, &read(out), &expected, |_| 1e-4 * largest);
            }
        }
    }
}

#[test]
fn quick_gelus_agree() {
    let mut random = Random(31);
    for (tokens, wide) in [(1, 1), (3, 7), (2, 576), (70, 1000)] {
        for magnitude in [1e-6f32, 1.0, 1e4] {
            let x = random.activations(tokens * wide);
            let x: Vec<f32> = x.iter().map(|x| x * magnitude).collect();
            let expected: Vec<f64> = x.iter().map(|x| twin::quick_gelu(f64::from(*x))).collect();
            let out = gpu::quick_gelu(tensor(&x, [tokens, wide])).unwrap();
            let what = format!("[{tokens}, {wide}] times {magnitude}");
            assert_close(&what, &read(out), &expected, |at| {
                2e-5 * expected[at].abs() + 1e-7
            });
        }
    }
}

#[test]
fn norms_and_gates_agree() {
    let mut random = Random(16);
    for (tokens, width) in [(1, 1), (3, 7), (2, 576), (5, 1000)] {
        for magnitude in [1e-6f32, 1.0, 1e4] {
            let mut draw = |len: usize| -> Vec<f32> {
                random
                    .activations(len)
                    .iter()
                    .map(|x| x * magnitude)
                    .collect()
            };
            let (x, residual, gate_up) = (
                draw(tokens * width),
                draw(tokens * width),
                draw(tokens * width * 2),
            );
            let gain = random.activations(width);
            let sum: Vec<f32> = x.iter().zip(&residual).map(|(a, b)| a + b).collect();
            let gains = tensor(&gain, [width]);
            let what = format!("[{tokens}, {width}] times {magnitude}");
            let out = gpu::rms_norm(tensor(&x, [tokens, width]), &gains, 1e-5).unwrap();
            let expected = twin::rms_norm(&x, &gain, 1e-5);
            assert_close(&what, &read(out), &expected, |at| {
                1e-5 * expected[at].abs() + 1e-12
            });
            let residual = tensor(&residual, [tokens, width]);
            let x = tensor(&x, [tokens, width]);
            let (out, added) = gpu::add_rms_norm(x, &residual, &gains, 1e-5).unwrap();
            assert_eq!(read(added), sum, "{what}");
            let expected = twin::rms_norm(&sum, &gain, 1e-5);
            assert_close(&what, &read(out), &expected, |at| {
                1e-5 * expected[at].abs() + 1e-12
            });
            let out = gpu::swiglu(tensor(&gate_up, [tokens, 2 * width])).unwrap();
            let wide: Vec<f64> = gate_up.iter().map(|x| f64::from(*x)).collect();
            let expected = twin::swiglu(&wide, width);
            assert_close(&what, &read(out), &expected, |at| {
                1e-5 * expected[at].abs() + 1e-12
            });
        }
    }
}

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
fn an_encoder_s_operations_agree() {
    let mut random = Random(20);
    for (tokens, width) in [(1, 2), (5, 33), (3, 384)] {
        for (magnitude, offset) in [(1.0f32, 0.0f32), (1e-3, 5.0), (1e4, 0.0)] {
            let x: Vec<f32> = random
                .activations(tokens * width)
                .iter()
                .map(|x| x * magnitude + offset)
                .collect();
            let [gain, bias] = [0, 1].map(|_| random.activations(width));
            let expected = twin::layer_norm(&x, &gain, &bias, 1e-12);
            let [gain, bias] = [gain, bias].map(|x| tensor(&x, [width]));
            let out = gpu::layer_norm(tensor(&x, [tokens, width]), &gain, &bias, 1e-12);
            // What a single keeps of a deviation beside the mean it was taken from.
            let lost = 1e-5 + 2e-6 * f64::from(offset / magnitude);
            let what = format!("layer_norm of [{tokens}, {width}] times {magnitude}");
            assert_close(&what, &read(out.unwrap()), &expected, |_| lost);
        }
    }
    for (heads, head_dim, tokens) in [(1, 4, 1), (12, 32, 9), (3, 64, 130), (2, 100, 65)] {
        let qkv = random.activations(tokens * 3 * heads * head_dim);
        let expected = twin::full_attention(&qkv, heads, head_dim);
        for sharing in SHARINGS {
            let from = tensor(&qkv, [tokens, 3 * heads * head_dim]);
            let out = read(gpu::full_attention_as(from, heads, sharing).unwrap());
            let what = format!("{tokens} tokens, {heads} heads of {head_dim}, {sharing:?}");
            assert_close(&what, &out, &expected, |_| 2e-5);
        }
    }
    let (rows, cols) = (70, 64);
    let weight = random.activations(rows * cols);
    let blocks: Vec<u8> = weight.iter().flat_map(|w| w.to_le_bytes()).collect();
    let matrix = GpuMatrix::from_blocks(DType::F32, rows, cols, &blocks, &device()).unwrap();
    let bias = random.activations(rows);
    for tokens in [1, 7] {
        let x = random.activations(tokens * cols);
        let mut expected = twin::product(&x, &weight, cols);
        for (at, sum) in expected.iter_mut().enumerate() {
            *sum = twin::gelu(*sum + f64::from(bias[at % rows]));
        }
        let bias = tensor(&bias, [rows]);
        let around = Around {
            bias: Some(&bias),
            gelu: true,
            ..Around::default()
        };
        for sharing in SHARINGS {
            let x = tensor(&x, [tokens, cols]);
            let out = gpu::project_as(x, &matrix, around, sharing);
            assert_close("gelu", &read(out.unwrap()), &expected, |_| 2e-5);
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

#[test]
fn every_self_test_passes_and_runs_once() {
    let what = [Checked::Decoder, Checked::Encoder, Checked::Segments];
    let what: Vec<Checked> = what.into_iter().chain(TYPES.map(Checked::Format)).collect();
    let run = || {
        for &what in &what {
            pollster::block_on(gpu::self_test(&device(), what)).unwrap();
        }
    };
    let before = gpu::counters().dispatches;
    run();
    assert!(gpu::counters().dispatches > before + 10);
    run();
}

#[test]
fn the_largest_is_found_wherever_it_is() {
    let mut random = Random(18);
    for width in [1, 2, 255, 256, 257, 5000] {
        let rows = 4;
        let mut x = random.activations(3 * width);
        x[width / 2] = f32::NAN;
        x.extend(vec![f32::NAN; width]);
        x[width] = 5.0;
        x[2 * width - 1] = 5.0;
        x[3 * width - 1] = 7.0;
        let expected = twin::argmax(&x, width);
        let found = pollster::block_on(gpu::argmax(tensor(&x, [rows, width]))).unwrap();
        assert_eq!(found, expected, "{width}");
    }
}

#[test]
fn the_largest_k_are_found_in_order() {
    let mut random = Random(22);
    for width in [1, 39, 40, 1023, 1024, 1025, 5000, 131_073] {
        let mut x = random.activations(width);
        // Ties, both zeros, infinities and NaN.
        for special in [0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 0.5] {
            for _ in 0..3 {
                x[random.below(width)] = special;
            }
        }
        for k in [1, 2, 40, 128] {
            let found = gpu::top_k(tensor(&x, [1, width]), k);
            let found = pollster::block_on(found).unwrap();
            let bits = |pairs: Vec<(u32, f32)>| -> Vec<(u32, u32)> {
                pairs.iter().map(|(id, x)| (*id, x.to_bits())).collect()
            };
            assert_eq!(bits(found), bits(twin::top_k(&x, k)), "{k} of {width}");
        }
    }
    for k in [0, 129] {
        assert!(pollster::block_on(gpu::top_k(tensor(&[0.0], [1, 1]), k)).is_err());
    }
}

#[test]
fn log_probabilities_of_targets_agree() {
    let mut random = Random(20);
    for (rows, width) in [(1, 1), (3, 255), (2, 257), (5, 49_152)] {
        for magnitude in [1.0f32, 80.0] {
            let logits = random.activations(rows * width);
            let logits: Vec<f32> = logits.iter().map(|x| x * magnitude).collect();
            let targets: Vec<u32> = (0..rows).map(|_| random.below(width) as u32).collect();
            let expected = twin::target_log_probs(&logits, &targets);
            let found = gpu::target_log_probs(tensor(&logits, [rows, width]), &targets).unwrap();
            let what = format!("{rows} x {width} up to {magnitude}");
            assert_close(&what, &read(found), &expected, |_| {
                2e-5 * f64::from(magnitude)
            });
        }
    }
    let logits = tensor(&[0.0; 6], [2, 3]);
    assert!(gpu::target_log_probs(logits.clone(), &[0, 3]).is_err());
    assert!(gpu::target_log_probs(logits, &[0]).is_err());
}

#[test]
fn sums_means_and_copies_agree() {
    let mut random = Random(21);
    // The last needs more workgroups than a grid is wide.
    for (tokens, width) in [(1, 1), (3, 97), (64, 384), (5000, 900)] {
        let x = random.activations(tokens * width);
        let table = random.activations((tokens + 1) * width);
        let from = tensor(&x, [tokens, width]);
        let sum: Vec<f64> = x
            .iter()
            .zip(&table)
            .map(|(x, y)| f64::from(x + y))
            .collect();
        let found = gpu::add_rows(from.clone(), &tensor(&table, [tokens + 1, width])).unwrap();
        let what = format!("{tokens} x {width}");
        assert_close(&what, &read(found), &sum, |_| 1e-6);
        let mean = twin::mean_rows(&x, width);
        let found = gpu::mean_rows(from.clone()).unwrap();
        assert_close(&what, &read(found), &mean, |_| 1e-4);
        let found = gpu::row(from, tokens - 1).unwrap();
        assert_eq!(read(found), x[(tokens - 1) * width..], "{what}");
    }
    let cache = random.activations(3 * 5 * 8);
    for (len, capacity) in [(0, 4), (5, 5), (4, 70)] {
        let grown = gpu::grow_cache(&tensor(&cache, [3, 5, 8]), len, capacity).unwrap();
        let grown = read(grown);
        for head in 0..3 {
            let (new, old) = (&grown[head * capacity * 8..], &cache[head * 5 * 8..]);
            assert_eq!(new[..len * 8], old[..len * 8]);
        }
    }
}

#[test]
fn segments_of_extreme_logits_add_up_to_one() {
    let mut random = Random(19);
    let width = 2000;
    for magnitude in [1.0f32, 80.0, 1e4] {
        let logits: Vec<f32> = random
            .activations(width)
            .iter()
            .map(|x| x * magnitude)
            .collect();
        let mut segments = vec![Vec::new(); 257];
        for id in 0..width as u32 {
            segments[random.below(200)].push(id);
        }
        let on_device = Segments::new(&segments, &device()).unwrap();
        let out = read(gpu::segment_log_probs(tensor(&logits, [width]), &on_device).unwrap());
        let expected = twin::segment_log_probs(&logits, &segments);
        let what = format!("logits up to {magnitude}");
        assert_close(&what, &out, &expected, |at| {
            if segments[at].is_empty() {
                1e23
            } else {
                1e-5 * f64::from(magnitude).max(1.0)
            }
        });
        let sum: f64 = out.iter().map(|x| f64::from(*x).exp()).sum();
        assert!((sum - 1.0).abs() < 1e-3, "{sum}");
    }
    assert!(Segments::new(&[Vec::new()], &device()).is_err());
}

#[test]
fn operands_that_do_not_fit_are_errors() {
    let blocks = vec![0; 34 * 2];
    let matrix = GpuMatrix::from_blocks(DType::Q8_0, 2, 32, &blocks, &device()).unwrap();
    let around = Around::default();
    let x = tensor(&[0.0; 64], [1, 64]);
    assert_eq!(
        gpu::project(x, &matrix, around).unwrap_err().code(),
        "invalid-argument"
    );
    let infinite = [0u8, 0x7c].into_iter().chain([0; 32]).collect::<Vec<_>>();
    let error = GpuMatrix::from_blocks(DType::Q8_0, 1, 32, &infinite, &device()).unwrap_err();
    assert_eq!(error.code(), "bad-checkpoint");
    for (rows, cols) in [(0, 32), (1, 0), (1, 33)] {
        assert!(GpuMatrix::from_blocks(DType::Q8_0, rows, cols, &blocks, &device()).is_err());
    }
    let odd = tensor(&[0.0; 3], [1, 3]);
    assert!(gpu::swiglu(odd).is_err());
}
