use std::cell::{Cell, RefCell};
use std::rc::Rc;

use js_sys::{Object, Reflect, Uint32Array};
use lexigraft_decode::{Generation, GenerationResult, Step};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::error::{IntoJs, busy};
use crate::value::to_js;

/// One run of a model. `free()` gives its cache back to the model.
#[wasm_bindgen]
pub struct WasmGeneration {
    // Taken out while a step runs, so that a second call is told instead of waiting for ever.
    generation: Rc<RefCell<Option<Generation>>>,
    _claim: Claim,
}

/// Holds the model's flag for as long as the generation lives.
struct Claim(Rc<Cell<bool>>);

impl Claim {
    fn new(flag: Rc<Cell<bool>>) -> Self {
        flag.set(true);
        Self(flag)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

impl WasmGeneration {
    pub(crate) fn new(generation: Generation, flag: Rc<Cell<bool>>) -> Self {
        Self {
            generation: Rc::new(RefCell::new(Some(generation))),
            _claim: Claim::new(flag),
        }
    }
}

#[wasm_bindgen]
impl WasmGeneration {
    /// Runs one step: `{kind: "prefill" | "piece" | "end", …}`.
    pub async fn next(&self) -> Result<JsValue, JsValue> {
        let slot = Rc::clone(&self.generation);
        let Some(mut generation) = slot.take() else {
            return Err(busy("a step of this generation is running"));
        };
        let step = generation.next().await;
        slot.replace(Some(generation));
        match step.map_err(IntoJs::into_js)? {
            Step::Prefill { done, total } => object(&[
                ("kind", "prefill".into()),
                ("done", number(done)),
                ("total", number(total)),
            ]),
            Step::Piece { text, id, log_prob } => object(&[
                ("kind", "piece".into()),
                ("text", text.into()),
                ("id", id.into()),
                ("logProb", log_prob.map_or(JsValue::UNDEFINED, Into::into)),
            ]),
            Step::End(result) => end(result),
        }
    }
}

fn end(result: GenerationResult) -> Result<JsValue, JsValue> {
    object(&[
        ("kind", "end".into()),
        ("reason", to_js(&result.reason)?),
        ("text", result.text.into()),
        (
            "promptIds",
            Uint32Array::from(&result.prompt_ids[..]).into(),
        ),
        ("ids", Uint32Array::from(&result.ids[..]).into()),
        ("seed", (result.seed as f64).into()),
        ("reusedTokens", number(result.reused_tokens)),
        ("prefillMs", (result.prefill.as_secs_f64() * 1e3).into()),
        ("decodeMs", (result.decode.as_secs_f64() * 1e3).into()),
    ])
}

fn number(value: usize) -> JsValue {
    JsValue::from_f64(value as f64)
}

fn object(fields: &[(&str, JsValue)]) -> Result<JsValue, JsValue> {
    let object = Object::new();
    for (name, value) in fields {
        Reflect::set(&object, &(*name).into(), value)?;
    }
    Ok(object.into())
}
