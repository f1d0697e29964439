use std::io::{self, Write};

use js_sys::{Array, Uint8Array};
use wasm_bindgen::JsValue;
use web_sys::Blob;

/// Bytes that become a `Blob`. Every few mebibytes go to the browser, which keeps them outside the
/// engine's memory, so that a file is nowhere twice.
#[derive(Default)]
pub(crate) struct BlobWriter {
    pending: Vec<u8>,
    parts: Array,
}

const PART_BYTES: usize = 4 << 20;

impl BlobWriter {
    /// All that was written.
    pub fn finish(mut self) -> Result<Blob, JsValue> {
        self.hand_over()?;
        Blob::new_with_blob_sequence(&self.parts)
    }

    fn hand_over(&mut self) -> Result<(), JsValue> {
        let part = of(&self.pending)?;
        self.parts.push(&part);
        self.pending.clear();
        Ok(())
    }
}

/// A `Blob` of these bytes.
pub(crate) fn of(bytes: &[u8]) -> Result<Blob, JsValue> {
    Blob::new_with_u8_array_sequence(&Array::of1(&Uint8Array::from(bytes)))
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pending.extend_from_slice(bytes);
        if self.pending.len() >= PART_BYTES {
            self.hand_over()
                .map_err(|error| io::Error::other(format!("{error:?}")))?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
