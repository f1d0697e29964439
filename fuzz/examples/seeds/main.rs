//! Writes a corpus to begin with: small sound files, by the writers that the crates' tests use.
//!
//! `cargo run --manifest-path fuzz/Cargo.toml --example seeds`

use std::path::Path;

#[path = "../../../crates/checkpoint/tests/common/gguf.rs"]
#[allow(dead_code)]
mod gguf;
#[path = "../../../crates/checkpoint/tests/common/onnx.rs"]
#[allow(dead_code)]
mod onnx;
mod pictures;
#[path = "../../../crates/checkpoint/tests/common/safetensors.rs"]
#[allow(dead_code)]
mod safetensors;
mod tokenizers;

fn main() -> std::io::Result<()> {
    let mut small = gguf::Gguf::new().pair("general.architecture", gguf::str_value("llama"));
    small.version = 2;
    let small = small.tensor(gguf::tensor("w", &[32, 2], 2, vec![1; 36]));
    write("gguf", "rich", &gguf::rich().build())?;
    write("gguf", "version-2", &small.build())?;

    let one = safetensors::entry("w", "F32", "[1]", 0, 4);
    write("safetensors", "rich", &safetensors::rich())?;
    let one = safetensors::file(&format!("{{{one}}}"), &[0; 4]);
    write("safetensors", "one", &one)?;

    let one = [onnx::tensor("w", &[1], 1, &[0; 4])];
    write("onnx", "rich", &onnx::rich())?;
    write("onnx", "one", &onnx::model(&[], &one))?;

    for (name, json) in tokenizers::all() {
        write("tokenizer_json", name, json.to_string().as_bytes())?;
    }
    for (name, file) in pictures::all() {
        write("image", name, &file)?;
    }
    Ok(())
}

fn write(target: &str, name: &str, file: &[u8]) -> std::io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join(format!("seed-{name}")), file)
}
