//! The real model against what onnxruntime computed.

use std::ops::ControlFlow;
use std::path::PathBuf;

use lexigraft_checkpoint::{Checkpoint, FileSource};
use lexigraft_models::vision::{Vit, VitConfig};
use lexigraft_models::{ComputeDevice, DeviceKind};
use lexigraft_vision::metrics::cosine;
use lexigraft_vision::picture::{Crop, Picture, preprocess};
use lexigraft_vision::see::{Seen, see, see_values};
use serde::Deserialize;

/// `$LEXIGRAFT_MODELS`, or the cache that `cargo xtask models` fills.
pub fn file(path: &str) -> PathBuf {
    let models = std::env::var_os("LEXIGRAFT_MODELS").map_or_else(
        || {
            let cache = std::env::var_os("XDG_CACHE_HOME").map_or_else(
                || PathBuf::from(std::env::var_os("HOME").expect("HOME is set")).join(".cache"),
                PathBuf::from,
            );
            cache.join("lexigraft/models")
        },
        PathBuf::from,
    );
    let path = models.join(path);
    assert!(
        path.exists(),
        "{} is missing: run `cargo xtask models` first",
        path.display()
    );
    path
}

#[derive(Deserialize)]
pub struct Reference {
    pub cases: Vec<Case>,
}

#[derive(Deserialize)]
#[allow(dead_code)] // Each test binary uses a part.
pub struct Case {
    #[serde(default)]
    pub input: String,
    #[serde(default = "default_side")]
    pub height: usize,
    #[serde(default = "default_side")]
    pub width: usize,
    #[serde(default)]
    pub item: usize,
    pub cls: Vec<f32>,
    /// The first ones may be all that is there.
    pub patch_norms: Vec<f32>,
    pub heat_mean: f64,
    pub heat_max: f32,
    pub heat_argmax: usize,
}

fn default_side() -> usize {
    224
}

pub fn reference(name: &str) -> Reference {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/reference")
        .join(name);
    serde_json::from_slice(&std::fs::read(path).expect("reference file"))
        .expect("reference is JSON")
}

pub async fn model(kind: DeviceKind) -> Vit {
    let device = ComputeDevice::open(kind).await.expect("device opens");
    eprintln!("device: {}", device.adapter());
    let source = FileSource::open(file("vit-s-focus/vit_s_focus.onnx")).expect("opens");
    let checkpoint = Checkpoint::open(source).await.expect("is a checkpoint");
    let config = VitConfig::from_checkpoint(&checkpoint).expect("is a vision transformer");
    Vit::load(&checkpoint, config, &device, &mut |_, _| {
        ControlFlow::Continue(())
    })
    .await
    .expect("loads")
}

/// `x[c, i, j] = sin(0.05 i + 0.03 j + c + item)`.
pub fn synthetic(height: usize, width: usize, item: usize) -> Vec<f32> {
    (0..3 * height * width)
        .map(|at| {
            let (c, i, j) = (at / (height * width), at / width % height, at % width);
            (0.05 * i as f64 + 0.03 * j as f64 + (c + item) as f64).sin() as f32
        })
        .collect()
}

#[allow(dead_code)] // Each test binary uses a part.
pub fn photograph(name: &str, size: usize) -> Vec<f32> {
    let bytes = std::fs::read(file(&format!("photographs/{name}.png"))).expect("reads");
    let picture = Picture::decode(&bytes).expect("is a picture");
    preprocess(&picture, size, Crop::Center)
        .expect("is preprocessed")
        .values
}

fn worst(a: &[f32], b: &[f32]) -> f32 {
    a.iter()
        .zip(b)
        .map(|(x, y)| (x - y).abs())
        .fold(0.0, f32::max)
}

/// Largest differences of CLS, of patch norms, and of the mean saliency.
pub fn differences(seen: &Seen, case: &Case) -> (f32, f32, f64) {
    let width = seen.cls.len();
    assert_eq!(width, case.cls.len());
    let norms: Vec<f32> = seen
        .patches
        .chunks_exact(width)
        .map(|row| row.iter().map(|v| v * v).sum::<f32>().sqrt())
        .collect();
    assert!(norms.len() >= case.patch_norms.len());
    let heat = seen.heat.as_ref().expect("the model has a decoder");
    assert_eq!(heat.len(), case.height * case.width);
    let mean = heat.iter().map(|v| f64::from(*v)).sum::<f64>() / heat.len() as f64;
    (
        worst(&seen.cls, &case.cls),
        worst(&norms, &case.patch_norms),
        (mean - case.heat_mean).abs(),
    )
}

/// Everything that the reference says of the model at 224, on one device.
pub async fn agrees_with_references(model: &Vit) {
    for case in &reference("vit-s-focus.json").cases {
        if case.input == "synthetic" {
            let values = synthetic(224, 224, 0);
            let seen = see_values(model, &values, 224, 224, None)
                .await
                .expect("runs");
            let (cls, norms, heat) = differences(&seen, case);
            eprintln!("synthetic: CLS {cls:.1e}, norms {norms:.1e}, heat {heat:.1e}");
            assert!(cls < 2e-3 && norms < 0.02 && heat < 1e-4);
            let map = seen.heat.as_ref().unwrap();
            assert!((map[case.heat_argmax] - case.heat_max).abs() < 1e-4);
            continue;
        }
        let picture = {
            let name = format!("photographs/{}.png", case.input);
            let bytes = std::fs::read(file(&name)).expect("reads");
            let picture = Picture::decode(&bytes).expect("is a picture");
            preprocess(&picture, 224, Crop::Center).expect("is preprocessed")
        };
        let seen = see(model, &picture, None).await.expect("runs");
        let (cls, norms, heat) = differences(&seen, case);
        let angle = cosine(&seen.cls, &case.cls);
        eprintln!(
            "{}: CLS {cls:.1e} (cosine {angle:.7}), norms {norms:.1e}, heat {heat:.1e}",
            case.input
        );
        // Another resampler rounds some bytes by one: measured below 0.05.
        assert!(angle > 0.9999 && cls < 0.1 && heat < 2e-3, "{}", case.input);
    }
}
