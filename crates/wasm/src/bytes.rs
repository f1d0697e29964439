use std::cell::RefCell;
use std::rc::Rc;

use js_sys::{Array, Float32Array, Function, Object, Reflect, Uint8Array, Uint32Array};
use lexigraft_decode::bytes::{
    Beam, ByteConstraint, ByteGeneration, ByteGenerationOptions, ByteModel, ByteStep, Combination,
    Cost, Ensemble, Estimand, LanguageScorer, NextByte, Precision, READ_AHEAD, RegexConstraint,
    ShownCover,
};
use lexigraft_decode::{DecodeError, SamplerOptions};
use serde::Deserialize;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};

use crate::error::{IntoJs, busy, js_error};
use crate::js_constraint::{Asked, JsConstraint};
use crate::value::{from_js, to_js};

/// A language model, or several, as a model of bytes.
#[wasm_bindgen]
pub struct WasmByteModel {
    // Taken out while a call runs, so that a second one is told instead of waiting for ever.
    model: Rc<RefCell<Option<Model>>>,
}

enum Model {
    One(Box<ByteModel<LanguageScorer>>),
    Several(Ensemble),
}

impl Model {
    fn next_byte(&mut self) -> &mut dyn NextByte {
        match self {
            Self::One(model) => model.as_mut(),
            Self::Several(ensemble) => ensemble,
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct JsByteModelOptions {
    estimand: Option<String>,
    beam: Option<usize>,
}

impl JsByteModelOptions {
    pub(crate) fn estimand(&self) -> Result<Estimand, JsValue> {
        match self.estimand.as_deref() {
            None | Some("canonical") => Ok(Estimand::Canonical),
            Some("all") => Ok(Estimand::All {
                beam: self.beam.map(Beam::new),
            }),
            Some(other) => Err(js_error(
                "invalid-argument",
                &format!("the estimand is \"canonical\" or \"all\", not {other:?}"),
            )),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct JsByteGenerationOptions {
    max_bytes: Option<usize>,
    temperature: Option<f32>,
    top_k: Option<usize>,
    top_p: Option<f32>,
    min_p: Option<f32>,
    seed: Option<u64>,
    utf8: Option<bool>,
    tolerance: Option<f64>,
    regex: Option<String>,
}

impl From<&JsByteGenerationOptions> for ByteGenerationOptions {
    fn from(js: &JsByteGenerationOptions) -> Self {
        let usual = Self::default();
        let sampler = usual.sampler;
        Self {
            max_bytes: js.max_bytes.unwrap_or(usual.max_bytes),
            sampler: SamplerOptions {
                temperature: js.temperature.unwrap_or(sampler.temperature),
                top_k: js.top_k.unwrap_or(sampler.top_k),
                top_p: js.top_p.unwrap_or(sampler.top_p),
                min_p: js.min_p.unwrap_or(sampler.min_p),
                seed: js.seed,
                repetition_penalty: sampler.repetition_penalty,
            },
            utf8: js.utf8.unwrap_or(usual.utf8),
            tolerance: js.tolerance.unwrap_or(usual.tolerance),
        }
    }
}

impl WasmByteModel {
    pub(crate) fn new(model: ByteModel<LanguageScorer>) -> Self {
        Self {
            model: Rc::new(RefCell::new(Some(Model::One(Box::new(model))))),
        }
    }

    /// Runs `job` with the model, which is back in its place afterwards.
    async fn with<T>(
        &self,
        job: impl AsyncFnOnce(&mut Model) -> Result<T, JsValue>,
    ) -> Result<T, JsValue> {
        let slot = Rc::clone(&self.model);
        let Some(mut model) = slot.take() else {
            return Err(busy("the byte model is at work"));
        };
        let done = job(&mut model).await;
        slot.replace(Some(model));
        done
    }
}

/// Several byte models as one: `mixture`, `product`, or `proxy` with its `alpha`.
#[wasm_bindgen(js_name = byteEnsemble)]
pub fn byte_ensemble(
    models: Vec<WasmByteModel>,
    combine: &str,
    alpha: f64,
) -> Result<WasmByteModel, JsValue> {
    let combination = match combine {
        "mixture" => Combination::Mixture,
        "product" => Combination::Product,
        "proxy" => Combination::Proxy { alpha },
        other => {
            return Err(js_error(
                "invalid-argument",
                &format!("models combine by mixture, product or proxy, not {other:?}"),
            ));
        }
    };
    let mut parts: Vec<Box<dyn NextByte>> = Vec::with_capacity(models.len());
    for model in models {
        match model.model.take() {
            Some(Model::One(model)) => parts.push(model),
            Some(Model::Several(ensemble)) => parts.push(Box::new(ensemble)),
            None => return Err(busy("the byte model is at work")),
        }
    }
    let ensemble = Ensemble::new(parts, combination).map_err(IntoJs::into_js)?;
    Ok(WasmByteModel {
        model: Rc::new(RefCell::new(Some(Model::Several(ensemble)))),
    })
}

#[wasm_bindgen]
impl WasmByteModel {
    /// `{logProbs: Float32Array(257), evaluations, tokens, trunk, cover}` after a text; `cover`
    /// lists that many next tokens of each way to cover it, and is empty for several models.
    #[wasm_bindgen(js_name = nextByte)]
    pub async fn next_byte(&self, prefix: Vec<u8>, cover: usize) -> Result<Object, JsValue> {
        self.with(async |model| {
            let before = model.next_byte().cost();
            let asked = model.next_byte().next_byte(&prefix, None, Precision::Exact);
            let next = asked.await.map_err(IntoJs::into_js)?;
            let cost = model.next_byte().cost();
            let (trunk, covers) = match model {
                Model::One(model) => (model.trunk().to_vec(), model.shown_covers(cover)),
                Model::Several(_) => (Vec::new(), Vec::new()),
            };
            object(&[
                ("logProbs", Float32Array::from(&next.log_probs[..]).into()),
                ("evaluations", number(cost.evaluations - before.evaluations)),
                ("tokens", number(cost.tokens - before.tokens)),
                ("trunk", Uint32Array::from(&trunk[..]).into()),
                ("cover", covers_to_js(&covers)?),
            ])
        })
        .await
    }

    /// Natural log-probability of each byte of `text` after `prefix`. `on_progress(done, total)`
    /// counts bytes and returns false to abort.
    pub async fn score(
        &self,
        prefix: Vec<u8>,
        text: Vec<u8>,
        on_progress: Function,
    ) -> Result<Float32Array, JsValue> {
        self.with(async |model| {
            let mut read = prefix;
            let mut per_byte = Vec::with_capacity(text.len());
            for (done, byte) in text.iter().enumerate() {
                if done.is_multiple_of(READ_AHEAD) {
                    let end = text.len().min(done + READ_AHEAD);
                    let ahead = text.get(done..end).unwrap_or_default();
                    let read = model.next_byte().read_ahead(&read, ahead);
                    read.await.map_err(IntoJs::into_js)?;
                }
                let asked = model.next_byte().next_byte(&read, None, Precision::Exact);
                let next = asked.await.map_err(IntoJs::into_js)?;
                per_byte.push(next.log_prob((*byte).into()));
                read.push(*byte);
                let progress = [number(done + 1), number(text.len())];
                if !go_on(&on_progress, &progress).await? {
                    return Err(js_error("aborted", "scoring was aborted"));
                }
            }
            Ok(Float32Array::from(&per_byte[..]))
        })
        .await
    }

    /// Generates; `on_bytes(bytes, logProb)` gets each step's bytes and returns false to end.
    /// `asked` are constraints besides that of the options; they stay the caller's.
    /// Gives `{reason, seed, evaluations, tokens}`.
    pub async fn generate(
        &self,
        prompt: Vec<u8>,
        options: JsValue,
        on_bytes: Function,
        asked: Vec<JsConstraint>,
    ) -> Result<Object, JsValue> {
        let options: JsByteGenerationOptions = from_js(options, "byte generation options")?;
        let mut constraints: Vec<Box<dyn ByteConstraint>> = Vec::new();
        for constraint in asked {
            constraints.push(Box::new(Asked::new(constraint)));
        }
        let settings = ByteGenerationOptions::from(&options);
        if let Some(pattern) = &options.regex {
            let regex = RegexConstraint::new(pattern, settings.utf8).map_err(IntoJs::into_js)?;
            constraints.push(Box::new(regex));
        }
        self.with(async |model| {
            let run = ByteGeneration::new(model.next_byte(), &prompt, settings, constraints);
            let mut run = run.map_err(IntoJs::into_js)?;
            loop {
                match run.next().await.map_err(IntoJs::into_js)? {
                    ByteStep::Bytes { bytes, log_prob } => {
                        let step = [Uint8Array::from(&bytes[..]).into(), log_prob.into()];
                        if !go_on(&on_bytes, &step).await? {
                            return end("aborted".into(), run.seed(), run.cost());
                        }
                    }
                    ByteStep::End(result) => {
                        return end(to_js(&result.reason)?, result.seed, result.cost);
                    }
                }
            }
        })
        .await
    }
}

fn end(reason: JsValue, seed: u64, cost: Cost) -> Result<Object, JsValue> {
    object(&[
        ("reason", reason),
        ("seed", (seed as f64).into()),
        ("evaluations", number(cost.evaluations)),
        ("tokens", number(cost.tokens)),
    ])
}

/// Asks a callback, which may answer with a promise to let other work run in between.
async fn go_on(callback: &Function, values: &[JsValue; 2]) -> Result<bool, JsValue> {
    let [first, second] = values;
    let answer = callback.call2(&JsValue::NULL, first, second)?;
    let answer = match answer.dyn_into::<js_sys::Promise>() {
        Ok(promise) => wasm_bindgen_futures::JsFuture::from(promise).await?,
        Err(answer) => answer,
    };
    Ok(answer.as_bool() != Some(false))
}

fn covers_to_js(covers: &[ShownCover]) -> Result<JsValue, JsValue> {
    let list = Array::new();
    for cover in covers {
        let (ids, shares): (Vec<u32>, Vec<f64>) = cover.next.iter().copied().unzip();
        let entry = object(&[
            ("tokens", Uint32Array::from(&cover.tokens[..]).into()),
            ("pending", Uint8Array::from(&cover.pending[..]).into()),
            ("share", cover.share.into()),
            ("nextIds", Uint32Array::from(&ids[..]).into()),
            ("nextShares", js_sys::Float64Array::from(&shares[..]).into()),
        ])?;
        list.push(&entry);
    }
    Ok(list.into())
}

fn number(value: usize) -> JsValue {
    JsValue::from_f64(value as f64)
}

fn object(fields: &[(&str, JsValue)]) -> Result<Object, JsValue> {
    let object = Object::new();
    for (name, value) in fields {
        Reflect::set(&object, &(*name).into(), value)?;
    }
    Ok(object)
}

/// The byte model of a language model.
pub(crate) fn byte_model(
    model: &lexigraft_decode::LanguageModel,
    vocabulary: lexigraft_text::ByteVocabulary,
    estimand: Estimand,
) -> Result<WasmByteModel, DecodeError> {
    // A beam parts into branches; what the tokenizer writes does not.
    let caches = if estimand == Estimand::Canonical {
        1
    } else {
        4
    };
    let scorer = LanguageScorer::new(model.clone()).with_caches(caches);
    let context = lexigraft_decode::bytes::Context::start(model.tokenizer())?;
    let model = ByteModel::new(vocabulary, scorer, estimand, context)?;
    Ok(WasmByteModel::new(model))
}
