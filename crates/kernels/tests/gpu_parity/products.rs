//! Products of every block format.

use lexigraft_checkpoint::DType;
use lexigraft_kernels::cpu::{Part, RowOrder};
use lexigraft_kernels::gpu::{self, Around, GpuMatrix, twin};

use crate::common::{Random, TYPES, dequantised, half_places, random_blocks};
use crate::support::{SHARINGS, assert_close, device, read, tensor};
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
