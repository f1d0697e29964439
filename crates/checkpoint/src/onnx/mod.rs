//! The weights of an ONNX model: the initialisers of its graph.
//!
//! An ONNX file is one protobuf message. Its fields are walked over ranges with the primitives of
//! the `prost` crate; a generated reader would want the whole file in memory, and weights twice.
//! The graph itself is not run: a model of this project knows its family's layers, and takes the
//! initialisers by name.
//!
//! Exporters fold constants and call the result `onnx::MatMul_1966`. Such an initialiser gets the
//! name of the first node that reads it, with dots for slashes, when it is the only such input of
//! that node: `/encoder/layer.0/query/MatMul` gives `encoder.layer.0.query.MatMul`. A matrix of a
//! `MatMul` node is `[in, out]`, the transpose of a linear layer's weight.

mod tensor;
mod wire;

use std::collections::HashMap;
use std::ops::Range;

use crate::source::ByteSource;
use crate::value::Value;
use crate::{CheckpointError, Metadata, TensorInfo};
use wire::{Wire, malformed};

/// More tensors than any model in one file has; bounds what tiny ones cost in memory.
const MAX_TENSORS: usize = 1 << 14;

/// Far above the few entries of a real file.
const MAX_PAIRS: usize = 1 << 10;

/// Limits as for the other formats.
const MAX_NAME: u64 = u16::MAX as u64;
const MAX_DIMS: usize = 16;

/// How exporters begin the names of folded constants.
const ANONYMOUS: &str = "onnx::";

/// What the file says beside the graph's nodes.
pub(crate) struct Header {
    pub(crate) metadata: Metadata,
    pub(crate) tensors: Vec<TensorInfo>,
}

/// Whether the file begins as an ONNX model does: its version, then another of its first fields.
/// The format has no magic number.
pub(crate) fn looks_like(head: &[u8]) -> bool {
    matches!(
        head,
        [
            0x08,
            1..=32,
            0x12 | 0x1a | 0x22 | 0x28 | 0x32 | 0x3a | 0x42,
            ..
        ]
    )
}

/// Reads the descriptions of all initialisers.
pub(crate) async fn read_header<S: ByteSource>(source: &S) -> Result<Header, CheckpointError> {
    let mut wire = Wire::new(source);
    let mut rest = 0..wire.file_len();
    let mut pairs = Vec::new();
    let mut graph = None;
    while let Some(field) = wire.next(&mut rest).await? {
        // Numbers of `ModelProto`.
        match field.number {
            1 => pairs.push(("onnx.ir_version".to_owned(), Value::U64(field.varint()?))),
            2 => pairs.push((
                "onnx.producer_name".to_owned(),
                Value::Str(wire.string(field.bytes()?, MAX_NAME).await?),
            )),
            3 => pairs.push((
                "onnx.producer_version".to_owned(),
                Value::Str(wire.string(field.bytes()?, MAX_NAME).await?),
            )),
            7 if graph.is_some() => {
                return Err(malformed("the ONNX file has two graphs".to_owned()));
            }
            7 => graph = Some(field.bytes()?),
            14 => pairs.push(pair(&mut wire, field.bytes()?).await?),
            _ => {}
        }
        if pairs.len() > MAX_PAIRS {
            return Err(malformed(format!(
                "the ONNX file has more than {MAX_PAIRS} metadata entries"
            )));
        }
    }
    let graph = graph.ok_or_else(|| malformed("the ONNX file has no graph".to_owned()))?;
    Ok(Header {
        metadata: Metadata::from_pairs(pairs)?,
        tensors: read_graph(&mut wire, graph).await?,
    })
}

/// A `StringStringEntryProto`.
async fn pair<S: ByteSource>(
    wire: &mut Wire<'_, S>,
    mut rest: Range<u64>,
) -> Result<(String, Value), CheckpointError> {
    let (mut key, mut value) = (String::new(), String::new());
    while let Some(field) = wire.next(&mut rest).await? {
        match field.number {
            1 => key = wire.string(field.bytes()?, MAX_NAME).await?,
            2 => value = wire.string(field.bytes()?, MAX_NAME).await?,
            _ => {}
        }
    }
    Ok((key, Value::Str(value)))
}

async fn read_graph<S: ByteSource>(
    wire: &mut Wire<'_, S>,
    mut rest: Range<u64>,
) -> Result<Vec<TensorInfo>, CheckpointError> {
    let mut tensors: Vec<TensorInfo> = Vec::new();
    // Anonymous input -> the first node that reads it, for nodes with one such input.
    let mut readers: HashMap<String, String> = HashMap::new();
    while let Some(field) = wire.next(&mut rest).await? {
        // Numbers of `GraphProto`.
        match field.number {
            1 => {
                if let Some((input, node)) = anonymous_input(wire, field.bytes()?).await?
                    && readers.len() < MAX_TENSORS
                {
                    readers.entry(input).or_insert(node);
                }
            }
            5 => {
                if tensors.len() == MAX_TENSORS {
                    return Err(malformed(format!(
                        "the ONNX graph has more than {MAX_TENSORS} initialisers"
                    )));
                }
                tensors.push(tensor::read(wire, field.bytes()?).await?);
            }
            _ => {}
        }
    }
    for tensor in &mut tensors {
        if let Some(node) = readers.remove(&tensor.name) {
            tensor.name = node;
        }
    }
    Ok(tensors)
}

/// A node's anonymous input and its own name in dots, if it has a name and exactly one such input.
async fn anonymous_input<S: ByteSource>(
    wire: &mut Wire<'_, S>,
    mut rest: Range<u64>,
) -> Result<Option<(String, String)>, CheckpointError> {
    let (mut input, mut count, mut name) = (String::new(), 0usize, String::new());
    while let Some(field) = wire.next(&mut rest).await? {
        // Numbers of `NodeProto`.
        match field.number {
            1 => {
                let text = wire.string(field.bytes()?, MAX_NAME).await?;
                if text.starts_with(ANONYMOUS) {
                    input = text;
                    count += 1;
                }
            }
            3 => name = wire.string(field.bytes()?, MAX_NAME).await?,
            _ => {}
        }
    }
    let name = name.trim_start_matches('/').replace('/', ".");
    Ok((count == 1 && !name.is_empty()).then_some((input, name)))
}
