//! GGUF v2 and v3, little-endian.
//!
//! Layout (all from the ggml project's `docs/gguf.md`): magic, version, two
//! counts, key/value pairs, tensor descriptions, padding to
//! `general.alignment`, data.
//!
//! This reader is our own for two needs that shaped it: the file may be too
//! large to hold (and in a browser is only reachable by asynchronous ranges),
//! and no length in it may be trusted before it is compared with the file.

mod cursor;
mod tensors;
mod value;
mod window;
mod write;

use crate::source::ByteSource;
use crate::{CheckpointError, Metadata, TensorInfo};
use cursor::Cursor;
use window::Window;

pub use write::{GgufWriter, NewTensor};

pub(crate) const MAGIC: [u8; 4] = *b"GGUF";

/// Far above the few dozen pairs of a real file; bounds what tiny pairs
/// can cost in memory.
const MAX_PAIRS: u64 = 1 << 16;

/// A key is at most 2^16 - 1 bytes long by the specification.
const MAX_NAME: usize = u16::MAX as usize;

/// What the header says.
pub(crate) struct Header {
    pub(crate) version: u32,
    pub(crate) metadata: Metadata,
    pub(crate) tensors: Vec<TensorInfo>,
}

/// Reads the header of a file that begins with [`MAGIC`].
pub(crate) async fn read_header<S: ByteSource>(source: &S) -> Result<Header, CheckpointError> {
    let mut window = Window::new(source);
    let version = window
        .parse(|| "the version".to_owned(), magic_and_version)
        .await?;
    check_version(version)?;
    let (tensor_count, pair_count) = window
        .parse(
            || "the counts".to_owned(),
            |cursor| Ok((cursor.u64()?, cursor.u64()?)),
        )
        .await?;
    // A pair is at least a key length, a type and one byte; a tensor is at
    // least a name length, a dimension count, a type and an offset. So the
    // counts are bounded by the file, and memory may be reserved for them.
    check_count("metadata pairs", pair_count, 13, MAX_PAIRS, window.left())?;
    check_count(
        "tensors",
        tensor_count,
        24,
        tensors::MAX_TENSORS,
        window.left(),
    )?;

    let mut pairs = Vec::with_capacity(usize::try_from(pair_count).unwrap_or(0));
    for number in 0..pair_count {
        let key = window
            .parse(|| format!("metadata key {number}"), name)
            .await?;
        let value = window
            .parse(|| format!("the value of `{key}`"), value::value)
            .await?;
        pairs.push((key, value));
    }
    let metadata = Metadata::from_pairs(pairs)?;
    let tensors = tensors::read(&mut window, tensor_count, &metadata, source.len()).await?;
    Ok(Header {
        version,
        metadata,
        tensors,
    })
}

fn magic_and_version(cursor: &mut Cursor) -> Result<u32, cursor::Stop> {
    cursor.take(MAGIC.len() as u64)?;
    cursor.u32()
}

/// A key or a tensor name.
fn name(cursor: &mut Cursor) -> Result<String, cursor::Stop> {
    let name = cursor.string()?;
    if name.len() > MAX_NAME {
        return Err(cursor::Stop::Bad(format!(
            "a name is {} bytes long",
            name.len()
        )));
    }
    Ok(name)
}

fn check_version(version: u32) -> Result<(), CheckpointError> {
    let problem = match version {
        2 | 3 => return Ok(()),
        1 => "the file is GGUF version 1, which is no longer in use".to_owned(),
        // Versions are small numbers: one that is small when its bytes are
        // swapped was written by a big-endian machine.
        _ if (1..256).contains(&version.swap_bytes()) => "the file is a big-endian GGUF".to_owned(),
        _ => format!("the file is GGUF version {version}, which is unknown"),
    };
    Err(CheckpointError::UnsupportedFormat(format!(
        "{problem}. Convert the model again to a little-endian GGUF version 3"
    )))
}

fn check_count(
    what: &str,
    count: u64,
    min_bytes: u64,
    limit: u64,
    left: u64,
) -> Result<(), CheckpointError> {
    if count > limit || count.saturating_mul(min_bytes) > left {
        return Err(CheckpointError::Malformed(format!(
            "the header claims {count} {what}, more than its {left} bytes or the limit of \
             {limit} allow"
        )));
    }
    Ok(())
}
