//! Bad tensor descriptions, and files that end too early.

mod common;

use common::gguf::{Gguf, tensor};
use common::rows::{BAD, Row, check};
use common::{open, read_f32};

/// A file with one F32 matrix, to be spoilt.
fn good() -> Gguf {
    Gguf::new().tensor(tensor("w", &[4, 2], 0, vec![0; 32]))
}

fn spoil(change: impl FnOnce(&mut Gguf)) -> Vec<u8> {
    let mut file = good();
    change(&mut file);
    file.build()
}

fn with_tensor(dims: &[u64], dtype: u32, bytes: usize) -> Vec<u8> {
    Gguf::new()
        .tensor(tensor("w", dims, dtype, vec![0; bytes]))
        .build()
}

#[test]
fn gguf_tensors() {
    let two = |first: (&str, u64), second: (&str, u64)| {
        let mut file = Gguf::new();
        for (name, offset) in [first, second] {
            let tensor = tensor(name, &[16], 0, vec![0; 64]);
            file = file.tensor(common::gguf::Tensor {
                offset: Some(offset),
                ..tensor
            });
        }
        file.build()
    };
    let placed = |offset| spoil(|f| f.tensors[0].offset = Some(offset));
    check(vec![
        Row(
            "product overflows",
            with_tensor(&[1 << 33, 1 << 33], 0, 8),
            BAD,
            "`w` overflows",
        ),
        Row("bytes overflow", with_tensor(&[1 << 62], 0, 8), BAD, "`w`"),
        Row("huge dimension", with_tensor(&[u64::MAX], 0, 8), BAD, "`w`"),
        Row(
            "absurd shape",
            with_tensor(&[1 << 20, 1 << 20], 0, 8),
            BAD,
            "tensor `w` ends",
        ),
        Row(
            "zero dimension",
            with_tensor(&[4, 0], 0, 8),
            BAD,
            "dimension of 0",
        ),
        Row(
            "5 dimensions",
            with_tensor(&[1; 5], 0, 8),
            BAD,
            "5 dimensions",
        ),
        Row(
            "2^31 dimensions",
            spoil(|f| f.tensors[0].dims = vec![1; 4096]),
            BAD,
            "4096 dim",
        ),
        Row(
            "part of a block",
            with_tensor(&[31], 3, 20),
            BAD,
            "whole Q4_1 blocks of 32",
        ),
        Row(
            "part of a row",
            with_tensor(&[128, 2], 12, 144),
            BAD,
            "whole Q4_K blocks of 256",
        ),
        Row(
            "scalar of blocks",
            with_tensor(&[], 8, 34),
            BAD,
            "whole Q8_0 blocks",
        ),
        Row("beyond the end", placed(1 << 20), BAD, "tensor `w` ends"),
        Row("offset overflows", placed(u64::MAX - 31), BAD, "tensor `w`"),
        Row("odd offset", placed(8), BAD, "no multiple of the alignment"),
        Row("overlap", two(("a", 0), ("b", 32)), BAD, "`a` (bytes"),
        Row("same place", two(("a", 0), ("b", 0)), BAD, "overlap"),
        Row(
            "name twice",
            two(("a", 0), ("a", 64)),
            BAD,
            "tensor `a` occurs twice",
        ),
        Row(
            "UTF-8 in a name",
            spoil(|f| f.tensors[0].name = vec![0xc0]),
            BAD,
            "name of tensor 0",
        ),
        Row(
            "long name",
            spoil(|f| f.tensors[0].name = vec![b'n'; 70_000]),
            BAD,
            "70000 bytes",
        ),
        Row(
            "of unknown type beyond the end",
            spoil(|f| {
                f.tensors[0].dtype = 16;
                f.tensors[0].offset = Some(1 << 20);
            }),
            BAD,
            "tensor `w`",
        ),
    ]);
}

#[test]
fn gguf_truncated_in_every_section() {
    let fragments = [
        ("magic", "the version"),
        ("version", "the version"),
        ("tensor count", "the counts"),
        ("pair count", "the counts"),
        ("key", "metadata key"),
        ("value", "the value of"),
        ("tensor name", "the name of tensor"),
        ("tensor dimensions", "tensor `"),
        ("tensor place", "tensor `"),
        ("tensor data", "tensor `"),
    ];
    // The last tensor of the rich file has an unknown type, so its end
    // cannot be missed.
    let mut rich = common::gguf::rich();
    rich.tensors.pop();
    let (bytes, sections) = rich.sections();
    assert!(open(bytes.clone()).is_ok());
    for (section, end) in sections {
        let cut = end - 1;
        let error = open(&bytes[..cut])
            .err()
            .unwrap_or_else(|| panic!("{section} at {cut}"));
        assert_eq!(error.code(), BAD, "{section} at {cut}: {error}");
        // With a file this short the counts are refused before a section is.
        let (_, fragment) = fragments.iter().find(|(name, _)| *name == section).unwrap();
        let text = error.to_string();
        let expected = text.contains(fragment)
            || text.contains("the header claims")
            || (cut < 8 && text.contains("too short"));
        assert!(expected, "{section} at {cut}: {error}");
    }
    for cut in 0..bytes.len() {
        let error = open(&bytes[..cut])
            .err()
            .unwrap_or_else(|| panic!("opened at {cut}"));
        assert_eq!(error.code(), BAD, "cut at {cut}: {error}");
    }
}

#[test]
fn tensors_that_cannot_be_read() {
    let gguf = open(with_tensor(&[256], 16, 66)).unwrap();
    let unknown = open(with_tensor(&[256], 12345, 66)).unwrap();
    let safetensors = open(common::safetensors::rich()).unwrap();
    let rows = [
        (
            read_f32(&gguf, "w"),
            "unsupported-type",
            "`w` has type IQ2_XXS",
        ),
        (
            read_f32(&unknown, "w"),
            "unsupported-type",
            "number 12345 of ggml",
        ),
        (
            read_f32(&gguf, "v"),
            "missing-tensor",
            "`v` is missing; the file holds 1 tensors",
        ),
        (
            read_f32(&safetensors, "position_ids"),
            "unsupported-type",
            "position_ids` has type I64",
        ),
        (
            read_f32(&safetensors, "future"),
            "unsupported-type",
            "unknown",
        ),
        (
            read_f32(&safetensors, "v"),
            "missing-tensor",
            "`v` is missing",
        ),
    ];
    for (result, code, fragment) in rows {
        let error = result.unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains(fragment), "{error}");
    }
}
