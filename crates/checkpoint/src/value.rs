//! Metadata values as a file stores them.

/// One metadata value. Integers and floats are widened without loss.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// An unsigned integer of 8 to 64 bits.
    U64(u64),
    /// A signed integer of 8 to 64 bits.
    I64(i64),
    /// A float of 32 or 64 bits.
    F64(f64),
    /// True or false.
    Bool(bool),
    /// Text.
    Str(String),
    /// Values of one type.
    Array(Array),
}

/// An array keeps the width of its elements: widening a vocabulary's bytes
/// would take eight times the file.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum Array {
    U8(Vec<u8>),
    I8(Vec<i8>),
    U16(Vec<u16>),
    I16(Vec<i16>),
    U32(Vec<u32>),
    I32(Vec<i32>),
    U64(Vec<u64>),
    I64(Vec<i64>),
    F32(Vec<f32>),
    F64(Vec<f64>),
    Bool(Vec<bool>),
    Str(Vec<String>),
    /// Arrays of arrays: legal, though no known model uses them.
    Nested(Vec<Array>),
}

impl Value {
    /// The kind in words, for error messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::U64(_) => "an unsigned integer",
            Self::I64(_) => "a signed integer",
            Self::F64(_) => "a float",
            Self::Bool(_) => "a boolean",
            Self::Str(_) => "a string",
            Self::Array(Array::Str(_)) => "an array of strings",
            Self::Array(Array::Bool(_)) => "an array of booleans",
            Self::Array(Array::F32(_) | Array::F64(_)) => "an array of floats",
            Self::Array(Array::Nested(_)) => "an array of arrays",
            Self::Array(_) => "an array of integers",
        }
    }

    /// A non-negative integer of either signedness.
    pub(crate) fn as_u64(&self) -> Option<u64> {
        match self {
            Self::U64(value) => Some(*value),
            Self::I64(value) => u64::try_from(*value).ok(),
            _ => None,
        }
    }

    /// Any number; integers beyond 2^53 are rounded.
    pub(crate) fn as_f64(&self) -> Option<f64> {
        match self {
            Self::U64(value) => Some(*value as f64),
            Self::I64(value) => Some(*value as f64),
            Self::F64(value) => Some(*value),
            _ => None,
        }
    }
}

impl Array {
    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            Self::U8(items) => items.len(),
            Self::I8(items) => items.len(),
            Self::U16(items) => items.len(),
            Self::I16(items) => items.len(),
            Self::U32(items) => items.len(),
            Self::I32(items) => items.len(),
            Self::U64(items) => items.len(),
            Self::I64(items) => items.len(),
            Self::F32(items) => items.len(),
            Self::F64(items) => items.len(),
            Self::Bool(items) => items.len(),
            Self::Str(items) => items.len(),
            Self::Nested(items) => items.len(),
        }
    }

    /// Whether it has no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All elements as unsigned integers, if each is an integer that is not
    /// negative.
    pub(crate) fn to_u64s(&self) -> Option<Vec<u64>> {
        fn all<T: Copy + TryInto<u64>>(items: &[T]) -> Option<Vec<u64>> {
            items.iter().map(|&item| item.try_into().ok()).collect()
        }
        match self {
            Self::U8(items) => all(items),
            Self::I8(items) => all(items),
            Self::U16(items) => all(items),
            Self::I16(items) => all(items),
            Self::U32(items) => all(items),
            Self::I32(items) => all(items),
            Self::U64(items) => Some(items.clone()),
            Self::I64(items) => all(items),
            _ => None,
        }
    }

    /// All elements as floats, if each is a number.
    pub(crate) fn to_f64s(&self) -> Option<Vec<f64>> {
        fn all<T: Copy + Into<f64>>(items: &[T]) -> Vec<f64> {
            items.iter().map(|&item| item.into()).collect()
        }
        Some(match self {
            Self::U8(items) => all(items),
            Self::I8(items) => all(items),
            Self::U16(items) => all(items),
            Self::I16(items) => all(items),
            Self::U32(items) => all(items),
            Self::I32(items) => all(items),
            Self::U64(items) => items.iter().map(|&item| item as f64).collect(),
            Self::I64(items) => items.iter().map(|&item| item as f64).collect(),
            Self::F32(items) => all(items),
            Self::F64(items) => items.clone(),
            Self::Bool(_) | Self::Str(_) | Self::Nested(_) => return None,
        })
    }
}
