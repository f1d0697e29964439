//! Typed access to a checkpoint's key/value pairs.

use crate::CheckpointError;
use crate::names::NameIndex;
use crate::value::{Array, Value};

/// The key/value pairs of a GGUF file, or the `__metadata__` strings of a
/// safetensors file.
///
/// Each `get_*` gives `Ok(None)` for an absent key and `bad-checkpoint`
/// naming the key for a value of the wrong kind. Each `require_*` gives
/// `bad-config` naming the key when it is absent.
#[derive(Debug, Clone, Default)]
pub struct Metadata {
    pairs: Vec<(String, Value)>,
    index: NameIndex,
}

fn key_of(pair: &(String, Value)) -> &str {
    &pair.0
}

impl Metadata {
    /// Collects pairs; their order is kept.
    ///
    /// # Errors
    /// `bad-checkpoint` when a key occurs twice.
    pub fn from_pairs(
        pairs: impl IntoIterator<Item = (String, Value)>,
    ) -> Result<Self, CheckpointError> {
        let pairs: Vec<_> = pairs.into_iter().collect();
        let index = NameIndex::new(&pairs, key_of).map_err(|key| {
            CheckpointError::Malformed(format!("metadata key `{key}` occurs twice"))
        })?;
        Ok(Self { pairs, index })
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// The keys in the order of the file.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.pairs.iter().map(key_of)
    }

    /// Keys and values in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.pairs.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// Whether the key is present.
    pub fn contains(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// The value as stored.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.index
            .find(&self.pairs, key, key_of)
            .map(|(_, value)| value)
    }

    fn typed<'a, T>(
        &'a self,
        key: &str,
        expected: &'static str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, CheckpointError> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        match read(value) {
            Some(read) => Ok(Some(read)),
            None => Err(CheckpointError::MetadataKind {
                key: key.to_owned(),
                expected,
                found: value.kind(),
            }),
        }
    }

    /// A string.
    pub fn get_str(&self, key: &str) -> Result<Option<&str>, CheckpointError> {
        self.typed(key, "a string", |value| match value {
            Value::Str(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// An integer that is not negative, stored with or without a sign.
    pub fn get_u64(&self, key: &str) -> Result<Option<u64>, CheckpointError> {
        self.typed(key, "a non-negative integer", Value::as_u64)
    }

    /// An integer that is not negative and below 2^32, such as a token id.
    pub fn get_u32(&self, key: &str) -> Result<Option<u32>, CheckpointError> {
        self.typed(key, "an integer from 0 to 4294967295", |value| {
            value.as_u64().and_then(|value| value.try_into().ok())
        })
    }

    /// A number; integers are accepted.
    pub fn get_f64(&self, key: &str) -> Result<Option<f64>, CheckpointError> {
        self.typed(key, "a number", Value::as_f64)
    }

    /// True or false.
    pub fn get_bool(&self, key: &str) -> Result<Option<bool>, CheckpointError> {
        self.typed(key, "a boolean", |value| match value {
            Value::Bool(value) => Some(*value),
            _ => None,
        })
    }

    /// An array of strings.
    pub fn get_str_array(&self, key: &str) -> Result<Option<&[String]>, CheckpointError> {
        self.typed(key, "an array of strings", |value| match value {
            Value::Array(Array::Str(items)) => Some(items.as_slice()),
            _ => None,
        })
    }

    /// An array of integers that are not negative.
    pub fn get_u64_array(&self, key: &str) -> Result<Option<Vec<u64>>, CheckpointError> {
        self.typed(
            key,
            "an array of non-negative integers",
            |value| match value {
                Value::Array(array) => array.to_u64s(),
                _ => None,
            },
        )
    }

    /// An array of integers from 0 to 2^32 - 1, such as token types.
    pub fn get_u32_array(&self, key: &str) -> Result<Option<Vec<u32>>, CheckpointError> {
        self.typed(
            key,
            "an array of integers from 0 to 4294967295",
            |value| match value {
                Value::Array(Array::U32(items)) => Some(items.clone()),
                Value::Array(array) => array
                    .to_u64s()?
                    .into_iter()
                    .map(|item| item.try_into().ok())
                    .collect(),
                _ => None,
            },
        )
    }

    /// An array of numbers; integers are accepted.
    pub fn get_f64_array(&self, key: &str) -> Result<Option<Vec<f64>>, CheckpointError> {
        self.typed(key, "an array of numbers", |value| match value {
            Value::Array(array) => array.to_f64s(),
            _ => None,
        })
    }

    /// An array of numbers in single precision, such as token scores.
    pub fn get_f32_array(&self, key: &str) -> Result<Option<Vec<f32>>, CheckpointError> {
        self.typed(key, "an array of numbers", |value| match value {
            Value::Array(Array::F32(items)) => Some(items.clone()),
            Value::Array(array) => Some(
                array
                    .to_f64s()?
                    .into_iter()
                    .map(|item| item as f32)
                    .collect(),
            ),
            _ => None,
        })
    }

    /// [`get_str`](Self::get_str) of a key that must be present.
    pub fn require_str(&self, key: &str) -> Result<&str, CheckpointError> {
        required(key, self.get_str(key)?)
    }

    /// [`get_u64`](Self::get_u64) of a key that must be present.
    pub fn require_u64(&self, key: &str) -> Result<u64, CheckpointError> {
        required(key, self.get_u64(key)?)
    }

    /// [`get_u32`](Self::get_u32) of a key that must be present.
    pub fn require_u32(&self, key: &str) -> Result<u32, CheckpointError> {
        required(key, self.get_u32(key)?)
    }

    /// [`get_f64`](Self::get_f64) of a key that must be present.
    pub fn require_f64(&self, key: &str) -> Result<f64, CheckpointError> {
        required(key, self.get_f64(key)?)
    }

    /// [`get_bool`](Self::get_bool) of a key that must be present.
    pub fn require_bool(&self, key: &str) -> Result<bool, CheckpointError> {
        required(key, self.get_bool(key)?)
    }

    /// [`get_str_array`](Self::get_str_array) of a key that must be present.
    pub fn require_str_array(&self, key: &str) -> Result<&[String], CheckpointError> {
        required(key, self.get_str_array(key)?)
    }
}

fn required<T>(key: &str, value: Option<T>) -> Result<T, CheckpointError> {
    value.ok_or_else(|| CheckpointError::MissingKey {
        key: key.to_owned(),
    })
}
