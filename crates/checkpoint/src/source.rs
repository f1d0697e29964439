//! Where bytes come from: memory, a file, or what a browser offers.

use std::future::Future;
use std::ops::Range;

use crate::CheckpointError;

/// A file of known length that gives ranges of its bytes.
///
/// Futures need not be `Send`: in a browser they hold JavaScript promises.
/// Implementations may write `async fn read`.
pub trait ByteSource {
    /// Length of the whole file in bytes. It must not change.
    fn len(&self) -> u64;

    /// Whether the file holds no byte.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes of `range`, all of them.
    ///
    /// # Errors
    /// `bad-checkpoint` when the range passes the end; otherwise whatever the
    /// medium reports (`io`, or [`CheckpointError::Source`] with its own code).
    fn read(&self, range: Range<u64>) -> impl Future<Output = Result<Vec<u8>, CheckpointError>>;
}

impl<S: ByteSource> ByteSource for &S {
    fn len(&self) -> u64 {
        (**self).len()
    }

    fn read(&self, range: Range<u64>) -> impl Future<Output = Result<Vec<u8>, CheckpointError>> {
        (**self).read(range)
    }
}

/// Reads `range` and insists on getting exactly its length, so that a source
/// which answers short cannot shift the bytes that follow.
pub(crate) async fn read_exact<S: ByteSource>(
    source: &S,
    range: Range<u64>,
) -> Result<Vec<u8>, CheckpointError> {
    if range.is_empty() {
        return Ok(Vec::new());
    }
    if range.end > source.len() {
        return Err(past_the_end(&range, source.len()));
    }
    let bytes = source.read(range.clone()).await?;
    if bytes.len() as u64 != range.end - range.start {
        return Err(CheckpointError::Malformed(format!(
            "bytes {}..{} were asked for and {} came",
            range.start,
            range.end,
            bytes.len()
        )));
    }
    Ok(bytes)
}

fn past_the_end(range: &Range<u64>, len: u64) -> CheckpointError {
    CheckpointError::Malformed(format!(
        "bytes {}..{} are outside the file, which ends at {len}",
        range.start, range.end
    ))
}

/// A file that lies in memory.
#[derive(Debug, Clone, Default)]
pub struct MemorySource {
    bytes: Vec<u8>,
}

impl MemorySource {
    /// Takes the whole file's bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            bytes: bytes.into(),
        }
    }
}

impl ByteSource for MemorySource {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    async fn read(&self, range: Range<u64>) -> Result<Vec<u8>, CheckpointError> {
        let start = usize::try_from(range.start).unwrap_or(usize::MAX);
        let end = usize::try_from(range.end).unwrap_or(usize::MAX);
        match self.bytes.get(start..end) {
            Some(bytes) => Ok(bytes.to_vec()),
            None => Err(past_the_end(&range, self.len())),
        }
    }
}

#[cfg(not(target_family = "wasm"))]
pub use file::FileSource;

#[cfg(not(target_family = "wasm"))]
mod file {
    use std::fs::File;
    use std::io::{Error, Read, Seek, SeekFrom};
    use std::ops::Range;
    use std::path::Path;
    use std::sync::{Mutex, PoisonError};

    use super::{ByteSource, CheckpointError, past_the_end};

    /// A file on disk. Only the ranges that are asked for are read.
    #[derive(Debug)]
    pub struct FileSource {
        // A lock, because the position belongs to the handle and two tensors
        // may be read from two threads.
        file: Mutex<File>,
        len: u64,
        name: String,
    }

    impl FileSource {
        /// Opens the file for reading.
        ///
        /// # Errors
        /// `io` when it does not exist, is a folder or may not be read.
        pub fn open(path: impl AsRef<Path>) -> Result<Self, CheckpointError> {
            let name = path.as_ref().display().to_string();
            let failed = |source| CheckpointError::Io {
                action: format!("open `{name}`"),
                source,
            };
            let file = File::open(path.as_ref()).map_err(failed)?;
            let about = file.metadata().map_err(failed)?;
            if about.is_dir() {
                return Err(failed(Error::other("it is a folder")));
            }
            Ok(Self {
                file: Mutex::new(file),
                len: about.len(),
                name,
            })
        }
    }

    impl ByteSource for FileSource {
        fn len(&self) -> u64 {
            self.len
        }

        async fn read(&self, range: Range<u64>) -> Result<Vec<u8>, CheckpointError> {
            let outside = || past_the_end(&range, self.len);
            // The check bounds the allocation by the file's true length.
            if range.end > self.len {
                return Err(outside());
            }
            let count = range.end.checked_sub(range.start).ok_or_else(outside)?;
            let mut bytes = vec![0; usize::try_from(count).map_err(|_| outside())?];
            let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
            file.seek(SeekFrom::Start(range.start))
                .and_then(|_| file.read_exact(&mut bytes))
                .map_err(|source| CheckpointError::Io {
                    action: format!(
                        "read bytes {}..{} of `{}`",
                        range.start, range.end, self.name
                    ),
                    source,
                })?;
            Ok(bytes)
        }
    }
}
