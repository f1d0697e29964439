use std::borrow::Cow;
use std::cell::OnceCell;
use std::ops::Range;

use js_sys::Array;
use lexigraft_checkpoint::CheckpointError;
use lexigraft_transfer::{BlockStore, TransferError};
use wasm_bindgen::JsValue;
use web_sys::Blob;

use crate::blob_source::{error_text, slice};
use crate::blob_writer;

/// Rows of a graft outside the engine's memory, which never shrinks: they are read on their way to the
/// device and for an export, and at no other time.
#[derive(Default)]
pub(crate) struct BlobRows {
    parts: Array,
    /// All parts as one.
    whole: OnceCell<Blob>,
    bytes: usize,
}

impl BlobRows {
    fn whole(&self) -> Result<&Blob, JsValue> {
        if let Some(whole) = self.whole.get() {
            return Ok(whole);
        }
        let joined = Blob::new_with_blob_sequence(&self.parts)?;
        Ok(self.whole.get_or_init(|| joined))
    }
}

impl BlockStore for BlobRows {
    fn bytes(&self) -> usize {
        self.bytes
    }

    fn append(&mut self, blocks: &[u8]) -> Result<(), TransferError> {
        let part = blob_writer::of(blocks).map_err(|_| CheckpointError::OutOfMemory {
            tensor: "the rows of the vocabulary".to_owned(),
            bytes: blocks.len() as u64,
        })?;
        self.parts.push(&part);
        self.whole.take();
        self.bytes += blocks.len();
        Ok(())
    }

    async fn read(&self, range: Range<usize>) -> Result<Cow<'_, [u8]>, TransferError> {
        let failed = |error: JsValue| CheckpointError::Source {
            code: "io",
            message: format!(
                "bytes {}..{} of the graft's rows cannot be read back ({}); the browser may be out of \
                 room for them",
                range.start,
                range.end,
                error_text(&error)
            ),
        };
        let whole = self.whole().map_err(failed)?;
        let range = range.start as u64..range.end as u64;
        Ok(Cow::Owned(slice(whole, &range).await.map_err(failed)?))
    }
}
