//! Products against dequantised weights in double precision, and every
//! instruction set against the portable one.

mod common;

use common::{
    Random, TYPES, dequantised, fixed_error, fixed_reference, half_places, random_blocks, reference,
};
use lexigraft_checkpoint::DType;
use lexigraft_kernels::cpu::{Instructions, PackedMatrix, Part, RowOrder, Scratch, pool};

/// Multiplies with all instruction sets, compares them bit for bit and with
/// the reference, and gives the result.
fn check(matrix: &PackedMatrix, dtype: DType, w: &[f32], x: &[f32], tokens: usize) -> Vec<f32> {
    check_with(matrix, |w, x| reference(dtype, w, x), w, x, tokens)
}

/// As [`check`], where `reference` gives a product and the bound of its error.
fn check_with(
    matrix: &PackedMatrix,
    reference: impl Fn(&[f32], &[f32]) -> (f64, f64),
    w: &[f32],
    x: &[f32],
    tokens: usize,
) -> Vec<f32> {
    let (rows, cols) = (matrix.rows(), matrix.cols());
    let mut portable = vec![0.0; tokens * rows];
    let mut scratch = Scratch::with(Instructions::PORTABLE);
    matrix
        .matmul(x, tokens, &mut portable, &mut scratch)
        .unwrap();
    for (token, x) in x.chunks_exact(cols).enumerate() {
        for (row, w) in w.chunks_exact(cols).enumerate() {
            let found = portable[token * rows + row];
            let (expected, bound) = reference(w, x);
            let error = (f64::from(found) - expected).abs();
            assert!(
                error <= bound,
                "{matrix:?}, token {token} of {tokens}, row {row}: {found}, not {expected} \
                 (error {error:e}, bound {bound:e})"
            );
        }
    }
    for instructions in Instructions::available() {
        let mut out = vec![f32::NAN; tokens * rows];
        let mut scratch = Scratch::with(instructions);
        matrix.matmul(x, tokens, &mut out, &mut scratch).unwrap();
        for (at, (a, b)) in out.iter().zip(&portable).enumerate() {
            assert_eq!(
                a.to_bits(),
                b.to_bits(),
                "{instructions:?}, {matrix:?}, {tokens} tokens, output {at}: {a}, not {b}"
            );
        }
    }
    portable
}

#[test]
fn rows_do_not_depend_on_the_threads_that_share_them() {
    pool::start(3).unwrap();
    let mut random = Random(7);
    for dtype in [DType::Q4_1, DType::Q8_0, DType::F32] {
        // Large enough to be shared; eight rows alone are not.
        let (rows, cols, tokens) = (515, 512, 5);
        let blocks = random_blocks(&mut random, dtype, rows * cols);
        let x = random.activations(tokens * cols);
        let mut scratch = Scratch::new();
        let matrix = PackedMatrix::from_blocks(dtype, rows, cols, &blocks).unwrap();
        let mut all = vec![f32::NAN; tokens * rows];
        matrix.matmul(&x, tokens, &mut all, &mut scratch).unwrap();
        let row_bytes = cols / dtype.block_len() * dtype.block_bytes();
        for (tile, blocks) in blocks.chunks(8 * row_bytes).enumerate() {
            let few = blocks.len() / row_bytes;
            let matrix = PackedMatrix::from_blocks(dtype, few, cols, blocks).unwrap();
            let mut out = vec![f32::NAN; tokens * few];
            matrix.matmul(&x, tokens, &mut out, &mut scratch).unwrap();
            for (token, out) in out.chunks(few).enumerate() {
                assert_eq!(out, &all[token * rows + 8 * tile..][..few], "{dtype}");
            }
        }
    }
}

#[test]
fn random_shapes_agree_with_double_precision() {
    let mut random = Random(1);
    for dtype in TYPES {
        let unit = dtype.block_len();
        for case in 0..24 {
            let rows = 1 + random.below(37);
            let cols = match unit {
                1 => 1 + random.below(200),
                _ => unit * (1 + random.below(1024 / unit)),
            };
            let tokens = [1, 2, 3, 4, 5, 8, 11][case % 7];
            let blocks = random_blocks(&mut random, dtype, rows * cols);
            let matrix = PackedMatrix::from_blocks(dtype, rows, cols, &blocks).unwrap();
            let x = random.activations(tokens * cols);
            check(&matrix, dtype, &dequantised(dtype, &blocks), &x, tokens);
        }
    }
}

/// A matrix for products alone.
fn for_products(dtype: DType, rows: usize, cols: usize, blocks: &[u8]) -> PackedMatrix {
    let order = RowOrder::AsStored;
    let part = Part { dtype, rows, order };
    let mut builder = PackedMatrix::product_builder(cols, &[part]).unwrap();
    builder.push(blocks).unwrap();
    builder.finish().unwrap()
}

#[test]
fn fixed_point_products_agree_with_double_precision() {
    let mut random = Random(11);
    for dtype in [DType::F32, DType::F16, DType::BF16] {
        for case in 0..24 {
            let (rows, cols) = (1 + random.below(37), 32 * (1 + random.below(20)));
            let tokens = [1, 2, 3, 4, 5, 8, 11][case % 7];
            let blocks = random_blocks(&mut random, dtype, rows * cols);
            let matrix = for_products(dtype, rows, cols, &blocks);
            assert!(matrix.bytes() <= rows.next_multiple_of(8) * cols / 32 * 68);
            let (w, x) = (
                dequantised(dtype, &blocks),
                random.activations(tokens * cols),
            );
            check_with(&matrix, fixed_reference, &w, &x, tokens);
            let mut row = vec![0.0; cols];
            matrix.rows_into(&[rows as u32 - 1], &mut row).unwrap();
            for (found, w) in row.chunks(32).zip(w[(rows - 1) * cols..].chunks(32)) {
                let bound = 1.001 * fixed_error(w) + 1e-37;
                for (found, w) in found.iter().zip(w) {
                    let error = f64::from(found - w).abs();
                    assert!(error <= bound, "{found}, not {w}");
                }
            }
        }
    }
}

#[test]
fn fixed_point_sums_of_the_largest_numbers_do_not_wrap() {
    let (rows, cols, tokens) = (9, 64, 5);
    for (sign, scale) in [(1.0f32, 1.0f32), (-1.0, 1e30), (1.0, 1e-30)] {
        let w = vec![sign * scale; rows * cols];
        let blocks: Vec<u8> = w.iter().flat_map(|w| w.to_le_bytes()).collect();
        let matrix = for_products(DType::F32, rows, cols, &blocks);
        check_with(
            &matrix,
            fixed_reference,
            &w,
            &vec![3.0; tokens * cols],
            tokens,
        );
    }
    // Zeros and what is too small to be scaled.
    let w = vec![1e-38f32; cols];
    let blocks: Vec<u8> = w.iter().flat_map(|w| w.to_le_bytes()).collect();
    let mut out = [1.0];
    let matrix = for_products(DType::F32, 1, cols, &blocks);
    matrix
        .matvec(&vec![1.0; cols], &mut out, &mut Scratch::new())
        .unwrap();
    assert_eq!(out, [0.0]);
    // Damage is found where it is.
    let mut blocks: Vec<u8> = vec![0; rows * cols * 4];
    blocks[7 * cols * 4..][..4].copy_from_slice(&f32::NAN.to_le_bytes());
    let order = RowOrder::AsStored;
    let dtype = DType::F32;
    let part = Part { dtype, rows, order };
    let mut builder = PackedMatrix::product_builder(cols, &[part]).unwrap();
    let error = builder.push(&blocks).unwrap_err();
    assert_eq!(error.code(), "bad-checkpoint");
    assert!(error.to_string().contains("row 7"), "{error}");
}

#[test]
fn rows_that_are_no_whole_blocks_stay_as_they_are() {
    let mut random = Random(12);
    let (rows, cols) = (9, 33);
    let blocks = random_blocks(&mut random, DType::F32, rows * cols);
    let matrix = for_products(DType::F32, rows, cols, &blocks);
    let x = random.activations(cols);
    check(
        &matrix,
        DType::F32,
        &dequantised(DType::F32, &blocks),
        &x,
        1,
    );
}

#[test]
fn every_ragged_edge_of_a_tile() {
    let mut random = Random(2);
    for dtype in TYPES {
        let cols = dtype.block_len();
        for rows in 1..=17 {
            let blocks = random_blocks(&mut random, dtype, rows * cols);
            let matrix = PackedMatrix::from_blocks(dtype, rows, cols, &blocks).unwrap();
            for tokens in [1, 4, 7] {
                let x = random.activations(tokens * cols);
                check(&matrix, dtype, &dequantised(dtype, &blocks), &x, tokens);
            }
        }
    }
}

#[test]
fn extreme_quants_and_scales() {
    let mut random = Random(3);
    // Smallest subnormal, smallest normal, largest half, both zeros.
    let halves: [u16; 6] = [0x0001, 0x0400, 0x7bff, 0xfbff, 0x0000, 0x8000];
    for dtype in TYPES.into_iter().filter(|dtype| dtype.block_len() > 1) {
        let (rows, cols) = (9, 512);
        for fill in [0x00, 0x0f, 0xf0, 0x7f, 0x80, 0x88, 0xff] {
            for half in halves {
                let size = dtype.bytes_for(rows as u64 * cols as u64).unwrap();
                let mut blocks = vec![fill; size as usize];
                for block in blocks.chunks_exact_mut(dtype.block_bytes()) {
                    for &place in half_places(dtype) {
                        block[place..place + 2].copy_from_slice(&half.to_le_bytes());
                    }
                }
                let matrix = PackedMatrix::from_blocks(dtype, rows, cols, &blocks).unwrap();
                let w = dequantised(dtype, &blocks);
                for x in [1.0, -1.0, 0.0, -0.0, 1e-30, 1e25, f32::MIN_POSITIVE, 1e-45] {
                    check(&matrix, dtype, &w, &[x; 512], 1);
                }
                let mut x = random.activations(5 * cols);
                // One outlier, which takes all the precision of its block.
                x[40] = 3e4;
                check(&matrix, dtype, &w, &x, 5);
            }
        }
    }
}

#[test]
fn large_integer_sums_do_not_overflow() {
    // Every product has the same sign and the largest magnitude that a block can have.
    let blocks: Vec<u8> = (0..8 * 18)
        .flat_map(|_| [0x00, 0x3c].into_iter().chain([0x80; 32]))
        .collect();
    let matrix = PackedMatrix::from_blocks(DType::Q8_0, 8, 576, &blocks).unwrap();
    let w = dequantised(DType::Q8_0, &blocks);
    let out = check(&matrix, DType::Q8_0, &w, &[-1.0; 576], 1);
    assert!(
        out.iter().all(|&y| (y - 128.0 * 576.0).abs() < 0.1),
        "{out:?}"
    );
}

#[test]
fn activations_that_are_not_finite_show_in_the_result() {
    let mut random = Random(4);
    for dtype in TYPES {
        let cols = 256;
        let blocks = random_blocks(&mut random, dtype, 8 * cols);
        let matrix = PackedMatrix::from_blocks(dtype, 8, cols, &blocks).unwrap();
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut x = random.activations(cols);
            x[77] = bad;
            for instructions in Instructions::available() {
                let mut out = [0.0; 8];
                let mut scratch = Scratch::with(instructions);
                matrix.matvec(&x, &mut out, &mut scratch).unwrap();
                assert!(out.iter().all(|y| !y.is_finite()), "{dtype}: {out:?}");
            }
        }
    }
}

#[test]
fn a_token_does_not_depend_on_its_neighbours() {
    let mut random = Random(5);
    for dtype in TYPES {
        let (rows, cols, tokens) = (12, 256, 11);
        let blocks = random_blocks(&mut random, dtype, rows * cols);
        let matrix = PackedMatrix::from_blocks(dtype, rows, cols, &blocks).unwrap();
        let x = random.activations(tokens * cols);
        let mut scratch = Scratch::new();
        let mut all = vec![0.0; tokens * rows];
        matrix.matmul(&x, tokens, &mut all, &mut scratch).unwrap();
        for (x, expected) in x.chunks_exact(cols).zip(all.chunks_exact(rows)) {
            let mut out = vec![0.0; rows];
            matrix.matvec(x, &mut out, &mut scratch).unwrap();
            assert_eq!(out, expected, "{dtype}");
        }
    }
}

#[test]
fn float_weights_keep_infinities() {
    let weights = [f32::INFINITY, f32::NEG_INFINITY, 65504.0, 6e-8];
    let halves: [u16; 4] = [0x7c00, 0xfc00, 0x7bff, 0x0001];
    let brains = weights.map(|w| (w.to_bits() >> 16) as u16);
    let bytes = |words: [u16; 4]| {
        words
            .into_iter()
            .flat_map(u16::to_le_bytes)
            .collect::<Vec<_>>()
    };
    for (dtype, blocks) in [(DType::F16, bytes(halves)), (DType::BF16, bytes(brains))] {
        let matrix = PackedMatrix::from_blocks(dtype, 4, 1, &blocks).unwrap();
        for instructions in Instructions::available() {
            let mut out = [0.0; 4];
            let mut scratch = Scratch::with(instructions);
            matrix.matvec(&[1.0], &mut out, &mut scratch).unwrap();
            assert_eq!(
                out,
                dequantised(dtype, &blocks)[..],
                "{dtype}, {instructions:?}"
            );
        }
    }
}

#[test]
fn a_scratch_serves_matrices_of_any_type_and_shape() {
    let mut random = Random(6);
    let mut scratch = Scratch::new();
    for (dtype, rows, cols, tokens) in [
        (DType::Q4_1, 24, 1024, 9),
        (DType::F32, 3, 7, 2),
        (DType::Q8_0, 5, 64, 1),
        (DType::Q4K, 9, 512, 6),
        (DType::F16, 9, 130, 5),
    ] {
        let blocks = random_blocks(&mut random, dtype, rows * cols);
        let matrix = PackedMatrix::from_blocks(dtype, rows, cols, &blocks).unwrap();
        let x = random.activations(tokens * cols);
        let mut out = vec![0.0; tokens * rows];
        matrix.matmul(&x, tokens, &mut out, &mut scratch).unwrap();
        let expected = check(&matrix, dtype, &dequantised(dtype, &blocks), &x, tokens);
        assert_eq!(out, expected);
    }
    let held = scratch.bytes();
    let blocks = random_blocks(&mut random, DType::Q4_1, 8 * 1024);
    let matrix = PackedMatrix::from_blocks(DType::Q4_1, 8, 1024, &blocks).unwrap();
    let x = random.activations(9 * 1024);
    matrix.matmul(&x, 9, &mut [0.0; 72], &mut scratch).unwrap();
    assert_eq!(scratch.bytes(), held);
}
