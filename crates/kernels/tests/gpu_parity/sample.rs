//! The choice of a token, and log-probabilities.

use lexigraft_kernels::gpu::{self, Segments, twin};

use crate::common::Random;
use crate::support::{assert_close, device, read, tensor};
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
