//! Bad safetensors files: each its own code and message.

mod common;

use common::open;
use common::rows::{BAD, Row, check};
use common::safetensors::{entry, file, with_length};

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
