//! Bad magic, versions, counts and metadata: each its own code and message.

mod common;

use common::gguf::{Gguf, array, array_body, kind, str_value, string, tensor, u32_value, value};
use common::open;
use common::rows::{BAD, FORMAT, Row, check};

/// A file with one F32 matrix, to be spoilt.
fn good() -> Gguf {
    Gguf::new()
        .pair("general.architecture", str_value("llama"))
        .tensor(tensor("w", &[4, 2], 0, vec![0; 32]))
}

fn spoil(change: impl FnOnce(&mut Gguf)) -> Vec<u8> {
    let mut file = good();
    change(&mut file);
    file.build()
}

fn with_value(value: Vec<u8>) -> Vec<u8> {
    good().pair("spoilt", value).build()
}

#[test]
fn no_checkpoint_at_all() {
    check(vec![
        Row("0 bytes", vec![], BAD, "the file is empty"),
        Row("3 bytes", b"GGU".to_vec(), BAD, "only 3 bytes long"),
        Row("8 bytes", b"\x02\0\0\0\0\0\0\0".to_vec(), BAD, "too short"),
        Row(
            "text",
            b"Hello, this is a text.".to_vec(),
            FORMAT,
            "none of GGUF, safetensors and ONNX",
        ),
        Row(
            "wrong magic",
            spoil(|f| f.magic = *b"GGUQ"),
            FORMAT,
            "Use a .gguf",
        ),
        Row(
            "old ggml",
            spoil(|f| f.magic = *b"tjgg"),
            FORMAT,
            "convert it to GGUF",
        ),
        Row(
            "web page",
            b"<!doctype html><html></html>".to_vec(),
            FORMAT,
            "web page",
        ),
        Row(
            "zip",
            b"PK\x03\x04archive/data.pkl".to_vec(),
            FORMAT,
            "zip archive",
        ),
        Row(
            "LFS pointer",
            b"version https://git-lfs.github.com/spec/v1".to_vec(),
            FORMAT,
            "LFS",
        ),
    ]);
}

#[test]
fn gguf_versions_and_counts() {
    let huge = u64::MAX;
    check(vec![
        Row(
            "magic alone",
            b"GGUF".to_vec(),
            BAD,
            "the version at byte 0",
        ),
        Row("version 0", spoil(|f| f.version = 0), FORMAT, "version 0"),
        Row(
            "version 1",
            spoil(|f| f.version = 1),
            FORMAT,
            "version 1, which is no longer",
        ),
        Row(
            "version 99",
            spoil(|f| f.version = 99),
            FORMAT,
            "version 99, which is unknown",
        ),
        Row(
            "big-endian",
            spoil(|f| f.version = 3u32.swap_bytes()),
            FORMAT,
            "big-endian",
        ),
        Row(
            "tensor count",
            spoil(|f| f.tensor_count = Some(huge)),
            BAD,
            "tensors",
        ),
        Row(
            "tensor count 2^40",
            spoil(|f| f.tensor_count = Some(1 << 40)),
            BAD,
            "tensors",
        ),
        Row(
            "one tensor too many",
            spoil(|f| f.tensor_count = Some(2)),
            BAD,
            "tensor `w` ends",
        ),
        Row(
            "pair count",
            spoil(|f| f.pair_count = Some(huge)),
            BAD,
            "metadata pairs",
        ),
        Row(
            "pair count 2^33",
            spoil(|f| f.pair_count = Some(1 << 33)),
            BAD,
            "metadata pairs",
        ),
        Row(
            "one pair too many",
            spoil(|f| f.pair_count = Some(2)),
            BAD,
            "the name of tensor 0",
        ),
    ]);
}

#[test]
fn gguf_metadata() {
    let string_of = |length: u64| value(kind::STR, &[&length.to_le_bytes()[..], b"abc"].concat());
    let nested = |depth: u32| {
        let leaf = array_body(kind::U8, 1, &[7]);
        let body = (1..depth).fold(leaf, |inner, _| array_body(kind::ARRAY, 1, &inner));
        with_value(value(kind::ARRAY, &body))
    };
    let invalid = value(kind::STR, &string(b"\xff\xfe"));
    let invalid_item = array(kind::STR, 1, &string(b"ab\xc3"));
    let named = "the value of `spoilt`";
    check(vec![
        Row("string length", with_value(string_of(u64::MAX)), BAD, named),
        Row(
            "string length 2^32",
            with_value(string_of(1 << 32)),
            BAD,
            "4294967296 bytes",
        ),
        Row(
            "array length",
            with_value(array(kind::U8, u64::MAX, &[])),
            BAD,
            named,
        ),
        Row(
            "array of u64, overflow",
            with_value(array(kind::U64, 1 << 61, &[])),
            BAD,
            named,
        ),
        Row(
            "array of strings",
            with_value(array(kind::STR, 1 << 60, &[])),
            BAD,
            "at least 8",
        ),
        Row(
            "array of arrays",
            with_value(array(kind::ARRAY, 1 << 40, &[])),
            BAD,
            "at least 12",
        ),
        Row("nested 5 deep", nested(5), BAD, "nested more than 4"),
        Row("nested 9999 deep", nested(9999), BAD, "nested more than 4"),
        Row(
            "value type",
            with_value(value(13, &[0; 8])),
            BAD,
            "value type 13 is unknown",
        ),
        Row(
            "element type",
            with_value(array(99, 1, &[0; 8])),
            BAD,
            "value type 99 is unknown",
        ),
        Row(
            "boolean 2",
            with_value(value(kind::BOOL, &[2])),
            BAD,
            "2 instead of 0 or 1",
        ),
        Row("UTF-8 in a value", with_value(invalid), BAD, named),
        Row(
            "UTF-8 in an array",
            with_value(invalid_item),
            BAD,
            "invalid UTF-8",
        ),
        Row(
            "UTF-8 in a key",
            good().pair(*b"\xff", u32_value(1)).build(),
            BAD,
            "metadata key 1",
        ),
        Row(
            "long key",
            good().pair([b'k'; 70_000], u32_value(1)).build(),
            BAD,
            "70000 bytes",
        ),
        Row(
            "key twice",
            good()
                .pair("a", u32_value(1))
                .pair("b", u32_value(1))
                .pair("a", u32_value(2))
                .build(),
            BAD,
            "metadata key `a` occurs twice",
        ),
    ]);
    assert!(open(nested(4)).is_ok());
}

#[test]
fn gguf_alignment() {
    let aligned = |value| good().pair("general.alignment", value).build();
    check(vec![
        Row("0", aligned(u32_value(0)), BAD, "general.alignment` is 0"),
        Row("48", aligned(u32_value(48)), BAD, "no power of two"),
        Row(
            "a string",
            aligned(str_value("32")),
            BAD,
            "general.alignment` holds a string",
        ),
        Row(
            "negative",
            aligned(value(kind::I32, &[0xff; 4])),
            BAD,
            "signed integer",
        ),
        Row(
            "2^63",
            aligned(value(kind::U64, &(1u64 << 63).to_le_bytes())),
            BAD,
            "`w`",
        ),
    ]);
}
