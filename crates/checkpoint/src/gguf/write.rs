//! Writing GGUF version 3, little-endian.

use std::io::{self, Write};

use crate::{Array, DType, OtherType, Value};

/// What `general.alignment` is where a file does not say.
const ALIGNMENT: u64 = 32;

/// A tensor that is about to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTensor {
    /// The name in the file.
    pub name: String,
    /// Row-major dimensions, outermost first.
    pub shape: Vec<usize>,
    /// How its elements are stored.
    pub dtype: DType,
}

impl NewTensor {
    /// Bytes that the tensor takes.
    ///
    /// # Errors
    /// `InvalidInput` for rows that are not whole blocks.
    pub fn bytes(&self) -> io::Result<u64> {
        let elements = self.shape.iter().try_fold(1u64, |all, dim| {
            u64::try_from(*dim)
                .ok()
                .and_then(|dim| all.checked_mul(dim))
        });
        let bytes = elements.and_then(|elements| self.dtype.bytes_for(elements));
        bytes.ok_or_else(|| {
            let shape = &self.shape;
            invalid(format!(
                "`{}`: {shape:?} is not whole blocks of {}",
                self.name, self.dtype
            ))
        })
    }
}

/// Writes a GGUF file from its start to its end: the header first, then the tensors in their order.
///
/// Integers that fit 32 bits and floats are written in 32 bits, as every model's keys have them.
#[derive(Debug)]
pub struct GgufWriter<W> {
    out: W,
    /// Bytes of each tensor that is not complete.
    left: std::vec::IntoIter<u64>,
    open: u64,
    written: u64,
}

impl<W: Write> GgufWriter<W> {
    /// Writes the header.
    ///
    /// # Errors
    /// `InvalidInput` for tensors that are not whole blocks or of a type that GGUF has no number for;
    /// those of `out`.
    pub fn new<'a>(
        out: W,
        metadata: impl Iterator<Item = (&'a str, &'a Value)> + Clone,
        tensors: &[NewTensor],
    ) -> io::Result<Self> {
        // Data is aligned to what the file says of itself, which is left out here.
        let pairs = metadata.filter(|(key, _)| *key != "general.alignment");
        let mut head = Vec::new();
        head.extend(super::MAGIC);
        head.extend(3u32.to_le_bytes());
        head.extend((tensors.len() as u64).to_le_bytes());
        head.extend((pairs.clone().count() as u64).to_le_bytes());
        for (key, value) in pairs {
            string(&mut head, key);
            self::value(&mut head, value);
        }
        let (mut offset, mut sizes) = (0u64, Vec::with_capacity(tensors.len()));
        for tensor in tensors {
            let bytes = tensor.bytes()?;
            string(&mut head, &tensor.name);
            head.extend((tensor.shape.len() as u32).to_le_bytes());
            for dim in tensor.shape.iter().rev() {
                head.extend((*dim as u64).to_le_bytes());
            }
            head.extend(ggml_type(tensor.dtype)?.to_le_bytes());
            head.extend(offset.to_le_bytes());
            offset += bytes.next_multiple_of(ALIGNMENT);
            sizes.push(bytes);
        }
        let mut writer = Self {
            out,
            left: sizes.into_iter(),
            open: 0,
            written: 0,
        };
        writer.raw(&head)?;
        writer.pad()?;
        writer.next();
        Ok(writer)
    }

    /// The next bytes of the tensors' blocks, of one tensor or of several.
    ///
    /// # Errors
    /// `InvalidInput` for bytes beyond the last tensor; those of `out`.
    pub fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            if self.open == 0 {
                return Err(invalid("bytes follow the last tensor".to_owned()));
            }
            let take = usize::try_from(self.open).map_or(bytes.len(), |open| open.min(bytes.len()));
            let (now, later) = bytes.split_at(take);
            self.raw(now)?;
            self.open -= take as u64;
            if self.open == 0 {
                self.pad()?;
                self.next();
            }
            bytes = later;
        }
        Ok(())
    }

    /// Ends the file.
    ///
    /// # Errors
    /// `InvalidInput` when a tensor is not complete; those of `out`.
    pub fn finish(mut self) -> io::Result<W> {
        if self.open > 0 {
            return Err(invalid(format!(
                "{} bytes of a tensor are missing",
                self.open
            )));
        }
        self.out.flush()?;
        Ok(self.out)
    }

    /// Opens the next tensor that has any bytes.
    fn next(&mut self) {
        self.open = self.left.by_ref().find(|bytes| *bytes > 0).unwrap_or(0);
    }

    fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.written += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    fn pad(&mut self) -> io::Result<()> {
        let missing = self.written.next_multiple_of(ALIGNMENT) - self.written;
        let zeros = [0u8; ALIGNMENT as usize];
        self.raw(zeros.get(..missing as usize).unwrap_or_default())
    }
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

fn string(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

fn value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::U64(x) => match u32::try_from(*x) {
            Ok(x) => tagged(out, 4, &x.to_le_bytes()),
            Err(_) => tagged(out, 10, &x.to_le_bytes()),
        },
        Value::I64(x) => match i32::try_from(*x) {
            Ok(x) => tagged(out, 5, &x.to_le_bytes()),
            Err(_) => tagged(out, 11, &x.to_le_bytes()),
        },
        Value::F64(x) => tagged(out, 6, &(*x as f32).to_le_bytes()),
        Value::Bool(x) => tagged(out, 7, &[u8::from(*x)]),
        Value::Str(text) => {
            out.extend(8u32.to_le_bytes());
            string(out, text);
        }
        Value::Array(items) => {
            out.extend(9u32.to_le_bytes());
            array(out, items);
        }
    }
}

fn tagged(out: &mut Vec<u8>, kind: u32, bytes: &[u8]) {
    out.extend(kind.to_le_bytes());
    out.extend(bytes);
}

fn array(out: &mut Vec<u8>, items: &Array) {
    fn all<const N: usize, T: Copy>(out: &mut Vec<u8>, items: &[T], bytes: fn(T) -> [u8; N]) {
        items.iter().for_each(|item| out.extend(bytes(*item)));
    }
    let kind: u32 = match items {
        Array::U8(_) => 0,
        Array::I8(_) => 1,
        Array::U16(_) => 2,
        Array::I16(_) => 3,
        Array::U32(_) => 4,
        Array::I32(_) => 5,
        Array::F32(_) => 6,
        Array::Bool(_) => 7,
        Array::Str(_) => 8,
        Array::Nested(_) => 9,
        Array::U64(_) => 10,
        Array::I64(_) => 11,
        Array::F64(_) => 12,
    };
    out.extend(kind.to_le_bytes());
    out.extend((items.len() as u64).to_le_bytes());
    match items {
        Array::U8(items) => out.extend(items),
        Array::I8(items) => all(out, items, i8::to_le_bytes),
        Array::U16(items) => all(out, items, u16::to_le_bytes),
        Array::I16(items) => all(out, items, i16::to_le_bytes),
        Array::U32(items) => all(out, items, u32::to_le_bytes),
        Array::I32(items) => all(out, items, i32::to_le_bytes),
        Array::F32(items) => all(out, items, f32::to_le_bytes),
        Array::Bool(items) => all(out, items, |item| [u8::from(item)]),
        Array::Str(items) => items.iter().for_each(|item| string(out, item)),
        Array::Nested(items) => items.iter().for_each(|item| array(out, item)),
        Array::U64(items) => all(out, items, u64::to_le_bytes),
        Array::I64(items) => all(out, items, i64::to_le_bytes),
        Array::F64(items) => all(out, items, f64::to_le_bytes),
    }
}

/// The number of a type in `enum ggml_type`.
fn ggml_type(dtype: DType) -> io::Result<u32> {
    Ok(match dtype {
        DType::F32 => 0,
        DType::F16 => 1,
        DType::Q4_0 => 2,
        DType::Q4_1 => 3,
        DType::Q5_0 => 6,
        DType::Q5_1 => 7,
        DType::Q8_0 => 8,
        DType::Q4K => 12,
        DType::Q5K => 13,
        DType::Q6K => 14,
        DType::BF16 => 30,
        DType::Other(OtherType::Ggml(number)) => number,
        DType::Other(_) => return Err(invalid(format!("GGUF has no type {dtype}"))),
    })
}
