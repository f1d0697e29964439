//! safetensors: a length, a JSON header and the data.
//!
//! Element types are those of the `safetensors` crate. Its own header reader
//! wants the whole file in memory; here the header is read alone, entry by
//! entry, so that an error names its tensor and a repeated name is seen.

use std::fmt;
use std::ops::Range;

use safetensors::Dtype;
use serde::de::value::{Error as NameError, StrDeserializer};
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

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

/// Far above the few entries of a real `__metadata__`; bounds what tiny ones
/// can cost in memory.
const MAX_PAIRS: usize = 1 << 14;

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
    let entries = parse(&json).map_err(|error| {
        let error = clipped(&error.to_string());
        malformed(format!("the safetensors header is invalid: {error}"))
    })?;
    drop(json);

    let metadata = Metadata::from_pairs(entries.metadata)?;
    let mut tensors = entries.tensors;
    tensors.shrink_to_fit();
    for tensor in &mut tensors {
        place(tensor, data_start, file_len)?;
    }
    tensors.sort_unstable_by_key(|tensor| (tensor.range.start, tensor.range.end));
    refuse_gaps(&tensors, data_start, file_len)?;
    Ok(Header { metadata, tensors })
}

/// Makes the range absolute and checks it against the file.
fn place(tensor: &mut TensorInfo, data_start: u64, file_len: u64) -> Result<(), CheckpointError> {
    let Range { start, end } = tensor.range;
    let absolute = |offset: u64| offset.checked_add(data_start).filter(|&at| at <= file_len);
    match (absolute(start), absolute(end)) {
        (Some(start), Some(end)) => {
            tensor.range = start..end;
            Ok(())
        }
        _ => Err(malformed(format!(
            "tensor `{}` takes bytes {start}..{end} of the data, which starts at byte \
             {data_start} of a file of {file_len} bytes",
            tensor.name
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

/// Shape, type and bytes relative to the data.
type Description = (Vec<usize>, DType, Range<u64>);

impl Entry {
    /// Checks the type and shape against the bytes. The range stays relative
    /// to the data. The error says how, for a sentence that names the tensor.
    fn described(self) -> Result<Description, String> {
        let (start, end) = self.data_offsets;
        let shape = self.shape.0;
        let elements = shape
            .iter()
            .try_fold(1usize, |product, &dim| product.checked_mul(dim));
        let Some(elements) = elements else {
            return Err(format!("the shape {shape:?} overflows"));
        };
        let bytes = end.checked_sub(start);
        let expected = match self.dtype.known {
            Some(dtype) => bits(elements, dtype).map(|bits| bits.div_ceil(8)),
            None => bytes,
        };
        if bytes.is_none() || bytes != expected {
            let dtype = self.dtype.stored();
            return Err(format!(
                "{dtype} of shape {shape:?} cannot take bytes {start}..{end}"
            ));
        }
        Ok((shape, self.dtype.stored(), start..end))
    }
}

fn bits(elements: usize, dtype: Dtype) -> Option<u64> {
    (elements as u64).checked_mul(dtype.bitsize() as u64)
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
                dims.shrink_to_fit();
                Ok(Shape(dims))
            }
        }
        deserializer.deserialize_seq(Dims)
    }
}

/// The strings of `__metadata__`.
struct Pairs(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Strings;
        impl<'de> Visitor<'de> for Strings {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                write!(f, "an object of at most {MAX_PAIRS} strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some((key, text)) = map.next_entry()? {
                    if pairs.len() == MAX_PAIRS {
                        return Err(A::Error::invalid_length(MAX_PAIRS + 1, &self));
                    }
                    pairs.push((key, Value::Str(text)));
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Strings)
    }
}

/// The whole header, its tensors as the file orders them.
struct Entries {
    metadata: Vec<(String, Value)>,
    tensors: Vec<TensorInfo>,
}

/// An entry or a name longer than this is damage.
const MAX_ENTRY_BYTES: usize = u16::MAX as usize;

/// The shortest entry: `"":{"dtype":"","shape":[],"data_offsets":[0,0]}`.
const MIN_ENTRY_BYTES: usize = 47;

/// Parses the header. The number of tensors is bounded by its length, and
/// reserving for that many once costs less than growing.
fn parse(json: &[u8]) -> Result<Entries, serde_json::Error> {
    let mut entries = Entries {
        metadata: Vec::new(),
        tensors: Vec::with_capacity(json.len() / MIN_ENTRY_BYTES),
    };
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    deserializer.deserialize_map(Object(&mut entries))?;
    deserializer.end()?;
    Ok(entries)
}

struct Object<'e>(&'e mut Entries);

impl<'de> Visitor<'de> for Object<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            // Raw first, so that no parser's error can quote at length.
            let raw = map.next_value::<&RawValue>()?.get();
            if name == "__metadata__" {
                self.0.metadata = pairs(raw).map_err(A::Error::custom)?;
                continue;
            }
            let described = described(&name, raw).map_err(A::Error::custom);
            let (shape, dtype, range) = described?;
            self.0.tensors.push(TensorInfo {
                name,
                shape,
                dtype,
                range,
            });
        }
        Ok(())
    }
}

fn pairs(raw: &str) -> Result<Vec<(String, Value)>, String> {
    match raw.as_bytes().first() {
        Some(b'n') => Ok(Vec::new()),
        Some(b'{') => match serde_json::from_str::<Pairs>(raw) {
            Ok(pairs) => Ok(pairs.0),
            Err(error) => Err(format!("`__metadata__`: {error}")),
        },
        _ => Err("`__metadata__` is no object of strings".to_owned()),
    }
}

fn described(name: &str, raw: &str) -> Result<Description, String> {
    if name.len() > MAX_ENTRY_BYTES || raw.len() > MAX_ENTRY_BYTES {
        return Err(format!(
            "a tensor's entry is longer than {MAX_ENTRY_BYTES} bytes"
        ));
    }
    let described = match serde_json::from_str::<Entry>(raw) {
        // The derived reader would take a list of the fields too.
        _ if !raw.starts_with('{') => Err("the entry is no object".to_owned()),
        Ok(entry) => entry.described(),
        Err(error) => Err(error.to_string()),
    };
    described.map_err(|how| format!("tensor `{name}`: {how}"))
}

/// The beginning of an error text, which may quote the header at any length.
fn clipped(text: &str) -> String {
    match text.char_indices().nth(300) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn malformed(what: String) -> CheckpointError {
    CheckpointError::Malformed(what)
}
