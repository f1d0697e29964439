//! Writes safetensors files, right ones and wrong ones.

/// A header with its true length, and data.
pub fn file(header: &str, data: &[u8]) -> Vec<u8> {
    with_length(header.len() as u64, header, data)
}

/// A header that may lie about its length.
pub fn with_length(length: u64, header: &str, data: &[u8]) -> Vec<u8> {
    [&length.to_le_bytes()[..], header.as_bytes(), data].concat()
}

/// One entry of a header.
pub fn entry(name: &str, dtype: &str, shape: &str, start: u64, end: u64) -> String {
    format!(r#""{name}":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{start},{end}]}}"#)
}

/// A file as BERT checkpoints are: floats, and position ids that nobody reads.
pub fn rich() -> Vec<u8> {
    let header = [
        r#""__metadata__":{"format":"pt","note":"é"}"#.to_owned(),
        entry("position_ids", "I64", "[1,2]", 0, 16),
        entry("f32", "F32", "[2,2]", 16, 32),
        entry("f16", "F16", "[3]", 32, 38),
        entry("bf16", "BF16", "[1,1]", 38, 40),
        entry("future", "F3_E1M1", "[5]", 40, 42),
        entry("none", "F32", "[0,4]", 42, 42),
    ];
    let data: Vec<u8> = (0..42).map(|i| (i * 5) & 0x3f).collect();
    file(&format!("{{{}}}  ", header.join(",")), &data)
}
