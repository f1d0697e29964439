//! Blocks in, rows out; what is refused.

mod common;

use common::{Random, TYPES, dequantised, half_places, random_blocks};
use lexigraft_checkpoint::{DType, OtherType};
use lexigraft_kernels::KernelError;
use lexigraft_kernels::cpu::{PackedMatrix, Part, RowOrder, Scratch};

fn part(dtype: DType, rows: usize) -> Part {
    Part {
        dtype,
        rows,
        order: RowOrder::AsStored,
    }
}

fn all_rows(matrix: &PackedMatrix) -> Vec<f32> {
    let ids: Vec<u32> = (0..matrix.rows() as u32).collect();
    let mut out = vec![0.0; matrix.rows() * matrix.cols()];
    matrix.rows_into(&ids, &mut out).unwrap();
    out
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

#[test]
fn gathered_rows_are_those_of_the_checkpoint_bit_for_bit() {
    let mut random = Random(11);
    for dtype in TYPES {
        for (rows, blocks_a_row) in [(1, 1), (8, 2), (13, 3), (30, 1)] {
            let cols = match dtype.block_len() {
                1 => 67 * blocks_a_row,
                len => len * blocks_a_row,
            };
            let blocks = random_blocks(&mut random, dtype, rows * cols);
            let matrix = PackedMatrix::from_blocks(dtype, rows, cols, &blocks).unwrap();
            let w = dequantised(dtype, &blocks);
            assert_eq!(bits(&all_rows(&matrix)), bits(&w), "{dtype}");

            let ids: Vec<u32> = (0..9).map(|_| random.below(rows) as u32).collect();
            let mut out = vec![0.0; ids.len() * cols];
            matrix.rows_into(&ids, &mut out).unwrap();
            for (id, out) in ids.iter().zip(out.chunks_exact(cols)) {
                let at = *id as usize * cols;
                assert_eq!(bits(out), bits(&w[at..at + cols]), "{dtype}, row {id}");
            }
        }
    }
}

#[test]
fn pieces_of_any_size_make_the_same_matrix() {
    let mut random = Random(12);
    for dtype in TYPES {
        let (rows, cols) = (11, 3 * dtype.block_len().max(5));
        let blocks = random_blocks(&mut random, dtype, rows * cols);
        let mut builder = PackedMatrix::builder(cols, &[part(dtype, rows)]).unwrap();
        let mut rest = blocks.as_slice();
        while !rest.is_empty() {
            let size = dtype.block_bytes() * random.below(9);
            let (now, later) = rest.split_at(size.min(rest.len()));
            builder.push(now).unwrap();
            rest = later;
        }
        let matrix = builder.finish().unwrap();
        assert_eq!(bits(&all_rows(&matrix)), bits(&dequantised(dtype, &blocks)));
    }
}

#[test]
fn parts_of_several_types_follow_each_other() {
    let mut random = Random(13);
    let cols = 256;
    let parts = [
        part(DType::Q4K, 5),
        part(DType::Q4K, 12),
        part(DType::Q6K, 3),
        part(DType::F32, 9),
        part(DType::Q4K, 1),
        part(DType::Q8_0, 8),
    ];
    let mut stored = Vec::new();
    let mut w = Vec::new();
    for part in parts {
        let blocks = random_blocks(&mut random, part.dtype, part.rows * cols);
        w.extend(dequantised(part.dtype, &blocks));
        stored.push((part, blocks));
    }
    let mut builder = PackedMatrix::builder(cols, &parts).unwrap();
    for (_, blocks) in &stored {
        builder.push(blocks).unwrap();
    }
    let matrix = builder.finish().unwrap();
    assert_eq!(matrix.rows(), 38);
    let types: Vec<&str> = matrix.dtypes().map(DType::name).collect();
    assert_eq!(types, ["Q4_K", "Q6_K", "F32", "Q4_K", "Q8_0"]);
    assert_eq!(bits(&all_rows(&matrix)), bits(&w));

    // A product is that of its parts.
    let tokens = 6;
    let x = random.activations(tokens * cols);
    let mut scratch = Scratch::new();
    let mut out = vec![0.0; tokens * 38];
    matrix.matmul(&x, tokens, &mut out, &mut scratch).unwrap();
    let mut first = 0;
    for (part, blocks) in &stored {
        let alone = PackedMatrix::from_blocks(part.dtype, part.rows, cols, blocks).unwrap();
        let mut expected = vec![0.0; tokens * part.rows];
        alone
            .matmul(&x, tokens, &mut expected, &mut scratch)
            .unwrap();
        let rows = out
            .chunks_exact(38)
            .map(|row| &row[first..first + part.rows]);
        for (found, expected) in rows.zip(expected.chunks_exact(part.rows)) {
            assert_eq!(found, expected, "{part:?}");
        }
        first += part.rows;
    }
}

#[test]
fn rotary_pairs_become_halves_within_each_head() {
    // The row number is the value.
    let blocks: Vec<u8> = (0..8).flat_map(|row| (row as f32).to_le_bytes()).collect();
    let order = RowOrder::RotaryPairs { head_dim: 4 };
    let pairs = Part {
        order,
        ..part(DType::F32, 8)
    };
    let mut builder = PackedMatrix::builder(1, &[part(DType::F32, 8), pairs]).unwrap();
    builder.push(&blocks).unwrap();
    builder.push(&blocks).unwrap();
    assert_eq!(
        all_rows(&builder.finish().unwrap()),
        [
            0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 0.0, 2.0, 1.0, 3.0, 4.0, 6.0, 5.0, 7.0
        ]
    );
}

#[test]
fn memory_is_that_of_the_blocks() {
    let mut random = Random(14);
    for dtype in TYPES {
        let (rows, cols) = (16, 512);
        let blocks = random_blocks(&mut random, dtype, rows * cols);
        let matrix = PackedMatrix::from_blocks(dtype, rows, cols, &blocks).unwrap();
        let ratio = matrix.bytes() as f64 / blocks.len() as f64;
        let most = match dtype {
            DType::Q4K | DType::Q5K => 1.03,
            _ => 1.0,
        };
        assert!((1.0..=most).contains(&ratio), "{dtype}: {ratio}");
    }
}

fn code<T>(result: Result<T, KernelError>) -> &'static str {
    match result {
        Ok(_) => "ok",
        Err(error) => {
            assert!(error.to_string().len() > 20, "{error}");
            error.code()
        }
    }
}

#[test]
fn shapes_that_make_no_matrix_are_refused() {
    let heads = |rows, head_dim| Part {
        dtype: DType::Q8_0,
        rows,
        order: RowOrder::RotaryPairs { head_dim },
    };
    let table: [(usize, &[Part], &str); 14] = [
        (32, &[part(DType::Q8_0, 4)], "ok"),
        (0, &[part(DType::Q8_0, 4)], "invalid-argument"),
        (32, &[part(DType::Q8_0, 0)], "invalid-argument"),
        (32, &[], "invalid-argument"),
        (33, &[part(DType::Q8_0, 4)], "invalid-argument"),
        (33, &[part(DType::Q8_0, 32)], "invalid-argument"),
        (128, &[part(DType::Q4K, 4)], "invalid-argument"),
        (32, &[heads(8, 0)], "invalid-argument"),
        (32, &[heads(9, 3)], "invalid-argument"),
        (32, &[heads(10, 4)], "invalid-argument"),
        (
            32,
            &[part(DType::Other(OtherType::Ggml(10)), 4)],
            "unsupported-type",
        ),
        (32, &[part(DType::Q8_0, usize::MAX)], "out-of-memory"),
        (
            usize::MAX / 32 * 32,
            &[part(DType::Q8_0, 1)],
            "out-of-memory",
        ),
        (1 << 31, &[part(DType::F32, 1 << 29)], "out-of-memory"),
    ];
    for (cols, parts, expected) in table {
        let found = code(PackedMatrix::builder(cols, parts));
        assert_eq!(found, expected, "{cols} columns, {parts:?}");
    }
}

#[test]
fn wrong_bytes_are_refused() {
    let new = || PackedMatrix::builder(64, &[part(DType::Q4_0, 3)]).unwrap();
    let row = 2 * 18;
    let mut short = new();
    short.push(&vec![0; 2 * row]).unwrap();
    assert_eq!(code(short.finish()), "invalid-argument");
    assert_eq!(code(new().push(&[0; 17])), "invalid-argument");
    assert_eq!(code(new().push(&[0; 19])), "invalid-argument");
    assert_eq!(code(new().push(&vec![0; 3 * row + 18])), "invalid-argument");
    let mut full = new();
    full.push(&vec![0; 3 * row]).unwrap();
    full.push(&[]).unwrap();
    assert_eq!(code(full.push(&[0])), "invalid-argument");
    assert_eq!(code(full.finish()), "ok");
}

#[test]
fn scales_that_are_not_finite_are_refused() {
    let mut random = Random(15);
    for dtype in TYPES {
        for &place in half_places(dtype) {
            for half in [0x7c00u16, 0xfc00, 0x7e01] {
                let mut blocks = random_blocks(&mut random, dtype, 9 * 256);
                let at = blocks.len() - dtype.block_bytes() + place;
                blocks[at..at + 2].copy_from_slice(&half.to_le_bytes());
                let error = PackedMatrix::from_blocks(dtype, 9, 256, &blocks).unwrap_err();
                assert_eq!(error.code(), "bad-checkpoint");
                assert!(error.to_string().contains("row 8"), "{error}");
            }
        }
    }
}

#[test]
fn products_of_the_wrong_length_are_refused() {
    let matrix = PackedMatrix::from_blocks(DType::Q8_0, 5, 64, &[0; 5 * 68]).unwrap();
    let mut scratch = Scratch::new();
    let table = [
        (64, 1, 5, "ok"),
        (0, 0, 0, "ok"),
        (63, 1, 5, "invalid-argument"),
        (128, 1, 5, "invalid-argument"),
        (64, 1, 4, "invalid-argument"),
        (64, 2, 10, "invalid-argument"),
        (64, 0, 5, "invalid-argument"),
        (128, 2, 9, "invalid-argument"),
        (0, usize::MAX, 0, "invalid-argument"),
        (0, 1 << 58, 0, "invalid-argument"),
    ];
    for (x, tokens, out, expected) in table {
        let result = matrix.matmul(&vec![1.0; x], tokens, &mut vec![0.0; out], &mut scratch);
        assert_eq!(code(result), expected, "{x} x, {tokens} tokens, {out} out");
    }
    let mut out = [0.0; 128];
    assert_eq!(code(matrix.rows_into(&[0, 4], &mut out)), "ok");
    assert_eq!(
        code(matrix.rows_into(&[0, 5], &mut out)),
        "invalid-argument"
    );
    assert_eq!(
        code(matrix.rows_into(&[u32::MAX, 0], &mut out)),
        "invalid-argument"
    );
    assert_eq!(code(matrix.rows_into(&[0], &mut out)), "invalid-argument");
    assert_eq!(code(matrix.rows_into(&[], &mut [])), "ok");
}
