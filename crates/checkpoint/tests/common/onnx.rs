//! Writes ONNX files, right ones and wrong ones.

pub fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            out.push(low);
            return out;
        }
        out.push(low | 0x80);
    }
}

/// A field that holds a number.
pub fn number(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

/// A field that holds bytes.
pub fn bytes(field: u64, content: &[u8]) -> Vec<u8> {
    [
        varint(field << 3 | 2),
        varint(content.len() as u64),
        content.to_vec(),
    ]
    .concat()
}

/// A `TensorProto` with raw data.
pub fn tensor(name: &str, dims: &[u64], data_type: u64, data: &[u8]) -> Vec<u8> {
    let dims: Vec<u8> = dims.iter().flat_map(|&dim| number(1, dim)).collect();
    [
        dims,
        number(2, data_type),
        bytes(8, name.as_bytes()),
        bytes(9, data),
    ]
    .concat()
}

/// A `NodeProto`.
pub fn node(name: &str, inputs: &[&str]) -> Vec<u8> {
    let inputs: Vec<u8> = inputs
        .iter()
        .flat_map(|input| bytes(1, input.as_bytes()))
        .collect();
    [inputs, bytes(3, name.as_bytes()), bytes(4, b"MatMul")].concat()
}

/// A `ModelProto`.
pub fn model(nodes: &[Vec<u8>], tensors: &[Vec<u8>]) -> Vec<u8> {
    let nodes: Vec<u8> = nodes.iter().flat_map(|node| bytes(1, node)).collect();
    let tensors: Vec<u8> = tensors.iter().flat_map(|t| bytes(5, t)).collect();
    let graph = [nodes, bytes(2, b"main_graph"), tensors].concat();
    [number(1, 8), bytes(2, b"test"), bytes(7, &graph)].concat()
}

/// Each way to store floats, a type that is not decoded and an anonymous matrix.
pub fn rich() -> Vec<u8> {
    let floats: Vec<u8> = [1.0f32, -2.5, 3.0, 0.0, 5.5, 6.0]
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    let packed = [
        bytes(1, &[2, 3]),
        number(2, 1),
        bytes(4, &floats),
        bytes(8, b"packed"),
    ]
    .concat();
    model(
        &[
            node("/layer.0/query/MatMul", &["x", "onnx::MatMul_7"]),
            node("/layer.0/add", &["layer.0.bias", "y"]),
            node("/both", &["onnx::A", "onnx::MatMul_7"]),
        ],
        &[
            tensor("layer.0.bias", &[3], 1, &floats[..12]),
            tensor("onnx::MatMul_7", &[2, 3], 1, &floats),
            tensor("half", &[2], 10, &[0, 0x3c, 0, 0xc0]),
            tensor("positions", &[1], 7, &[0; 8]),
            packed,
        ],
    )
}
