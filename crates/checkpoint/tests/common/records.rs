//! Reads the files that `fixtures/make_quant_blocks.py` wrote.

use std::path::Path;

pub struct Record {
    pub name: String,
    pub stored: Vec<u8>,
    pub values: Vec<f32>,
}

pub fn read(file: &str) -> Vec<Record> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(file);
    let bytes = std::fs::read(&path).unwrap();
    let mut rest = bytes.as_slice();
    let mut field = || {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let (field, after) = after.split_at(u32::from_le_bytes(*length) as usize);
        rest = after;
        Some(field.to_vec())
    };
    let mut records = Vec::new();
    while let Some(name) = field() {
        let stored = field().unwrap();
        let values = field().unwrap();
        let (values, _) = values.as_chunks::<4>();
        records.push(Record {
            name: String::from_utf8(name).unwrap(),
            stored,
            values: values
                .iter()
                .map(|&bytes| f32::from_le_bytes(bytes))
                .collect(),
        });
    }
    records
}
