use std::ops::ControlFlow;
use std::rc::Rc;

use js_sys::{Array, Function, Promise};
use lexigraft_checkpoint::Checkpoint;
use lexigraft_decode::LanguageModel;
use lexigraft_models::hypernetwork::Hypernetwork;
use lexigraft_text::Tokenizer;
use lexigraft_transfer::export::{write_gguf, write_safetensors};
use lexigraft_transfer::{
    Aids, Context, Method, Origin, Overlap, SourceModel, TokenTable, Vocabulary, check_lossless,
    check_room, graft_with, transplant_into,
};
use serde::Serialize;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, future_to_promise};
use web_sys::Blob;

use crate::blob_rows::BlobRows;
use crate::blob_source::{BlobSource, read_all};
use crate::blob_writer::BlobWriter;
use crate::error::{IntoJs, js_error};
use crate::value::to_js;
use crate::{WasmLanguageModel, WasmTokenizer};

/// What an exported model is made of, beside the layers' file.
pub(crate) struct Grafted {
    vocabulary: Vocabulary<BlobRows>,
    tokenizer_json: Blob,
    report: Report,
}

/// What became of the tokens.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    method: String,
    tokens: usize,
    shared: usize,
    special: usize,
    made: usize,
}

/// `on_progress(phase, done, total)` returns false, or a promise of it, to abort.
struct Progress(Function);

impl Progress {
    fn call(&self, phase: &str, done: f64, total: f64) -> Option<JsValue> {
        self.0
            .call3(&JsValue::NULL, &phase.into(), &done.into(), &total.into())
            .ok()
    }

    /// Where nothing can be waited for: a promise counts as going on.
    fn tell(&self, phase: &str, done: f64, total: f64) -> ControlFlow<()> {
        match self.call(phase, done, total) {
            Some(answer) if answer.as_bool() != Some(false) => ControlFlow::Continue(()),
            _ => ControlFlow::Break(()),
        }
    }

    /// Waits for the answer, and so lets other work run in between.
    async fn ask(&self, phase: &str, done: usize, total: usize) -> ControlFlow<()> {
        let answer = match self.call(phase, done as f64, total as f64) {
            Some(answer) => match answer.dyn_into::<Promise>() {
                Ok(promise) => JsFuture::from(promise).await.ok(),
                Err(answer) => Some(answer),
            },
            None => None,
        };
        match answer {
            Some(answer) if answer.as_bool() != Some(false) => ControlFlow::Continue(()),
            _ => ControlFlow::Break(()),
        }
    }

    async fn begin(&self, phase: &str) -> Result<(), JsValue> {
        match self.ask(phase, 0, 1).await {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(js_error("aborted", "the graft was aborted")),
        }
    }
}

#[wasm_bindgen]
impl WasmLanguageModel {
    /// A second model, of this one's layers and the rows that `method` makes for the tokens of
    /// `tokenizer`. `on_progress(phase, done, total)` returns false, or a promise of it, to abort;
    /// phases are `source`, `tokenizer`, `prepare`, `rows` and `move`.
    pub fn graft(
        &self,
        tokenizer: &WasmTokenizer,
        method: String,
        hypernetwork: Option<Blob>,
        lossy: bool,
        on_progress: Function,
    ) -> Promise {
        if self.grafted.is_some() {
            return Promise::reject(&js_error(
                "invalid-argument",
                "this model is a graft: graft the model that it was made of",
            ));
        }
        let (model, weights) = (self.model.clone(), self.weights.clone());
        let (tokenizer, json) = (tokenizer.tokenizer.clone(), tokenizer.json.clone());
        let progress = Progress(on_progress);
        future_to_promise(async move {
            let method: Method = method.parse().map_err(IntoJs::into_js)?;
            // Reading the tokenizer was long enough: what comes first tells of itself before it works.
            progress.begin("source").await?;
            if !lossy {
                check_lossless(&tokenizer).map_err(IntoJs::into_js)?;
            }
            let work = run(
                &model,
                &weights,
                &tokenizer,
                method,
                hypernetwork,
                &progress,
            );
            let (grafted, vocabulary, report) = work.await?;
            let parts = Grafted {
                vocabulary,
                tokenizer_json: json,
                report,
            };
            let grafted = WasmLanguageModel::new(grafted, weights, Some(Rc::new(parts)));
            Ok(grafted.into())
        })
    }

    /// `{method, tokens, shared, special, made}` of a graft.
    #[wasm_bindgen(js_name = graftReport)]
    pub fn graft_report(&self) -> Result<JsValue, JsValue> {
        to_js(&self.grafted.as_ref().map(|grafted| &grafted.report))
    }

    /// The files of a graft, as `[name, Blob]` each: `gguf` or `safetensors`.
    /// `on_progress("write", done, total)` counts bytes and returns false to abort.
    pub fn export(&self, format: String, on_progress: Function) -> Promise {
        let (model, weights) = (self.model.clone(), self.weights.clone());
        let grafted = self.grafted.clone();
        let progress = Progress(on_progress);
        future_to_promise(async move {
            let grafted = grafted.ok_or_else(|| {
                js_error(
                    "invalid-argument",
                    "this model is as it was loaded: its file is the export",
                )
            })?;
            export(&model, weights, &grafted, &format, &progress)
                .await
                .map(Into::into)
        })
    }
}

async fn run(
    model: &LanguageModel,
    weights: &Blob,
    tokenizer: &Tokenizer,
    method: Method,
    hypernetwork: Option<Blob>,
    progress: &Progress,
) -> Result<(LanguageModel, Vocabulary<BlobRows>, Report), JsValue> {
    let checkpoint = open(weights.clone()).await?;
    let tied = model.decoder().config().tied_embeddings;
    let told = |done: u64, total: u64| progress.tell("source", done as f64, total as f64);
    let source = SourceModel::read(&checkpoint, model.tokenizer(), tied, told).await;
    let source = source.map_err(IntoJs::into_js)?;
    drop(checkpoint);
    check_room(model, &source, tokenizer.vocab_size(), method).map_err(IntoJs::into_js)?;

    progress.begin("tokenizer").await?;
    let target = TokenTable::new(tokenizer).map_err(IntoJs::into_js)?;
    let overlap = Overlap::new(source.tokens(), &target);
    let context = Context {
        source: &source,
        target: &target,
        overlap: &overlap,
    };

    progress.begin("prepare").await?;
    let network = match hypernetwork {
        Some(blob) => {
            let checkpoint = open(blob).await?;
            let keep_on = &mut |_, _| ControlFlow::Continue(());
            let network = Hypernetwork::load(&checkpoint, model.decoder(), keep_on);
            Some(network.await.map_err(IntoJs::into_js)?)
        }
        None => None,
    };
    let aids = Aids {
        decoder: Some(model.decoder()),
        hypernetwork: network.as_ref(),
        ..Aids::default()
    };
    let asked = async |done, total| progress.ask("prepare", done, total).await;
    let prepared = method.prepare_with(context, aids, asked).await;
    let mut prepared = prepared.map_err(IntoJs::into_js)?;
    let asked = async |done, total| progress.ask("rows", done, total).await;
    let store = |_| Ok(BlobRows::default());
    let vocabulary = transplant_into(context, prepared.as_mut(), store, asked).await;
    let vocabulary = vocabulary.map_err(IntoJs::into_js)?;
    drop(prepared);
    let report = report(method, &overlap);
    // The tables are some tens of megabytes, which the device's copy of the rows can have.
    drop((network, overlap, target, source));

    let asked = async |done, total| progress.ask("move", done, total).await;
    let grafted = graft_with(model, tokenizer, &vocabulary, asked).await;
    Ok((grafted.map_err(IntoJs::into_js)?, vocabulary, report))
}

fn report(method: Method, overlap: &Overlap) -> Report {
    let count = |is: fn(Origin) -> bool| {
        let ids = 0..overlap.len() as u32;
        ids.filter(|id| is(overlap.origin(*id))).count()
    };
    Report {
        method: method.to_string(),
        tokens: overlap.len(),
        shared: count(|origin| matches!(origin, Origin::Shared(_))),
        special: count(|origin| matches!(origin, Origin::Special(_))),
        made: count(|origin| origin == Origin::New),
    }
}

async fn export(
    model: &LanguageModel,
    weights: Blob,
    grafted: &Grafted,
    format: &str,
    progress: &Progress,
) -> Result<Array, JsValue> {
    let json = &grafted.tokenizer_json;
    let vocabulary = &grafted.vocabulary;
    let told = |done: u64, total: u64| progress.tell("write", done as f64, total as f64);
    let checkpoint = open(weights).await?;
    let out = BlobWriter::default();
    match format {
        "gguf" => {
            let json = read_all(json.clone()).await.map_err(IntoJs::into_js)?;
            let written = write_gguf(&checkpoint, &json, vocabulary, out, told).await;
            let written = written.map_err(IntoJs::into_js)?;
            Ok(Array::of1(&file("model.gguf", &written.finish()?)))
        }
        "safetensors" => {
            let mut out = out;
            let (config, tokenizer) = (model.decoder().config(), model.tokenizer());
            let written =
                write_safetensors(&checkpoint, config, tokenizer, vocabulary, &mut out, told);
            let files = written.await.map_err(IntoJs::into_js)?;
            let text = |text: &str| Blob::new_with_str_sequence(&Array::of1(&text.into()));
            Ok(Array::of4(
                &file("model.safetensors", &out.finish()?),
                &file("config.json", &text(&files.config)?),
                &file("tokenizer_config.json", &text(&files.tokenizer_config)?),
                &file("tokenizer.json", json),
            ))
        }
        other => Err(js_error(
            "invalid-argument",
            &format!("models are written as \"gguf\" or \"safetensors\", not {other:?}"),
        )),
    }
}

fn file(name: &str, blob: &Blob) -> JsValue {
    Array::of2(&name.into(), blob).into()
}

async fn open(blob: Blob) -> Result<Checkpoint<BlobSource>, JsValue> {
    let opened = Checkpoint::open(BlobSource::new(blob)).await;
    opened.map_err(IntoJs::into_js)
}
