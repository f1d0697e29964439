use std::cell::RefCell;
use std::ops::ControlFlow;

use js_sys::{Function, Reflect, WebAssembly};
use lexigraft_checkpoint::Checkpoint;
use lexigraft_decode::{LanguageModel, LoadOptions, TextEncoder};
use lexigraft_models::vision::{Vit, VitConfig};
use lexigraft_models::{ComputeDevice, DeviceKind};
use serde::Serialize;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::Blob;

use crate::blob_source::{BlobSource, read_all};
use crate::error::{IntoJs, js_error};
use crate::value::to_js;
use crate::{WasmEncoder, WasmLanguageModel, WasmVision};

#[cfg(not(any(feature = "cpu", feature = "gpu")))]
compile_error!("choose the module: feature `cpu` or feature `gpu`");

const KIND: DeviceKind = if cfg!(feature = "gpu") {
    DeviceKind::Wgpu
} else {
    DeviceKind::Cpu
};

thread_local! {
    // The wgpu runtime can be initialised once a module only.
    static DEVICE: RefCell<Option<ComputeDevice>> = const { RefCell::new(None) };
}

/// Acquires this module's device and tests it.
#[wasm_bindgen(js_name = createEngine)]
pub async fn create_engine() -> Result<Engine, JsValue> {
    if let Some(device) = DEVICE.with_borrow(Clone::clone) {
        return Ok(Engine { device });
    }
    let device = ComputeDevice::open(KIND).await.map_err(IntoJs::into_js)?;
    DEVICE.set(Some(device.clone()));
    Ok(Engine { device })
}

/// A device that models are loaded onto.
#[wasm_bindgen]
pub struct Engine {
    device: ComputeDevice,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EngineInfo<'a> {
    kind: &'static str,
    adapter: &'a str,
    self_test: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EngineMemory {
    wasm_bytes: f64,
}

#[wasm_bindgen]
impl Engine {
    pub fn info(&self) -> Result<JsValue, JsValue> {
        to_js(&EngineInfo {
            kind: match self.device.kind() {
                DeviceKind::Cpu => "cpu",
                DeviceKind::Wgpu => "webgpu",
            },
            adapter: self.device.adapter(),
            // A device that fails its test is never handed out.
            self_test: "passed",
        })
    }

    /// Bytes of this module's linear memory, which never shrinks.
    pub fn memory(&self) -> Result<JsValue, JsValue> {
        let bytes = wasm_bindgen::memory()
            .dyn_into::<WebAssembly::Memory>()
            .ok()
            .and_then(|memory| Reflect::get(&memory.buffer(), &"byteLength".into()).ok())
            .and_then(|length| length.as_f64())
            .unwrap_or(0.0);
        to_js(&EngineMemory { wasm_bytes: bytes })
    }

    /// Loads a GGUF or safetensors file with `{tokenizer?, tokenizerConfig?, config?: Blob,
    /// contextLength?: number}`; `on_progress(loaded, total)` returns false to abort.
    #[wasm_bindgen(js_name = loadLanguageModel)]
    pub async fn load_language_model(
        &self,
        weights: Blob,
        options: JsValue,
        on_progress: Function,
    ) -> Result<WasmLanguageModel, JsValue> {
        let device = self.device.clone();
        let tokenizer_json = blob_option(&options, "tokenizer").await?;
        let tokenizer_config_json = blob_option(&options, "tokenizerConfig").await?;
        let config_json = blob_option(&options, "config").await?;
        let context_length = context_length(&options)?;
        let checkpoint = Checkpoint::open(BlobSource::new(weights.clone()))
            .await
            .map_err(IntoJs::into_js)?;
        let options = LoadOptions {
            tokenizer_json: tokenizer_json.as_deref(),
            tokenizer_config_json: tokenizer_config_json.as_deref(),
            config_json: config_json.as_deref(),
            context_length,
        };
        let mut progress = progress_callback(on_progress);
        let model = LanguageModel::load(&checkpoint, options, &device, &mut progress)
            .await
            .map_err(IntoJs::into_js)?;
        Ok(WasmLanguageModel::new(model, weights, None))
    }

    /// Loads a safetensors file with `{tokenizer, config: Blob}`.
    #[wasm_bindgen(js_name = loadEncoder)]
    pub async fn load_encoder(
        &self,
        weights: Blob,
        options: JsValue,
        on_progress: Function,
    ) -> Result<WasmEncoder, JsValue> {
        let device = self.device.clone();
        let needed =
            |name: &str| js_error("invalid-argument", &format!("an encoder needs its {name}"));
        let tokenizer_json = blob_option(&options, "tokenizer")
            .await?
            .ok_or_else(|| js_error("tokenizer-missing", "an encoder needs its tokenizer.json"))?;
        let config_json = blob_option(&options, "config")
            .await?
            .ok_or_else(|| needed("config.json"))?;
        let checkpoint = Checkpoint::open(BlobSource::new(weights))
            .await
            .map_err(IntoJs::into_js)?;
        let mut progress = progress_callback(on_progress);
        let encoder = TextEncoder::load(
            &checkpoint,
            &config_json,
            &tokenizer_json,
            &device,
            &mut progress,
        )
        .await
        .map_err(IntoJs::into_js)?;
        Ok(WasmEncoder::new(encoder))
    }

    /// Loads an ONNX or safetensors file.
    #[wasm_bindgen(js_name = loadVision)]
    pub async fn load_vision(
        &self,
        weights: Blob,
        on_progress: Function,
    ) -> Result<WasmVision, JsValue> {
        let device = self.device.clone();
        let file_bytes = weights.size() as u64;
        let checkpoint = Checkpoint::open(BlobSource::new(weights))
            .await
            .map_err(IntoJs::into_js)?;
        let config = VitConfig::from_checkpoint(&checkpoint).map_err(IntoJs::into_js)?;
        let mut progress = progress_callback(on_progress);
        let model = Vit::load(&checkpoint, config, &device, &mut progress)
            .await
            .map_err(IntoJs::into_js)?;
        Ok(WasmVision::new(model, file_bytes))
    }
}

fn progress_callback(on_progress: Function) -> impl FnMut(u64, u64) -> ControlFlow<()> {
    move |loaded, total| {
        let answer = on_progress.call2(
            &JsValue::NULL,
            &JsValue::from_f64(loaded as f64),
            &JsValue::from_f64(total as f64),
        );
        // A callback that throws wants no more of it.
        match answer {
            Ok(answer) if answer.as_bool() != Some(false) => ControlFlow::Continue(()),
            _ => ControlFlow::Break(()),
        }
    }
}

async fn blob_option(options: &JsValue, name: &str) -> Result<Option<Vec<u8>>, JsValue> {
    let value = property(options, name);
    if value.is_undefined() || value.is_null() {
        return Ok(None);
    }
    let blob = value
        .dyn_into::<Blob>()
        .map_err(|_| js_error("invalid-argument", &format!("`{name}` must be a Blob")))?;
    read_all(blob).await.map(Some).map_err(IntoJs::into_js)
}

fn context_length(options: &JsValue) -> Result<Option<usize>, JsValue> {
    let value = property(options, "contextLength");
    match value.as_f64() {
        Some(length) if length.fract() == 0.0 && (1.0..4e9).contains(&length) => {
            Ok(Some(length as usize))
        }
        None if value.is_undefined() || value.is_null() => Ok(None),
        _ => Err(js_error(
            "invalid-argument",
            "`contextLength` must be a whole number of tokens",
        )),
    }
}

fn property(object: &JsValue, name: &str) -> JsValue {
    Reflect::get(object, &name.into()).unwrap_or(JsValue::UNDEFINED)
}
