//! The real files, from the directory that `cargo xtask models` fills.

use std::ops::ControlFlow;
use std::path::PathBuf;

use lexigraft_checkpoint::{Checkpoint, DType, FileSource, Format};

fn model(path: &str) -> PathBuf {
    let root = std::env::var_os("LEXIGRAFT_MODELS")
        .map(PathBuf::from)
        .unwrap_or_else(|| {
            let cache = std::env::var_os("XDG_CACHE_HOME")
                .map(PathBuf::from)
                .unwrap_or_else(|| {
                    let home = std::env::var_os("HOME").or_else(|| std::env::var_os("USERPROFILE"));
                    PathBuf::from(home.expect("a home directory")).join(".cache")
                });
            cache.join("lexigraft").join("models")
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
fn smollm2_opens() {
    let checkpoint = open("smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf");
    println!("{:?}", checkpoint.format());
    for (key, value) in checkpoint.metadata().iter() {
        let text = format!("{value:?}");
        println!("{key} = {}", text.chars().take(100).collect::<String>());
    }
    for tensor in checkpoint.tensors().take(16) {
        println!("{tensor:?}");
    }
    println!("{}", checkpoint.tensors().count());
    assert_eq!(checkpoint.format(), Format::Gguf { version: 3 });
    let embedding = checkpoint.tensor("token_embd.weight").unwrap();
    assert_eq!(
        (embedding.shape.as_slice(), embedding.dtype),
        ([49152, 576].as_slice(), DType::Q8_0)
    );
    let started = std::time::Instant::now();
    let values =
        pollster::block_on(checkpoint.read_f32(embedding, |_| ControlFlow::Continue(()))).unwrap();
    println!("{} values in {:?}", values.len(), started.elapsed());
}
