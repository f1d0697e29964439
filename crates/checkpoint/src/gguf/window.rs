//! The part of the header that is in memory at a time.

use super::cursor::{Cursor, Stop};
use crate::CheckpointError;
use crate::source::{ByteSource, read_exact};

/// The first read; it holds the whole header of most small models.
const FIRST_READ: u64 = 1 << 20;

/// No header comes near: the largest vocabularies in use take about 10 MB.
const MAX_HEADER: u64 = 256 << 20;

/// Slides over the header, item by item. Bytes of parsed items are dropped
/// when more are read, so that only one item is held in both forms.
pub(super) struct Window<'s, S> {
    source: &'s S,
    /// Absolute position of `bytes[0]`.
    start: u64,
    bytes: Vec<u8>,
    /// Where in `bytes` the next item starts.
    at: usize,
}

impl<'s, S: ByteSource> Window<'s, S> {
    pub(super) fn new(source: &'s S) -> Self {
        Self {
            source,
            start: 0,
            bytes: Vec::new(),
            at: 0,
        }
    }

    /// Absolute position of the next item.
    pub(super) fn position(&self) -> u64 {
        self.start + self.at as u64
    }

    /// Bytes from the next item to the end of what may be header.
    pub(super) fn left(&self) -> u64 {
        self.source
            .len()
            .min(MAX_HEADER)
            .saturating_sub(self.position())
    }

    /// Parses one item, reading on where the window ends too early.
    /// `what` names the item in an error.
    pub(super) async fn parse<T>(
        &mut self,
        what: impl Fn() -> String,
        item: impl Fn(&mut Cursor) -> Result<T, Stop>,
    ) -> Result<T, CheckpointError> {
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let mut cursor = Cursor::new(rest, self.left());
            match item(&mut cursor) {
                Ok(parsed) => {
                    self.at += cursor.at;
                    return Ok(parsed);
                }
                Err(Stop::Short(needed)) => self.grow(needed).await?,
                Err(Stop::Bad(how)) => {
                    let (what, at) = (what(), self.position());
                    return Err(CheckpointError::Malformed(format!(
                        "{what} at byte {at}: {how}"
                    )));
                }
            }
        }
    }

    /// Reads until at least `needed` bytes of the current item are held, and
    /// at least twice as many as before, so that an item is parsed again only
    /// a few times however long it is.
    async fn grow(&mut self, needed: u64) -> Result<(), CheckpointError> {
        self.bytes.drain(..self.at);
        self.start += self.at as u64;
        self.at = 0;
        let have = self.bytes.len() as u64;
        let want = needed.max(2 * have).max(FIRST_READ).min(self.left());
        let more = read_exact(self.source, self.start + have..self.start + want).await?;
        if more.is_empty() {
            return Err(CheckpointError::Malformed(format!(
                "the header does not end within its first {} bytes",
                self.position() + have
            )));
        }
        if self.bytes.is_empty() {
            self.bytes = more;
        } else {
            // Exactly: doubling would cost a second copy of a long item.
            self.bytes.reserve_exact(more.len());
            self.bytes.extend_from_slice(&more);
        }
        Ok(())
    }
}
