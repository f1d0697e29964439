use js_sys::{Object, Reflect, Uint32Array};
use lexigraft_text::Tokenizer;
use lexigraft_transfer::check_lossless;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use web_sys::Blob;

use crate::blob_source::read_all;
use crate::error::IntoJs;

/// A tokenizer without a model.
#[wasm_bindgen]
pub struct WasmTokenizer {
    pub(crate) tokenizer: Tokenizer,
    /// The file itself, which an exported model needs again.
    pub(crate) json: Blob,
}

/// Reads a `tokenizer.json`.
#[wasm_bindgen(js_name = readTokenizer)]
pub async fn read_tokenizer(json: Blob) -> Result<WasmTokenizer, JsValue> {
    let bytes = read_all(json.clone()).await.map_err(IntoJs::into_js)?;
    let tokenizer = Tokenizer::from_json(&bytes).map_err(IntoJs::into_js)?;
    Ok(WasmTokenizer { tokenizer, json })
}

#[wasm_bindgen]
impl WasmTokenizer {
    /// One past the greatest id.
    #[wasm_bindgen(js_name = vocabSize)]
    pub fn vocab_size(&self) -> usize {
        self.tokenizer.vocab_size()
    }

    /// What a text loses in it, in words; undefined where texts come back as they were.
    pub fn loss(&self) -> Option<String> {
        check_lossless(&self.tokenizer)
            .err()
            .map(|error| error.to_string())
    }

    pub fn tokenize(&self, text: &str, add_special: bool) -> Result<Uint32Array, JsValue> {
        tokenize(&self.tokenizer, text, add_special)
    }

    pub fn detokenize(&self, ids: Vec<u32>) -> Result<String, JsValue> {
        detokenize(&self.tokenizer, &ids)
    }

    #[wasm_bindgen(js_name = tokenText)]
    pub fn token_text(&self, ids: Vec<u32>) -> Vec<String> {
        token_text(&self.tokenizer, ids)
    }

    /// `{ids, ends}`: the tokens of a text and the byte of it that each ends before.
    pub fn segment(&self, text: &str) -> Result<Object, JsValue> {
        segment(&self.tokenizer, text)
    }
}

pub(crate) fn tokenize(
    tokenizer: &Tokenizer,
    text: &str,
    add_special: bool,
) -> Result<Uint32Array, JsValue> {
    let ids = tokenizer
        .encode(text, add_special)
        .map_err(IntoJs::into_js)?;
    Ok(Uint32Array::from(ids.as_slice()))
}

pub(crate) fn detokenize(tokenizer: &Tokenizer, ids: &[u32]) -> Result<String, JsValue> {
    tokenizer.decode(ids, false).map_err(IntoJs::into_js)
}

/// Each token by itself, for display; a part of a character shows as U+FFFD.
pub(crate) fn token_text(tokenizer: &Tokenizer, ids: Vec<u32>) -> Vec<String> {
    ids.into_iter()
        .map(|id| match tokenizer.token_bytes(id) {
            Some(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            None => char::REPLACEMENT_CHARACTER.to_string(),
        })
        .collect()
}

pub(crate) fn segment(tokenizer: &Tokenizer, text: &str) -> Result<Object, JsValue> {
    let tokens = tokenizer.segment(text).map_err(IntoJs::into_js)?;
    let (ids, ends): (Vec<u32>, Vec<u32>) = tokens
        .into_iter()
        // A text that reached this module has fewer than 2^32 bytes.
        .map(|(id, end)| (id, end as u32))
        .unzip();
    let object = Object::new();
    for (name, values) in [("ids", ids), ("ends", ends)] {
        Reflect::set(
            &object,
            &name.into(),
            &Uint32Array::from(values.as_slice()).into(),
        )?;
    }
    Ok(object)
}
