//! Dequantised values are bit for bit those of the package `gguf`.

mod common;

use std::collections::BTreeSet;

use lexigraft_checkpoint::DType;
use lexigraft_checkpoint::dequant::dequantize;

const TYPES: [DType; 11] = [
    DType::F32,
    DType::F16,
    DType::BF16,
    DType::Q8_0,
    DType::Q4_0,
    DType::Q4_1,
    DType::Q5_0,
    DType::Q5_1,
    DType::Q4K,
    DType::Q5K,
    DType::Q6K,
];

#[test]
fn reference_blocks_are_bit_exact() {
    let mut seen = BTreeSet::new();
    for record in common::records::read("quant_blocks.bin") {
        let dtype = TYPES
            .into_iter()
            .find(|dtype| dtype.name() == record.name)
            .unwrap();
        let mut values = vec![f32::NAN; record.values.len()];
        dequantize(dtype, &record.stored, &mut values).unwrap();
        for (at, (got, expected)) in values.iter().zip(&record.values).enumerate() {
            let block = at / dtype.block_len();
            assert_eq!(
                got.to_bits(),
                expected.to_bits(),
                "{dtype}, block {block}, element {}: {got} instead of {expected}",
                at % dtype.block_len()
            );
        }
        seen.insert(dtype.name());
    }
    assert_eq!(seen.len(), TYPES.len(), "only {seen:?}");
}

#[test]
fn sizes_agree() {
    for dtype in TYPES {
        let (len, bytes) = (dtype.block_len() as u64, dtype.block_bytes() as u64);
        assert_eq!(dtype.bytes_for(3 * len), Some(3 * bytes));
        assert_eq!(
            dtype.bytes_for(u64::MAX / len * len).is_some(),
            bytes <= len
        );
        if len > 1 {
            assert_eq!(dtype.bytes_for(len + 1), None);
        }
    }
}

#[test]
fn lengths_that_disagree_are_refused() {
    for dtype in TYPES {
        let blocks = vec![0; dtype.block_bytes() + 1];
        let mut out = vec![0.0; dtype.block_len()];
        let error = dequantize(dtype, &blocks, &mut out).unwrap_err();
        assert_eq!(error.code(), "invalid-argument");
        assert!(error.to_string().contains("whole blocks"), "{error}");
        let error = dequantize(dtype, &blocks[1..], &mut out[1..]).unwrap_err();
        assert_eq!(error.code(), "invalid-argument");
    }
}
