//! What an encoder adds.

use lexigraft_checkpoint::DType;
use lexigraft_kernels::gpu::{self, Around, GpuMatrix, twin};

use crate::common::Random;
use crate::support::{SHARINGS, assert_close, device, read, tensor};
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
    for (heads, head_dim, tokens, batch) in [
        (1, 4, 1, 1),
        (12, 32, 9, 3),
        (3, 64, 130, 1),
        (3, 64, 17, 2),
        (2, 100, 65, 2),
    ] {
        let row = 3 * heads * head_dim;
        let qkv = random.activations(batch * tokens * row);
        // Each picture by itself.
        let pictures = qkv.chunks_exact(tokens * row);
        let expected: Vec<f64> = pictures
            .flat_map(|qkv| twin::full_attention(qkv, heads, head_dim))
            .collect();
        for sharing in SHARINGS {
            let from = tensor(&qkv, [batch * tokens, row]);
            let out = read(gpu::full_attention_as(from, tokens, heads, sharing).unwrap());
            let what =
                format!("{batch} of {tokens} tokens, {heads} heads of {head_dim}, {sharing:?}");
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
