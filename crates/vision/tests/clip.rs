//! The CLIP layout against Hugging Face's Flax implementation, which `clip-reference/make.py` ran over
//! a small model of random weights.

use std::ops::ControlFlow;
use std::path::PathBuf;

use lexigraft_checkpoint::{Checkpoint, FileSource, MemorySource};
use lexigraft_models::device::read_f32;
use lexigraft_models::vision::{Activation, Vit, VitConfig, VitLayout};
use lexigraft_models::{ComputeDevice, DeviceKind, ModelError};
use lexigraft_vision::picture::{Crop, Picture, preprocess};
use lexigraft_vision::reduce::{METHODS, parse_reduce};
use lexigraft_vision::see::{Reduce, Seen, see, see_values};
use serde::Deserialize;

#[derive(Deserialize)]
struct Reference {
    /// `[2][17][32]`.
    last_hidden_state: Vec<Vec<Vec<f32>>>,
    pooled: Vec<Vec<f32>>,
    embedding: Vec<Vec<f32>>,
}

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/clip-reference")
        .join(name)
}

fn read(name: &str) -> Vec<u8> {
    std::fs::read(fixture(name)).expect("reads")
}

async fn checkpoint() -> Checkpoint<FileSource> {
    let source = FileSource::open(fixture("model.safetensors")).expect("opens");
    Checkpoint::open(source).await.expect("is a checkpoint")
}

async fn model(kind: DeviceKind) -> Vit {
    let checkpoint = checkpoint().await;
    let config = VitConfig::read(&checkpoint, Some(&read("config.json"))).expect("fits");
    let device = ComputeDevice::open(kind).await.expect("device opens");
    Vit::load(&checkpoint, config, &device, &mut |_, _| {
        ControlFlow::Continue(())
    })
    .await
    .expect("loads")
}

/// The two pictures of the reference, `[3, 32, 32]` each.
fn pictures() -> [Vec<f32>; 2] {
    let plain: Vec<f32> = (0..3 * 32 * 32)
        .map(|at| {
            let (c, i, j) = (at / 1024, at / 32 % 32, at % 32);
            (0.05 * i as f64 + 0.03 * j as f64 + c as f64).sin() as f32
        })
        .collect();
    let busy = plain.iter().map(|x| 2.0 * (7.0 * x).sin()).collect();
    [plain, busy]
}

fn worst(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let pairs = a.iter().zip(b);
    pairs.map(|(x, y)| (x - y).abs()).fold(0.0, f32::max)
}

async fn reduced(model: &Vit, values: &[f32], reduce: &str) -> Seen {
    let (method, schedule) = parse_reduce(reduce).expect("is known");
    let reduce = Reduce {
        method: method.as_ref(),
        schedule: &schedule,
    };
    see_values(model, values, 32, 32, Some(reduce))
        .await
        .expect("runs")
}

async fn agrees(model: &Vit) {
    let reference: Reference = serde_json::from_slice(&read("reference.json")).expect("is JSON");
    let pictures = pictures();
    for (at, values) in pictures.iter().enumerate() {
        let mut x = model.embed(values, (32, 32)).expect("fits");
        for block in model.blocks() {
            x = block.feed_forward(block.attend(x, 17, None).await.expect("runs").hidden);
        }
        let states = read_f32(x.clone()).await.expect("reads");
        let pooled = read_f32(model.finish(x)).await.expect("reads");
        let seen = see_values(model, values, 32, 32, None).await.expect("runs");
        let differences = [
            worst(&states, &reference.last_hidden_state[at].concat()),
            worst(&pooled[..32], &reference.pooled[at]),
            worst(&seen.cls, &reference.embedding[at]),
        ];
        let [states, pooled, embedding] = differences;
        eprintln!("picture {at}: {states:.1e} {pooled:.1e} {embedding:.1e}");
        // Weights of the CPU are fixed-point numbers of 14 bits and more; values are up to 9.
        assert!(differences.iter().all(|d| *d < 5e-3), "{differences:?}");
        assert_eq!((seen.cls.len(), seen.patches.len()), (24, 16 * 32));
        assert!(seen.heat.is_none());
    }
    // In a batch it is the same.
    let states = model
        .forward(&pictures.concat(), (32, 32))
        .await
        .expect("runs");
    let states = read_f32(states).await.expect("reads");
    for (at, pooled) in reference.pooled.iter().enumerate() {
        assert!(worst(&states[at * 17 * 32..][..32], pooled) < 5e-3);
    }
}

#[test]
fn the_cpu_agrees_with_hugging_face() {
    pollster::block_on(async { agrees(&model(DeviceKind::Cpu).await).await });
}

#[test]
fn wgpu_agrees_with_hugging_face() {
    pollster::block_on(async { agrees(&model(DeviceKind::Wgpu).await).await });
}

#[test]
fn every_method_reduces_it() {
    pollster::block_on(async {
        let model = model(DeviceKind::Cpu).await;
        let [_, values] = pictures();
        let dense = see_values(&model, &values, 32, 32, None)
            .await
            .expect("runs");
        for method in METHODS {
            let all = if method.gradual {
                "r=0"
            } else {
                "keep=1,layers=1"
            };
            let seen = reduced(&model, &values, &format!("{}:{all}", method.name)).await;
            assert_eq!((&seen.cls, &seen.patches), (&dense.cls, &dense.patches));
            let some = if method.gradual {
                "r=3"
            } else {
                "keep=0.5,layers=1"
            };
            let seen = reduced(&model, &values, &format!("{}:{some}", method.name)).await;
            let last = seen.tokens.last().expect("has blocks").after;
            assert!(last < 17 && seen.macs < seen.dense_macs, "{}", method.name);
            assert!(seen.cls.iter().chain(&seen.patches).all(|x| x.is_finite()));
        }
    });
}

#[test]
fn pictures_are_normalised_as_clip_was_trained() {
    pollster::block_on(async {
        let model = model(DeviceKind::Cpu).await;
        let rgba: Vec<u8> = (0..32 * 32 * 4)
            .map(|at| {
                if at % 4 == 3 {
                    255
                } else {
                    (at * 7 % 251) as u8
                }
            })
            .collect();
        let picture = Picture::from_rgba(&rgba, 32, 32).expect("is a picture");
        let picture = preprocess(&picture, 32, Crop::Center).expect("is preprocessed");
        let mut values = Vec::new();
        // As OpenAI's code has them.
        for (channel, (mean, deviation)) in [
            (0.481_454_66, 0.268_629_54),
            (0.457_827_5, 0.261_302_6),
            (0.408_210_73, 0.275_777_1),
        ]
        .into_iter()
        .enumerate()
        {
            let bytes = picture.rgb.iter().skip(channel).step_by(3);
            values.extend(bytes.map(|byte| (f32::from(*byte) / 255.0 - mean) / deviation));
        }
        let ours = see(&model, &picture, None).await.expect("runs");
        let want = see_values(&model, &values, 32, 32, None)
            .await
            .expect("runs");
        assert_eq!(ours.cls, want.cls);
    });
}

#[test]
fn the_configuration_is_read_and_checked_against_the_tensors() {
    pollster::block_on(async {
        let checkpoint = checkpoint().await;
        let read = |json: &str| VitConfig::read(&checkpoint, Some(json.as_bytes()));
        let config = read(r#"{"vision_config": {"num_attention_heads": 4}}"#).unwrap();
        assert_eq!(config.layout, VitLayout::Clip);
        assert_eq!(config.activation, Activation::QuickGelu);
        assert_eq!(
            [
                config.hidden_size,
                config.intermediate_size,
                config.num_hidden_layers
            ],
            [32, 64, 3]
        );
        assert_eq!(
            [
                config.num_attention_heads,
                config.patch_size,
                config.grid_size
            ],
            [4, 8, 4]
        );
        assert_eq!(config.projection_size, Some(24));
        // Alone, as of a model of pictures only.
        let config = read(
            r#"{"num_attention_heads": 2, "hidden_act": "gelu", "layer_norm_eps": 1e-6, "hidden_size": 32}"#,
        )
        .unwrap();
        assert_eq!(config.activation, Activation::Gelu);
        assert_eq!(config.layer_norm_eps, 1e-6);
        for (json, code) in [
            // A hidden size of 32 is no heads of 64.
            ("{}", "bad-config"),
            ("[]", "bad-config"),
            (r#"{"num_attention_heads": 0}"#, "bad-config"),
            (r#"{"num_attention_heads": 3}"#, "bad-config"),
            (
                r#"{"num_attention_heads": 2, "hidden_size": 64}"#,
                "bad-config",
            ),
            (
                r#"{"num_attention_heads": 2, "patch_size": 16}"#,
                "bad-config",
            ),
            (
                r#"{"num_attention_heads": 2, "layer_norm_eps": 2.0}"#,
                "bad-config",
            ),
            (
                r#"{"num_attention_heads": 2, "hidden_act": "relu"}"#,
                "unsupported-architecture",
            ),
        ] {
            assert_eq!(read(json).unwrap_err().code(), code, "{json}");
        }
        let alone = VitConfig::from_checkpoint(&checkpoint).unwrap_err();
        assert_eq!(alone.code(), "bad-config");
    });
}

#[test]
fn a_file_that_lacks_a_tensor_says_which() {
    pollster::block_on(async {
        let mut bytes = read("model.safetensors");
        // The header's names; another of the same length.
        let name = b"pre_layrnorm.bias";
        let at = bytes.windows(name.len()).position(|window| window == name);
        bytes[at.expect("is named")] = b'q';
        let checkpoint = Checkpoint::open(MemorySource::new(bytes)).await.unwrap();
        let config = VitConfig::read(&checkpoint, Some(&read("config.json"))).unwrap();
        let device = ComputeDevice::open(DeviceKind::Cpu).await.unwrap();
        let error: ModelError = Vit::load(&checkpoint, config, &device, &mut |_, _| {
            ControlFlow::Continue(())
        })
        .await
        .unwrap_err();
        assert_eq!(error.code(), "missing-tensor");
        assert!(error.to_string().contains("pre_layrnorm.bias"), "{error}");
    });
}
