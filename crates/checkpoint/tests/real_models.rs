//! The real files, from the directory that `cargo xtask models` fills.

mod common;

use std::path::PathBuf;

use common::read_f32;
use lexigraft_checkpoint::{Checkpoint, DType, FileSource, Format};

const SMOLLM2: &str = "smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf";
const VIT: &str = "vit-s-focus/vit_s_focus.onnx";
const MINILM: &str = "all-minilm-l6-v2/model.safetensors";

fn model(path: &str) -> PathBuf {
    let folder = |name| std::env::var_os(name).map(PathBuf::from);
    let root = folder("LEXIGRAFT_MODELS").unwrap_or_else(|| {
        folder("XDG_CACHE_HOME")
            .or_else(|| {
                Some(
                    folder("HOME")
                        .or_else(|| folder("USERPROFILE"))?
                        .join(".cache"),
                )
            })
            .expect("a home directory")
            .join("lexigraft/models")
    });
    let path = root.join(path);
    assert!(
        path.exists(),
        "{} is absent: run `cargo xtask models`",
        path.display()
    );
    path
}

fn open(path: &str) -> Checkpoint<FileSource> {
    let source = FileSource::open(model(path)).unwrap();
    pollster::block_on(Checkpoint::open(source)).unwrap()
}

#[test]
fn smollm2_describes_itself() {
    let checkpoint = open(SMOLLM2);
    assert_eq!(checkpoint.format(), Format::Gguf { version: 3 });
    assert_eq!(checkpoint.tensors().count(), 272);

    let metadata = checkpoint.metadata();
    assert_eq!(
        metadata.require_str("general.architecture").unwrap(),
        "llama"
    );
    assert_eq!(metadata.require_u64("llama.block_count").unwrap(), 30);
    assert_eq!(
        metadata
            .require_u64("llama.attention.head_count_kv")
            .unwrap(),
        3
    );
    assert_eq!(
        metadata.require_f64("llama.rope.freq_base").unwrap(),
        100_000.0
    );
    let epsilon = metadata
        .require_f64("llama.attention.layer_norm_rms_epsilon")
        .unwrap();
    assert_eq!(epsilon as f32, 1e-5);
    assert!(
        !metadata
            .require_bool("tokenizer.ggml.add_bos_token")
            .unwrap()
    );
    let tokens = metadata.require_str_array("tokenizer.ggml.tokens").unwrap();
    assert_eq!((tokens.len(), tokens[1].as_str()), (49152, "<|im_start|>"));
    let types = metadata
        .get_u32_array("tokenizer.ggml.token_type")
        .unwrap()
        .unwrap();
    assert_eq!((types.len(), types[0]), (49152, 3));
    assert_eq!(
        metadata.require_str_array("tokenizer.ggml.merges").unwrap()[0],
        "Ġ t"
    );

    let shapes = [
        ("token_embd.weight", vec![49152, 576], DType::Q8_0),
        ("blk.0.attn_norm.weight", vec![576], DType::F32),
        ("blk.0.attn_k.weight", vec![192, 576], DType::Q4_1),
        ("blk.29.ffn_down.weight", vec![576, 1536], DType::Q4_1),
        ("blk.29.ffn_up.weight", vec![1536, 576], DType::Q4_1),
        ("output_norm.weight", vec![576], DType::F32),
    ];
    for (name, shape, dtype) in shapes {
        let tensor = checkpoint.tensor(name).unwrap();
        assert_eq!((&tensor.shape, tensor.dtype), (&shape, dtype), "{name}");
    }
}

#[test]
fn smollm2_rows_equal_the_reference() {
    let checkpoint = open(SMOLLM2);
    let mut tensor = (String::new(), Vec::new());
    for record in common::records::read("smollm2_rows.bin") {
        let (name, row) = record.name.rsplit_once(':').unwrap();
        let row: usize = row.parse().unwrap();
        if tensor.0 != name {
            tensor = (name.to_owned(), read_f32(&checkpoint, name).unwrap());
        }
        let columns = record.values.len();
        let values = &tensor.1[row * columns..(row + 1) * columns];
        let bits = |values: &[f32]| {
            values
                .iter()
                .map(|value| value.to_bits())
                .collect::<Vec<_>>()
        };
        assert_eq!(bits(values), bits(&record.values), "{}", record.name);
    }
}

#[test]
fn minilm_is_what_the_safetensors_crate_reads() {
    let checkpoint = open(MINILM);
    assert_eq!(checkpoint.format(), Format::Safetensors);
    let file = std::fs::read(model(MINILM)).unwrap();
    let reference = safetensors::SafeTensors::deserialize(&file).unwrap();
    assert_eq!(checkpoint.tensors().count(), reference.len());
    for (name, view) in reference.iter() {
        let info = checkpoint.tensor(name).unwrap();
        assert_eq!(info.shape, view.shape(), "{name}");
        assert_eq!(info.dtype.name(), view.dtype().to_string(), "{name}");
        if name == "embeddings.position_ids" {
            assert_eq!(
                read_f32(&checkpoint, name).unwrap_err().code(),
                "unsupported-type"
            );
        } else {
            let blocks = pollster::block_on(checkpoint.read_blocks(info)).unwrap();
            assert!(blocks == view.data(), "{name}");
        }
    }
    let words = checkpoint
        .tensor("embeddings.word_embeddings.weight")
        .unwrap();
    assert_eq!(words.shape, [30522, 384]);
}

#[test]
fn the_vision_transformer_has_all_its_weights_and_their_names() {
    let checkpoint = open(VIT);
    assert_eq!(checkpoint.format(), Format::Onnx);
    let metadata = checkpoint.metadata();
    assert_eq!(
        metadata.require_str("onnx.producer_name").unwrap(),
        "pytorch"
    );
    assert_eq!(metadata.require_u64("onnx.ir_version").unwrap(), 7);
    let floats = checkpoint
        .tensors()
        .filter(|tensor| tensor.dtype == DType::F32);
    assert_eq!(
        floats.map(|tensor| tensor.elements()).sum::<usize>(),
        24_286_721
    );
    assert!(
        checkpoint
            .tensors()
            .all(|tensor| !tensor.name.starts_with("onnx::"))
    );
    let shapes = [
        ("backbone.embeddings.cls_token", vec![1, 1, 384]),
        ("backbone.embeddings.Reshape_1", vec![1, 1369, 384]),
        ("backbone.embeddings.Concat_6", vec![1, 1, 384]),
        (
            "backbone.encoder.layer.11.attention.attention.query.MatMul",
            vec![384, 384],
        ),
        ("backbone.encoder.layer.0.mlp.fc1.MatMul", vec![384, 1536]),
        ("backbone.encoder.layer.7.mlp.fc2.MatMul", vec![1536, 384]),
        ("decoder.upconv1.weight", vec![384, 256, 4, 4]),
    ];
    for (name, shape) in shapes {
        assert_eq!(checkpoint.tensor(name).unwrap().shape, shape, "{name}");
    }
    // The first and last values as onnx 1.23 reads them.
    let expect = [
        ("backbone.embeddings.Reshape_1", -0.0039907885, -0.09616552),
        (
            "backbone.encoder.layer.3.attention.attention.key.MatMul",
            -0.014696523,
            0.09032872,
        ),
        (
            "backbone.encoder.layer.11.mlp.fc2.MatMul",
            0.0017951258,
            -0.011547193,
        ),
        ("decoder.final_conv.weight", 0.084483564, -0.11947158),
    ];
    for (name, first, last) in expect {
        let values = read_f32(&checkpoint, name).unwrap();
        assert_eq!(
            (values[0], values[values.len() - 1]),
            (first, last),
            "{name}"
        );
    }
}
