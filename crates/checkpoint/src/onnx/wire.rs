//! Protobuf fields read over ranges, so that weights inside a message are stepped over.

use std::ops::Range;

use prost::encoding::{WireType, decode_key, decode_varint};

use crate::CheckpointError;
use crate::source::{ByteSource, read_exact};

/// Bytes read at a time: headers of fields lie close together, weights between them do not matter.
const WINDOW: u64 = 1 << 16;

/// A key and a length: two varints of at most ten bytes.
const MAX_KEY_BYTES: u64 = 20;

/// What a field holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    Varint(u64),
    /// Four bytes, at this position.
    Fixed32(u64),
    Fixed64,
    /// A string, a message or packed numbers, in these bytes of the file.
    Bytes(Range<u64>),
}

/// One field of a message.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) number: u32,
    pub(super) content: Content,
}

impl Field {
    /// The bytes of a string, a message or packed numbers.
    pub(super) fn bytes(&self) -> Result<Range<u64>, CheckpointError> {
        match &self.content {
            Content::Bytes(range) => Ok(range.clone()),
            _ => Err(self.wrong("bytes")),
        }
    }

    pub(super) fn varint(&self) -> Result<u64, CheckpointError> {
        match self.content {
            Content::Varint(value) => Ok(value),
            _ => Err(self.wrong("a number")),
        }
    }

    fn wrong(&self, expected: &str) -> CheckpointError {
        malformed(format!(
            "field {} of the ONNX file holds {:?} where {expected} is expected",
            self.number, self.content
        ))
    }
}

/// Reads fields through one window of the file.
pub(super) struct Wire<'s, S> {
    source: &'s S,
    start: u64,
    window: Vec<u8>,
}

impl<'s, S: ByteSource> Wire<'s, S> {
    pub(super) fn new(source: &'s S) -> Self {
        Self {
            source,
            start: 0,
            window: Vec::new(),
        }
    }

    pub(super) fn file_len(&self) -> u64 {
        self.source.len()
    }

    /// The next field of the message in `rest`, which afterwards begins behind it.
    pub(super) async fn next(
        &mut self,
        rest: &mut Range<u64>,
    ) -> Result<Option<Field>, CheckpointError> {
        if rest.start >= rest.end {
            return Ok(None);
        }
        let ahead = rest.end.min(rest.start.saturating_add(MAX_KEY_BYTES));
        let at = rest.start;
        let mut bytes = self.view(at..ahead).await?;
        let before = bytes.len();
        let broken = |how: String| malformed(format!("the ONNX file at byte {at}: {how}"));
        let invalid = |error: prost::DecodeError| broken(error.to_string());
        let (number, wire_type) = decode_key(&mut bytes).map_err(invalid)?;
        let (content, size) = match wire_type {
            WireType::Varint => (
                Content::Varint(decode_varint(&mut bytes).map_err(invalid)?),
                0,
            ),
            WireType::LengthDelimited => {
                let size = decode_varint(&mut bytes).map_err(invalid)?;
                let from = at + (before - bytes.len()) as u64;
                let end = from.checked_add(size).filter(|&end| end <= rest.end);
                let Some(end) = end else {
                    return Err(broken(format!(
                        "field {number} claims {size} bytes and its message ends at byte {}",
                        rest.end
                    )));
                };
                (Content::Bytes(from..end), size)
            }
            WireType::ThirtyTwoBit => (Content::Fixed32(at + (before - bytes.len()) as u64), 4),
            WireType::SixtyFourBit => (Content::Fixed64, 8),
            WireType::StartGroup | WireType::EndGroup => {
                return Err(broken("groups do not occur in ONNX".to_owned()));
            }
        };
        let next = at + (before - bytes.len()) as u64 + size;
        if next > rest.end {
            return Err(broken(format!("field {number} passes its message's end")));
        }
        rest.start = next;
        Ok(Some(Field { number, content }))
    }

    /// A string of at most `limit` bytes.
    pub(super) async fn string(
        &mut self,
        range: Range<u64>,
        limit: u64,
    ) -> Result<String, CheckpointError> {
        let length = range.end.saturating_sub(range.start);
        if length > limit {
            return Err(malformed(format!(
                "a text of the ONNX file at byte {} is {length} bytes long, more than {limit}",
                range.start
            )));
        }
        let at = range.start;
        let bytes = self.view(range).await?;
        std::str::from_utf8(bytes)
            .map(str::to_owned)
            .map_err(|error| malformed(format!("the ONNX file at byte {at}: {error}")))
    }

    /// Bytes of the file; at most a window or a name long.
    pub(super) async fn view(&mut self, range: Range<u64>) -> Result<&[u8], CheckpointError> {
        let held = self.start..self.start + self.window.len() as u64;
        if range.start < held.start || range.end > held.end {
            let end = range
                .end
                .max(range.start.saturating_add(WINDOW))
                .min(self.file_len());
            self.window = Vec::new();
            self.window = read_exact(self.source, range.start..end).await?;
            self.start = range.start;
        }
        let from = (range.start - self.start) as usize;
        let to = (range.end.saturating_sub(self.start)) as usize;
        self.window
            .get(from..to)
            .ok_or_else(|| malformed(format!("the ONNX file ends within byte {}", range.end)))
    }
}

pub(super) fn malformed(what: String) -> CheckpointError {
    CheckpointError::Malformed(what)
}
