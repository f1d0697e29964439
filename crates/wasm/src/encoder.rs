use std::rc::Rc;

use js_sys::{Float32Array, Uint32Array};
use lexigraft_decode::TextEncoder;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::error::IntoJs;
use crate::value::to_js;

/// A loaded text encoder.
#[wasm_bindgen]
pub struct WasmEncoder {
    encoder: Rc<TextEncoder>,
}

impl WasmEncoder {
    pub(crate) fn new(encoder: TextEncoder) -> Self {
        Self {
            encoder: Rc::new(encoder),
        }
    }
}

#[wasm_bindgen]
impl WasmEncoder {
    pub fn info(&self) -> Result<JsValue, JsValue> {
        to_js(self.encoder.info())
    }

    pub fn tokenize(&self, text: &str) -> Result<Uint32Array, JsValue> {
        let ids = self.encoder.tokenize(text).map_err(IntoJs::into_js)?;
        Ok(Uint32Array::from(ids.as_slice()))
    }

    /// The embedding of each text.
    pub async fn embed(&self, texts: Vec<String>) -> Result<Vec<Float32Array>, JsValue> {
        let encoder = Rc::clone(&self.encoder);
        let embeddings = encoder.embed(&texts).await.map_err(IntoJs::into_js)?;
        let arrays = embeddings
            .iter()
            .map(|row| Float32Array::from(row.as_slice()));
        Ok(arrays.collect())
    }
}
