//! What is written is what is read.

mod common;

use common::{open, read_f32};
use lexigraft_checkpoint::{Array, DType, GgufWriter, NewTensor, Value};

fn tensor(name: &str, shape: &[usize], dtype: DType) -> NewTensor {
    NewTensor {
        name: name.to_owned(),
        shape: shape.to_vec(),
        dtype,
    }
}

fn pairs() -> Vec<(String, Value)> {
    let values = [
        Value::U64(7),
        Value::U64(u64::MAX),
        Value::I64(-7),
        Value::I64(i64::MIN),
        Value::F64(0.5),
        Value::Bool(true),
        Value::Str("Grüße".to_owned()),
        Value::Array(Array::Str(vec!["a".to_owned(), String::new()])),
        Value::Array(Array::F32(vec![1.5, -2.5])),
        Value::Array(Array::I32(vec![-1, 1])),
        Value::Array(Array::U8(vec![0, 255])),
        Value::Array(Array::Bool(vec![true, false])),
        Value::Array(Array::U64(vec![1 << 40])),
        Value::Array(Array::F64(vec![0.1])),
        Value::Array(Array::Nested(vec![
            Array::I8(vec![-3]),
            Array::U16(vec![9]),
        ])),
    ];
    let pairs = values.into_iter().enumerate();
    pairs
        .map(|(at, value)| (format!("key.{at}"), value))
        .collect()
}

fn write(tensors: &[NewTensor], data: &[u8], step: usize) -> std::io::Result<Vec<u8>> {
    let pairs = pairs();
    let pairs = pairs.iter().map(|(key, value)| (key.as_str(), value));
    let mut writer = GgufWriter::new(Vec::new(), pairs, tensors)?;
    for chunk in data.chunks(step) {
        writer.write(chunk)?;
    }
    writer.finish()
}

#[test]
fn every_value_and_tensor_comes_back() {
    let tensors = [
        tensor("a", &[2, 32], DType::Q8_0),
        tensor("empty", &[0, 4], DType::F32),
        tensor("b", &[3], DType::F32),
        tensor("c", &[1, 5], DType::F16),
    ];
    let data: Vec<u8> = (0..68 + 12 + 10).map(|i| (i % 100) as u8).collect();
    for step in [1, 7, 68, 1000] {
        let checkpoint = open(write(&tensors, &data, step).unwrap()).unwrap();
        let found: Vec<(String, Value)> = checkpoint
            .metadata()
            .iter()
            .map(|(key, value)| (key.to_owned(), value.clone()))
            .collect();
        assert_eq!(found, pairs());
        let mut at = 0;
        for tensor in &tensors {
            let info = checkpoint.tensor(&tensor.name).unwrap();
            assert_eq!((&info.shape, info.dtype), (&tensor.shape, tensor.dtype));
            let blocks = pollster::block_on(checkpoint.read_blocks(info)).unwrap();
            assert_eq!(blocks, data[at..at + blocks.len()], "{}", tensor.name);
            at += blocks.len();
        }
        assert_eq!(at, data.len());
        assert_eq!(read_f32(&checkpoint, "b").unwrap().len(), 3);
    }
}

#[test]
fn missing_and_surplus_bytes_are_refused() {
    let tensors = [tensor("a", &[4], DType::F32)];
    assert!(write(&tensors, &[0; 15], 4).is_err());
    assert!(write(&tensors, &[0; 17], 4).is_err());
    assert!(write(&[tensor("a", &[31], DType::Q8_0)], &[], 1).is_err());
}
