//! safetensors: a length, a JSON header and the data.
//!
//! Element types are those of the `safetensors` crate. Its own header reader
//! wants the whole file in memory; here the header is read alone, entry by
//! entry, so that an error names its tensor and a repeated name is seen.

use std::collections::BTreeMap;
use std::fmt;

use safetensors::Dtype;
use serde::de::value::{Error as NameError, StrDeserializer};
use serde::de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::dtype::OtherType;
use crate::source::{ByteSource, read_exact};
use crate::value::Value;
use crate::{CheckpointError, DType, Metadata, TensorInfo};

/// The limit of the `safetensors` crate.
const MAX_HEADER: u64 = 100_000_000;

/// Bytes of the length in front of the header.
pub(crate) const LENGTH_BYTES: u64 = 8;

/// More dimensions than any tensor has; bounds what a list of small numbers
/// can cost in memory.
const MAX_DIMS: usize = 16;

/// What the header says.
pub(crate) struct Header {
    pub(crate) metadata: Metadata,
    pub(crate) tensors: Vec<TensorInfo>,
}

/// Reads the header of a file whose first eight bytes are `length`.
pub(crate) async fn read_header<S: ByteSource>(
    source: &S,
    length: u64,
) -> Result<Header, CheckpointError> {
    let file_len = source.len();
    let left = file_len.saturating_sub(LENGTH_BYTES);
    if length > left || length > MAX_HEADER {
        return Err(malformed(format!(
            "the safetensors header claims {length} bytes, more than the {left} bytes that follow \
             or the limit of {MAX_HEADER} allow"
        )));
    }
    let data_start = LENGTH_BYTES + length;
    let json = read_exact(source, LENGTH_BYTES..data_start).await?;
    let entries: Entries = serde_json::from_slice(&json)
        .map_err(|error| malformed(format!("the safetensors header is invalid: {error}")))?;
    drop(json);

    let pairs = entries
        .metadata
        .into_iter()
        .map(|(key, text)| (key, Value::Str(text)));
    let metadata = Metadata::from_pairs(pairs)?;
    let mut tensors = Vec::with_capacity(entries.tensors.len());
    for (name, entry) in entries.tensors {
        tensors.push(tensor(name, entry, data_start, file_len)?);
    }
    tensors.sort_by_key(|tensor| (tensor.range.start, tensor.range.end));
    refuse_gaps(&tensors, data_start, file_len)?;
    Ok(Header { metadata, tensors })
}

fn tensor(
    name: String,
    entry: Entry,
    data_start: u64,
    file_len: u64,
) -> Result<TensorInfo, CheckpointError> {
    let (start, end) = entry.data_offsets;
    let shape = entry.shape.0;
    let elements = shape
        .iter()
        .try_fold(1usize, |product, &dim| product.checked_mul(dim))
        .ok_or_else(|| malformed(format!("the shape of tensor `{name}` overflows: {shape:?}")))?;
    if let Some(dtype) = entry.dtype.known {
        let expected = (elements as u64)
            .checked_mul(dtype.bitsize() as u64)
            .map(|b| b.div_ceil(8));
        let given = end.checked_sub(start);
        if given.is_none() || given != expected {
            return Err(malformed(format!(
                "tensor `{name}` of type {dtype} and shape {shape:?} cannot take bytes \
                 {start}..{end} of the data"
            )));
        }
    }
    let absolute = |offset: u64| offset.checked_add(data_start).filter(|&at| at <= file_len);
    match (absolute(start), absolute(end)) {
        (Some(start), Some(end)) if start <= end => Ok(TensorInfo {
            name,
            shape,
            dtype: entry.dtype.stored(),
            range: start..end,
        }),
        _ => Err(malformed(format!(
            "tensor `{name}` takes bytes {start}..{end} of the data, which starts at byte \
             {data_start} of a file of {file_len} bytes"
        ))),
    }
}

/// The format wants every byte of the data to belong to one tensor.
/// Overlaps are refused elsewhere, for both formats.
fn refuse_gaps(
    tensors: &[TensorInfo],
    data_start: u64,
    file_len: u64,
) -> Result<(), CheckpointError> {
    let mut end = data_start;
    for tensor in tensors {
        if tensor.range.start > end {
            return Err(malformed(format!(
                "bytes {end}..{} before tensor `{}` belong to no tensor",
                tensor.range.start, tensor.name
            )));
        }
        end = end.max(tensor.range.end);
    }
    if end != file_len {
        return Err(malformed(format!(
            "bytes {end}..{file_len} at the end belong to no tensor"
        )));
    }
    Ok(())
}

/// One tensor of the header.
#[derive(Deserialize)]
struct Entry {
    dtype: ElementType,
    shape: Shape,
    data_offsets: (u64, u64),
}

/// The element type; `None` when the `safetensors` crate does not know it,
/// which must not hide the file's other tensors.
struct ElementType {
    known: Option<Dtype>,
}

impl ElementType {
    fn stored(&self) -> DType {
        let other = |name| DType::Other(OtherType::Safetensors(name));
        match self.known {
            Some(Dtype::F32) => DType::F32,
            Some(Dtype::F16) => DType::F16,
            Some(Dtype::BF16) => DType::BF16,
            Some(Dtype::BOOL) => other("BOOL"),
            Some(Dtype::I8) => other("I8"),
            Some(Dtype::U8) => other("U8"),
            Some(Dtype::I16) => other("I16"),
            Some(Dtype::U16) => other("U16"),
            Some(Dtype::I32) => other("I32"),
            Some(Dtype::U32) => other("U32"),
            Some(Dtype::I64) => other("I64"),
            Some(Dtype::U64) => other("U64"),
            Some(Dtype::F64) => other("F64"),
            Some(Dtype::C64) => other("C64"),
            Some(Dtype::F4) => other("F4"),
            Some(Dtype::F6_E2M3) => other("F6_E2M3"),
            Some(Dtype::F6_E3M2) => other("F6_E3M2"),
            Some(Dtype::F8_E4M3) => other("F8_E4M3"),
            Some(Dtype::F8_E5M2) => other("F8_E5M2"),
            Some(Dtype::F8_E8M0) => other("F8_E8M0"),
            Some(Dtype::F8_E4M3FNUZ) => other("F8_E4M3FNUZ"),
            Some(Dtype::F8_E5M2FNUZ) => other("F8_E5M2FNUZ"),
            _ => other("unknown"),
        }
    }
}

impl<'de> Deserialize<'de> for ElementType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let known = Dtype::deserialize(StrDeserializer::<NameError>::new(&name)).ok();
        Ok(Self { known })
    }
}

/// Dimensions, outermost first.
struct Shape(Vec<usize>);

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Dims;
        impl<'de> Visitor<'de> for Dims {
            type Value = Shape;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                write!(f, "a list of at most {MAX_DIMS} dimensions")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Shape, A::Error> {
                let mut dims = Vec::new();
                while let Some(dim) = seq.next_element()? {
                    if dims.len() == MAX_DIMS {
                        return Err(A::Error::invalid_length(MAX_DIMS + 1, &self));
                    }
                    dims.push(dim);
                }
                Ok(Shape(dims))
            }
        }
        deserializer.deserialize_seq(Dims)
    }
}

/// The whole header.
struct Entries {
    metadata: BTreeMap<String, String>,
    tensors: BTreeMap<String, Entry>,
}

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Entries {
                    metadata: BTreeMap::new(),
                    tensors: BTreeMap::new(),
                };
                while let Some(name) = map.next_key::<String>()? {
                    if name == "__metadata__" {
                        entries.metadata = map.next_value()?;
                    } else if entries.tensors.contains_key(&name) {
                        map.next_value::<IgnoredAny>()?;
                        return Err(A::Error::custom(format!("tensor `{name}` occurs twice")));
                    } else {
                        let entry = map.next_value().map_err(|error| {
                            A::Error::custom(format!("tensor `{name}`: {error}"))
                        })?;
                        entries.tensors.insert(name, entry);
                    }
                }
                Ok(entries)
            }
        }
        deserializer.deserialize_map(Object)
    }
}

fn malformed(what: String) -> CheckpointError {
    CheckpointError::Malformed(what)
}
