//! Norms, gates, sums and copies.

use lexigraft_kernels::gpu::{self, twin};

use crate::common::Random;
use crate::support::{assert_close, read, tensor};
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
        let added = tensor(&table, [tokens + 1, width]);
        let found = gpu::add_rows(from.clone(), &added, tokens).unwrap();
        let what = format!("{tokens} x {width}");
        assert_close(&what, &read(found), &sum, |_| 1e-6);
        let mean = twin::mean_rows(&x, width);
        let found = gpu::mean_rows(from.clone(), tokens).unwrap();
        assert_close(&what, &read(found), &mean, |_| 1e-4);
        let found = gpu::row(from, tokens - 1).unwrap();
        assert_eq!(read(found), x[(tokens - 1) * width..], "{what}");
    }
    // Three texts, each by itself.
    let (tokens, width) = (5, 97);
    let x = random.activations(3 * tokens * width);
    let table = random.activations((tokens + 1) * width);
    let (from, added) = (
        tensor(&x, [3 * tokens, width]),
        tensor(&table, [tokens + 1, width]),
    );
    let texts = || x.chunks_exact(tokens * width);
    let sum: Vec<f64> = texts()
        .flat_map(|text| text.iter().zip(&table))
        .map(|(x, y)| f64::from(x + y))
        .collect();
    let found = gpu::add_rows(from.clone(), &added, tokens).unwrap();
    assert_close("three texts", &read(found), &sum, |_| 1e-6);
    let means: Vec<f64> = texts()
        .flat_map(|text| twin::mean_rows(text, width))
        .collect();
    let found = gpu::mean_rows(from.clone(), tokens).unwrap();
    assert_close("three texts", &read(found), &means, |_| 1e-5);
    for tokens in [0, 4] {
        assert!(gpu::add_rows(from.clone(), &added, tokens).is_err());
        assert!(gpu::mean_rows(from.clone(), tokens).is_err());
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
