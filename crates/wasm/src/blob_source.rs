use std::ops::Range;

use js_sys::Uint8Array;
use lexigraft_checkpoint::{ByteSource, CheckpointError};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::Blob;

/// Ranges of a `Blob`: a picked file, a cached download, or bytes in memory. The browser reads
/// only the slices that are asked for.
pub(crate) struct BlobSource {
    blob: Blob,
    len: u64,
}

impl BlobSource {
    pub fn new(blob: Blob) -> Self {
        // A size is an integer below 2^53.
        let len = blob.size() as u64;
        Self { blob, len }
    }
}

impl ByteSource for BlobSource {
    fn len(&self) -> u64 {
        self.len
    }

    async fn read(&self, range: Range<u64>) -> Result<Vec<u8>, CheckpointError> {
        let failed = |error: JsValue| CheckpointError::Source {
            code: "io",
            message: format!(
                "bytes {}..{} of the file cannot be read ({}); it may have been moved or \
                     changed since it was picked: pick it again",
                range.start,
                range.end,
                error_text(&error)
            ),
        };
        slice(&self.blob, &range).await.map_err(failed)
    }
}

/// The bytes of `range`.
pub(crate) async fn slice(blob: &Blob, range: &Range<u64>) -> Result<Vec<u8>, JsValue> {
    let slice = blob.slice_with_f64_and_f64(range.start as f64, range.end as f64)?;
    let buffer = JsFuture::from(slice.array_buffer()).await?;
    Ok(Uint8Array::new(&buffer).to_vec())
}

/// A whole small file, such as a tokenizer or a configuration.
pub(crate) async fn read_all(blob: Blob) -> Result<Vec<u8>, CheckpointError> {
    let source = BlobSource::new(blob);
    let len = source.len();
    source.read(0..len).await
}

pub(crate) fn error_text(error: &JsValue) -> String {
    error
        .dyn_ref::<js_sys::Error>()
        .map_or_else(|| format!("{error:?}"), |error| error.message().into())
}
