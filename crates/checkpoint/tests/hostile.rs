//! Bad files: each gets its own code and a message that says what is wrong.

mod common;

use common::gguf::{Gguf, array, array_body, kind, str_value, string, tensor, u32_value, value};
use common::safetensors::{entry, file, with_length};
use common::{open, read_f32};

/// A bad file, the code it gets and a part of the message.
struct Row(&'static str, Vec<u8>, &'static str, &'static str);

const BAD: &str = "bad-checkpoint";
const FORMAT: &str = "unsupported-format";

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

fn with_tensor(dims: &[u64], dtype: u32, bytes: usize) -> Vec<u8> {
    Gguf::new()
        .tensor(tensor("w", dims, dtype, vec![0; bytes]))
        .build()
}

fn check(rows: Vec<Row>) {
    for Row(name, file, code, fragment) in rows {
        match open(file) {
            Ok(_) => panic!("{name}: opened"),
            Err(error) => {
                assert_eq!(error.code(), code, "{name}: {error}");
                assert!(error.to_string().contains(fragment), "{name}: {error}");
            }
        }
    }
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
            "neither GGUF nor safetensors",
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
fn safetensors_headers() {
    let one = |entry: String, bytes: usize| file(&format!("{{{entry}}}"), &vec![0; bytes]);
    let w = |dtype: &str, shape: &str, start, end| entry("w", dtype, shape, start, end);
    let good = w("F32", "[2]", 0, 8);
    let pair = |a: (&str, u64, u64), b: (&str, u64, u64)| {
        let data = vec![0; a.2.max(b.2) as usize];
        let entry = |(name, start, end)| entry(name, "F32", "[2]", start, end);
        file(&format!("{{{},{}}}", entry(a), entry(b)), &data)
    };
    check(vec![
        Row(
            "length 2^63",
            with_length(1 << 63, "{}", &[]),
            BAD,
            "claims 9223372036854775808",
        ),
        Row(
            "length one too many",
            with_length(3, "{}", &[]),
            BAD,
            "claims 3 bytes",
        ),
        Row(
            "length one too few",
            with_length(1, "{}", &[]),
            BAD,
            "header is invalid",
        ),
        Row(
            "not JSON",
            file("{not json}", &[]),
            BAD,
            "header is invalid",
        ),
        Row(
            "cut JSON",
            file(&format!("{{{good}"), &[0; 8]),
            BAD,
            "header is invalid",
        ),
        Row(
            "no object",
            file(r#"{"w":["F32",[0],[0,0]]}"#, &[]),
            BAD,
            "tensor `w`",
        ),
        Row(
            "deep",
            file(
                &format!("{{\"w\":{}{}}}", "[".repeat(5000), "]".repeat(5000)),
                &[],
            ),
            BAD,
            "`w`: the entry is no object",
        ),
        Row(
            "UTF-8",
            [&5u64.to_le_bytes()[..], b"{\"\xff\":"].concat(),
            BAD,
            "header is invalid",
        ),
        Row(
            "metadata",
            file(r#"{"__metadata__":{"a":1}}"#, &[]),
            BAD,
            "expected a string",
        ),
        Row(
            "no dtype",
            file(r#"{"w":{"shape":[]}}"#, &[]),
            BAD,
            "missing field `dtype`",
        ),
        Row("overlap", pair(("a", 0, 8), ("b", 4, 12)), BAD, "overlap"),
        Row(
            "hole",
            pair(("a", 0, 8), ("b", 12, 20)),
            BAD,
            "belong to no tensor",
        ),
        Row(
            "twice",
            pair(("a", 0, 8), ("a", 8, 16)),
            BAD,
            "tensor `a` occurs twice",
        ),
        Row(
            "bytes for the shape",
            one(w("F32", "[2]", 0, 4), 4),
            BAD,
            "tensor `w`: F32 of",
        ),
        Row(
            "reversed offsets",
            one(w("F32", "[2]", 8, 0), 8),
            BAD,
            "cannot take bytes 8..0",
        ),
        Row(
            "of no known type",
            one(w("F99", "[2]", 8, 0), 8),
            BAD,
            "cannot take bytes 8..0",
        ),
        Row(
            "huge offsets",
            one(w("U8", "[9223372036854775807]", 1, 1 << 63), 8),
            BAD,
            "`w`",
        ),
        Row(
            "offset overflow",
            one(w("F99", "[1]", 0, u64::MAX), 8),
            BAD,
            "tensor `w`",
        ),
        Row(
            "shape overflows",
            one(w("F32", "[4294967296,4294967296]", 0, 8), 8),
            BAD,
            "overflows",
        ),
        Row(
            "bits overflow",
            one(w("F32", "[2305843009213693952]", 0, 8), 8),
            BAD,
            "`w`",
        ),
        Row(
            "17 dimensions",
            one(w("F32", &format!("{:?}", [1; 17]), 0, 4), 4),
            BAD,
            "at most 16",
        ),
        Row(
            "negative",
            one(w("F32", "[-2]", 0, 8), 8),
            BAD,
            "tensor `w`",
        ),
        Row(
            "truncated",
            one(good.clone(), 7),
            BAD,
            "tensor `w` takes bytes 0..8",
        ),
        Row(
            "no data",
            one(good.clone(), 0),
            BAD,
            "tensor `w` takes bytes 0..8",
        ),
        Row(
            "bytes behind",
            one(good, 9),
            BAD,
            "at the end belong to no tensor",
        ),
    ]);
}

#[test]
fn safetensors_truncated_anywhere() {
    let bytes = common::safetensors::rich();
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
