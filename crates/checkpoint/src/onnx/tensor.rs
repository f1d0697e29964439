//! One initialiser of an ONNX graph (`TensorProto`).

use std::ops::Range;

use super::wire::{Content, Wire, malformed};
use super::{MAX_DIMS, MAX_NAME};
use crate::dtype::OtherType;
use crate::source::ByteSource;
use crate::{CheckpointError, DType, TensorInfo};

/// Field numbers of `TensorProto` in `onnx.proto`.
mod field {
    pub(super) const DIMS: u32 = 1;
    pub(super) const DATA_TYPE: u32 = 2;
    pub(super) const SEGMENT: u32 = 3;
    pub(super) const FLOAT_DATA: u32 = 4;
    pub(super) const NAME: u32 = 8;
    pub(super) const RAW_DATA: u32 = 9;
    pub(super) const EXTERNAL_DATA: u32 = 13;
    pub(super) const DATA_LOCATION: u32 = 14;
}

/// Reads the description of an initialiser; its data stay in the file.
pub(super) async fn read<S: ByteSource>(
    wire: &mut Wire<'_, S>,
    message: Range<u64>,
) -> Result<TensorInfo, CheckpointError> {
    let at = message.start;
    let mut rest = message;
    let mut shape: Vec<usize> = Vec::new();
    let (mut name, mut data_type) = (String::new(), 0);
    let (mut raw, mut floats): (Option<Range<u64>>, Option<Range<u64>>) = (None, None);
    let mut elsewhere = false;
    while let Some(found) = wire.next(&mut rest).await? {
        match found.number {
            field::DIMS => match &found.content {
                Content::Bytes(packed) => {
                    let mut packed = packed.clone();
                    while packed.start < packed.end {
                        let dim = packed_varint(wire, &mut packed).await?;
                        push_dim(&mut shape, dim, at)?;
                    }
                }
                _ => push_dim(&mut shape, found.varint()?, at)?,
            },
            field::DATA_TYPE => data_type = found.varint()?,
            field::NAME => name = wire.string(found.bytes()?, MAX_NAME).await?,
            field::RAW_DATA => once(&mut raw, found.bytes()?, at)?,
            // A list of single fields is no contiguous data: the tensor is listed, not decoded.
            field::FLOAT_DATA => {
                if let Content::Bytes(packed) = found.content {
                    once(&mut floats, packed, at)?;
                }
            }
            field::EXTERNAL_DATA => elsewhere = true,
            field::DATA_LOCATION => elsewhere |= found.varint()? == 1,
            field::SEGMENT => {
                return Err(malformed(format!(
                    "the ONNX tensor at byte {at} is stored in segments"
                )));
            }
            _ => {}
        }
    }
    if elsewhere {
        return Err(CheckpointError::UnsupportedFormat(format!(
            "the ONNX tensor `{name}` keeps its data in another file. Export the model into one file"
        )));
    }
    if name.is_empty() {
        return Err(malformed(format!(
            "the ONNX tensor at byte {at} has no name"
        )));
    }
    let dtype = match (data_type, &raw, &floats) {
        (1, Some(_), None) | (1, None, Some(_)) => DType::F32,
        (10, Some(_), None) => DType::F16,
        (16, Some(_), None) => DType::BF16,
        (other, _, _) => DType::Other(OtherType::Onnx(type_name(other))),
    };
    let range = raw.or(floats).unwrap_or(at..at);
    let elements = shape
        .iter()
        .try_fold(1u64, |product, &dim| product.checked_mul(dim as u64));
    let bytes = elements.and_then(|elements| dtype.bytes_for(elements));
    if dtype.is_supported() && bytes != Some(range.end - range.start) {
        return Err(malformed(format!(
            "the ONNX tensor `{name}` of type {dtype} and shape {shape:?} cannot take bytes \
             {}..{}",
            range.start, range.end
        )));
    }
    shape.shrink_to_fit();
    Ok(TensorInfo {
        name,
        shape,
        dtype,
        range,
    })
}

fn once(slot: &mut Option<Range<u64>>, range: Range<u64>, at: u64) -> Result<(), CheckpointError> {
    match slot.replace(range) {
        None => Ok(()),
        Some(_) => Err(malformed(format!(
            "the ONNX tensor at byte {at} has its data twice"
        ))),
    }
}

fn push_dim(shape: &mut Vec<usize>, dim: u64, at: u64) -> Result<(), CheckpointError> {
    let dim = i64::try_from(dim)
        .ok()
        .and_then(|dim| usize::try_from(dim).ok())
        .filter(|_| shape.len() < MAX_DIMS);
    match dim {
        Some(dim) => {
            shape.push(dim);
            Ok(())
        }
        None => Err(malformed(format!(
            "the ONNX tensor at byte {at} has a negative dimension or more than {MAX_DIMS}"
        ))),
    }
}

async fn packed_varint<S: ByteSource>(
    wire: &mut Wire<'_, S>,
    rest: &mut Range<u64>,
) -> Result<u64, CheckpointError> {
    let ahead = rest.end.min(rest.start.saturating_add(10));
    let mut bytes = wire.view(rest.start..ahead).await?;
    let before = bytes.len();
    let value = prost::encoding::decode_varint(&mut bytes)
        .map_err(|error| malformed(format!("a dimension in the ONNX file: {error}")))?;
    rest.start += (before - bytes.len()) as u64;
    Ok(value)
}

/// The names of `TensorProto.DataType`.
fn type_name(number: u64) -> &'static str {
    match number {
        1 => "FLOAT",
        2 => "UINT8",
        3 => "INT8",
        4 => "UINT16",
        5 => "INT16",
        6 => "INT32",
        7 => "INT64",
        8 => "STRING",
        9 => "BOOL",
        10 => "FLOAT16",
        11 => "DOUBLE",
        12 => "UINT32",
        13 => "UINT64",
        16 => "BFLOAT16",
        _ => "unknown",
    }
}
