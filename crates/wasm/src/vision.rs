use std::rc::Rc;

use js_sys::{Array, Float32Array, Function, Int32Array, Object, Reflect, Uint8ClampedArray};
use lexigraft_models::vision::Vit;
use lexigraft_vision::picture::{Crop, Picture, Preprocessed, check_header, preprocess};
use lexigraft_vision::reduce::{METHODS, parse_reduce};
use lexigraft_vision::see::{Reduce, Seeing, Seen};
use lexigraft_vision::source_map::Fate;
use serde::{Deserialize, Serialize};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};

use crate::error::{IntoJs, js_error};
use crate::value::{from_js, to_js};

/// A loaded vision model.
#[wasm_bindgen]
pub struct WasmVision {
    model: Rc<Vit>,
    file_bytes: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Info {
    architecture: &'static str,
    hidden_size: usize,
    layers: usize,
    heads: usize,
    patch_size: usize,
    max_size: usize,
    register_tokens: usize,
    has_saliency: bool,
    resident_bytes: u64,
    file_bytes: u64,
    methods: Vec<MethodInfo>,
}

#[derive(Serialize)]
struct MethodInfo {
    name: &'static str,
    summary: &'static str,
    gradual: bool,
}

/// As the caller writes them; what is absent takes its default value.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct SeeOptions {
    size: Option<usize>,
    crop: Option<String>,
    /// As the command line writes it, such as `tome:r=16`.
    reduce: Option<String>,
}

/// Refuses a picture file by what its header says.
#[wasm_bindgen(js_name = checkPicture)]
pub fn check_picture(bytes: &[u8]) -> Result<(), JsValue> {
    check_header(bytes).map_err(IntoJs::into_js)
}

impl WasmVision {
    pub(crate) fn new(model: Vit, file_bytes: u64) -> Self {
        Self {
            model: Rc::new(model),
            file_bytes,
        }
    }
}

#[wasm_bindgen]
impl WasmVision {
    pub fn info(&self) -> Result<JsValue, JsValue> {
        let config = self.model.config();
        to_js(&Info {
            architecture: "dinov2",
            hidden_size: config.hidden_size,
            layers: config.num_hidden_layers,
            heads: config.num_attention_heads,
            patch_size: config.patch_size,
            max_size: config.max_side(),
            register_tokens: config.num_register_tokens,
            has_saliency: self.model.saliency().is_some(),
            resident_bytes: self.model.resident_bytes(),
            file_bytes: self.file_bytes,
            methods: METHODS
                .iter()
                .map(|method| MethodInfo {
                    name: method.name,
                    summary: method.summary,
                    gradual: method.gradual,
                })
                .collect(),
        })
    }

    /// Sees a picture of four bytes a pixel with `{size?, crop?: "center" | "pad", reduce?}`;
    /// `on_progress(done, total)` counts blocks and returns false to abort.
    pub async fn see(
        &self,
        rgba: Vec<u8>,
        width: usize,
        height: usize,
        options: JsValue,
        on_progress: Function,
    ) -> Result<Object, JsValue> {
        let model = Rc::clone(&self.model);
        let options: SeeOptions = from_js(options, "the options")?;
        let crop = match options.crop.as_deref() {
            None | Some("center") => Crop::Center,
            Some("pad") => Crop::Pad,
            Some(other) => {
                return Err(js_error(
                    "invalid-argument",
                    &format!("there is no crop `{other}`: use center or pad"),
                ));
            }
        };
        let size = options.size.unwrap_or(224);
        let picture = Picture::from_rgba(&rgba, width, height).map_err(IntoJs::into_js)?;
        drop(rgba);
        let picture = preprocess(&picture, size, crop).map_err(IntoJs::into_js)?;
        let config = model.config();
        let values = picture.normalised(config.channel_mean, config.channel_deviation);
        let seen = run(&model, &values, (size, size), &options, on_progress).await?;
        let object = seen_object(&seen)?;
        set(&object, "pixels", &pixels(&picture))?;
        let frame = Object::new();
        for (name, value) in [
            ("left", picture.frame.left),
            ("top", picture.frame.top),
            ("width", picture.frame.width),
            ("height", picture.frame.height),
        ] {
            set(&frame, name, &number(value))?;
        }
        set(&object, "frame", &frame)?;
        Ok(object)
    }

    /// As [`see`](Self::see), of values `[3, height, width]` that are normalised already.
    #[wasm_bindgen(js_name = seeValues)]
    pub async fn see_values(
        &self,
        values: Vec<f32>,
        width: usize,
        height: usize,
        options: JsValue,
        on_progress: Function,
    ) -> Result<Object, JsValue> {
        let model = Rc::clone(&self.model);
        let options: SeeOptions = from_js(options, "the options")?;
        let seen = run(&model, &values, (height, width), &options, on_progress).await?;
        seen_object(&seen)
    }
}

async fn run(
    model: &Vit,
    values: &[f32],
    size: (usize, usize),
    options: &SeeOptions,
    on_progress: Function,
) -> Result<Seen, JsValue> {
    let reduce = options.reduce.as_deref().map(parse_reduce).transpose();
    let reduce = reduce.map_err(IntoJs::into_js)?;
    let reduce = reduce.as_ref().map(|(method, schedule)| Reduce {
        method: method.as_ref(),
        schedule,
    });
    let mut seeing = Seeing::begin(model, values, size, reduce).map_err(IntoJs::into_js)?;
    while seeing.step().await.map_err(IntoJs::into_js)? {
        let (done, total) = seeing.progress();
        let answer = on_progress.call2(&JsValue::NULL, &number(done), &number(total))?;
        // The callback may answer with a promise, to let other work run in between.
        let answer = match answer.dyn_into::<js_sys::Promise>() {
            Ok(promise) => wasm_bindgen_futures::JsFuture::from(promise).await?,
            Err(answer) => answer,
        };
        if answer.as_bool() == Some(false) {
            return Err(js_error("aborted", "seeing was aborted"));
        }
    }
    seeing.finish().await.map_err(IntoJs::into_js)
}

fn seen_object(seen: &Seen) -> Result<Object, JsValue> {
    let object = Object::new();
    let tokens = Array::new();
    for block in &seen.tokens {
        let pair = Object::new();
        set(&pair, "before", &number(block.before))?;
        set(&pair, "after", &number(block.after))?;
        tokens.push(&pair);
    }
    let maps = Array::new();
    for fates in &seen.maps {
        maps.push(&map(fates));
    }
    let heat = seen.heat.as_deref().map(Float32Array::from);
    let fields: [(&str, JsValue); 14] = [
        ("embedding", Float32Array::from(seen.cls.as_slice()).into()),
        (
            "patches",
            Float32Array::from(seen.patches.as_slice()).into(),
        ),
        ("rows", number(seen.grid.0)),
        ("columns", number(seen.grid.1)),
        ("heat", heat.map_or(JsValue::UNDEFINED, Into::into)),
        ("width", number(seen.width)),
        ("height", number(seen.height)),
        ("tokens", tokens.into()),
        ("maps", maps.into()),
        ("macs", (seen.macs as f64).into()),
        ("denseMacs", (seen.dense_macs as f64).into()),
        ("backboneMs", seen.backbone_ms.into()),
        ("reduceMs", seen.reduce_ms.into()),
        ("totalMs", seen.total_ms.into()),
    ];
    for (name, value) in fields {
        set(&object, name, &value)?;
    }
    Ok(object)
}

/// For each patch its token, or -1.
fn map(fates: &[Fate]) -> Int32Array {
    let tokens: Vec<i32> = fates
        .iter()
        .map(|fate| match fate {
            Fate::Token(token) => *token as i32,
            Fate::Dropped(_) => -1,
        })
        .collect();
    Int32Array::from(tokens.as_slice())
}

/// The square that the model saw, four bytes a pixel.
fn pixels(picture: &Preprocessed) -> Uint8ClampedArray {
    let (pixels, _) = picture.rgb.as_chunks::<3>();
    let rgba: Vec<u8> = pixels
        .iter()
        .flat_map(|&[r, g, b]| [r, g, b, 255])
        .collect();
    Uint8ClampedArray::from(rgba.as_slice())
}

fn number(value: usize) -> JsValue {
    JsValue::from_f64(value as f64)
}

fn set(object: &Object, name: &str, value: &JsValue) -> Result<(), JsValue> {
    Reflect::set(object, &name.into(), value).map(|_| ())
}
