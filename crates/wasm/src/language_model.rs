use std::cell::{Cell, OnceCell};
use std::rc::Rc;

use js_sys::{Float32Array, Function, Object, Reflect, Uint32Array};
use lexigraft_decode::{GenerationOptions, LanguageModel, SamplerOptions};
use lexigraft_text::{ByteVocabulary, ChatMessage};
use serde::Deserialize;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::Blob;

use crate::bytes::{self, JsByteModelOptions};
use crate::error::{IntoJs, busy, js_error};
use crate::graft::Grafted;
use crate::tokenizer;
use crate::value::{from_js, to_js};
use crate::{WasmByteModel, WasmGeneration};

/// A loaded language model.
#[wasm_bindgen]
pub struct WasmLanguageModel {
    pub(crate) model: LanguageModel,
    /// The file that the layers came from.
    pub(crate) weights: Blob,
    /// Of a graft.
    pub(crate) grafted: Option<Rc<Grafted>>,
    /// One generation a model at a time: they would share one cache.
    generating: Rc<Cell<bool>>,
    /// Made when bytes are asked for the first time.
    vocabulary: OnceCell<ByteVocabulary>,
}

/// As the caller writes them; what is absent takes its default value.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct JsGenerationOptions {
    max_tokens: Option<usize>,
    temperature: Option<f32>,
    top_k: Option<usize>,
    top_p: Option<f32>,
    min_p: Option<f32>,
    repetition_penalty: Option<f32>,
    seed: Option<u64>,
    stop: Option<Vec<String>>,
    log_probs: Option<bool>,
    add_special: Option<bool>,
    lookahead: Option<usize>,
}

impl From<JsGenerationOptions> for GenerationOptions {
    fn from(js: JsGenerationOptions) -> Self {
        let usual = Self::default();
        Self {
            max_tokens: js.max_tokens.unwrap_or(usual.max_tokens),
            sampler: SamplerOptions {
                repetition_penalty: js
                    .repetition_penalty
                    .unwrap_or(usual.sampler.repetition_penalty),
                temperature: js.temperature.unwrap_or(usual.sampler.temperature),
                top_k: js.top_k.unwrap_or(usual.sampler.top_k),
                top_p: js.top_p.unwrap_or(usual.sampler.top_p),
                min_p: js.min_p.unwrap_or(usual.sampler.min_p),
                seed: js.seed,
            },
            stop: js.stop.unwrap_or(usual.stop),
            log_probs: js.log_probs.unwrap_or(usual.log_probs),
            add_special: js.add_special.unwrap_or(usual.add_special),
            lookahead: js.lookahead,
        }
    }
}

impl WasmLanguageModel {
    pub(crate) fn new(model: LanguageModel, weights: Blob, grafted: Option<Rc<Grafted>>) -> Self {
        Self {
            model,
            weights,
            grafted,
            generating: Rc::default(),
            vocabulary: OnceCell::new(),
        }
    }
}

#[wasm_bindgen]
impl WasmLanguageModel {
    pub fn info(&self) -> Result<JsValue, JsValue> {
        to_js(self.model.info())
    }

    pub fn tokenize(&self, text: &str, add_special: bool) -> Result<Uint32Array, JsValue> {
        tokenizer::tokenize(self.model.tokenizer(), text, add_special)
    }

    pub fn detokenize(&self, ids: Vec<u32>) -> Result<String, JsValue> {
        tokenizer::detokenize(self.model.tokenizer(), &ids)
    }

    /// `{ids, ends}`: the tokens of a text and the byte of it that each ends before.
    pub fn segment(&self, text: &str) -> Result<Object, JsValue> {
        tokenizer::segment(self.model.tokenizer(), text)
    }

    /// Each token by itself, for display; a part of a character shows as U+FFFD.
    #[wasm_bindgen(js_name = tokenText)]
    pub fn token_text(&self, ids: Vec<u32>) -> Vec<String> {
        tokenizer::token_text(self.model.tokenizer(), ids)
    }

    #[wasm_bindgen(js_name = applyChatTemplate)]
    pub fn apply_chat_template(
        &self,
        messages: JsValue,
        add_generation_prompt: bool,
    ) -> Result<String, JsValue> {
        let messages: Vec<ChatMessage> = from_js(messages, "messages")?;
        self.model
            .apply_chat_template(&messages, add_generation_prompt)
            .map_err(IntoJs::into_js)
    }

    pub fn generate(&self, prompt: &str, options: JsValue) -> Result<WasmGeneration, JsValue> {
        if self.generating.get() {
            return Err(busy("the model is generating already"));
        }
        let options: JsGenerationOptions = from_js(options, "generation options")?;
        let generation = self
            .model
            .generate(prompt, options.into())
            .map_err(IntoJs::into_js)?;
        Ok(WasmGeneration::new(generation, Rc::clone(&self.generating)))
    }

    /// The model of bytes that this model of tokens stands for: `{estimand?, beam?}`. It has a cache
    /// of its own, and shares the weights.
    #[wasm_bindgen(js_name = byteModel)]
    pub fn byte_model(&self, options: JsValue) -> Result<WasmByteModel, JsValue> {
        let options: JsByteModelOptions = from_js(options, "byte model options")?;
        let estimand = options.estimand()?;
        let vocabulary = match self.vocabulary.get() {
            Some(vocabulary) => vocabulary,
            None => {
                let made = ByteVocabulary::new(self.model.tokenizer()).map_err(IntoJs::into_js)?;
                self.vocabulary.get_or_init(|| made)
            }
        };
        bytes::byte_model(&self.model, vocabulary.clone(), estimand).map_err(IntoJs::into_js)
    }

    /// Logits after the last id.
    pub async fn logits(&self, ids: Vec<u32>) -> Result<Float32Array, JsValue> {
        let model = self.model.clone();
        let logits = model.logits(&ids).await.map_err(IntoJs::into_js)?;
        Ok(Float32Array::from(logits.as_slice()))
    }

    /// Bits per byte of a text; `on_progress(done, total)` counts tokens and returns false to
    /// abort.
    pub async fn score(&self, text: String, on_progress: Function) -> Result<Object, JsValue> {
        let mut scoring = self.model.score(&text).map_err(IntoJs::into_js)?;
        loop {
            let (done, total) = scoring.next().await.map_err(IntoJs::into_js)?;
            let go_on = on_progress.call2(
                &JsValue::NULL,
                &JsValue::from_f64(done as f64),
                &JsValue::from_f64(total as f64),
            )?;
            // The callback may answer with a promise, to let other work run in between.
            let go_on = match go_on.dyn_into::<js_sys::Promise>() {
                Ok(promise) => wasm_bindgen_futures::JsFuture::from(promise).await?,
                Err(answer) => answer,
            };
            if go_on.as_bool() == Some(false) {
                return Err(js_error("aborted", "scoring was aborted"));
            }
            if done == total {
                break;
            }
        }
        let score = scoring.finish().await.map_err(IntoJs::into_js)?;
        let object = Object::new();
        let fields: [(&str, JsValue); 5] = [
            ("bitsPerByte", score.bits_per_byte.into()),
            ("tokens", (score.ids.len() as f64).into()),
            ("bytes", (score.bytes as f64).into()),
            (
                "tokenNll",
                Float32Array::from(score.token_nll.as_slice()).into(),
            ),
            ("ids", Uint32Array::from(score.ids.as_slice()).into()),
        ];
        for (name, value) in fields {
            Reflect::set(&object, &name.into(), &value)?;
        }
        Ok(object)
    }
}
