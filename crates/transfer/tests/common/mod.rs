//! Real models and tokenizers, shared by the tests of this crate.
#![allow(dead_code)] // Each test binary uses its part.

use std::ops::ControlFlow;
use std::path::PathBuf;

use lexigraft_checkpoint::{Checkpoint, FileSource};
use lexigraft_decode::{GenerationOptions, LanguageModel, LoadOptions, SamplerOptions, Step};
use lexigraft_models::{ComputeDevice, DeviceKind};
use lexigraft_text::{GgufVocabulary, Tokenizer};
use lexigraft_transfer::{
    Aids, Context, Method, Overlap, SourceModel, TokenTable, Vocabulary, transplant,
};

/// The tokenizers that a model is grafted with.
pub const TOKENIZERS: [&str; 4] = ["llama3", "qwen3", "gpt4o", "gemma3"];

/// `$LEXIGRAFT_MODELS`, or the cache that `cargo xtask models` fills.
pub fn models() -> PathBuf {
    if let Some(folder) = std::env::var_os("LEXIGRAFT_MODELS") {
        return folder.into();
    }
    let cache = std::env::var_os("XDG_CACHE_HOME").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").expect("HOME is set")).join(".cache"),
        PathBuf::from,
    );
    cache.join("lexigraft/models")
}

pub fn file(path: &str) -> PathBuf {
    let path = models().join(path);
    assert!(
        path.exists(),
        "{} is missing: run `cargo xtask models` first",
        path.display()
    );
    path
}

pub fn tokenizer(name: &str) -> Tokenizer {
    let json = std::fs::read(file(&format!("tokenizers/{name}/tokenizer.json"))).expect("reads");
    Tokenizer::from_json(&json).expect("is a tokenizer")
}

pub fn wordpiece() -> Tokenizer {
    let json = std::fs::read(file("all-minilm-l6-v2/tokenizer.json")).expect("reads");
    Tokenizer::from_json(&json).expect("is a tokenizer")
}

pub fn checkpoint() -> Checkpoint<FileSource> {
    let path = file("smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf");
    let source = FileSource::open(&path).expect("opens");
    pollster::block_on(Checkpoint::open(source)).expect("is a checkpoint")
}

/// The vocabulary of a GGUF file, with `order[new] = old`.
pub fn gguf_vocabulary(order: &[u32]) -> GgufVocabulary {
    let checkpoint = checkpoint();
    let metadata = checkpoint.metadata();
    let strings = |key: &str| {
        let array = metadata
            .get_str_array(key)
            .expect("reads")
            .expect("is there");
        array.to_vec()
    };
    let types = metadata.get_u64_array("tokenizer.ggml.token_type");
    let types = types.expect("reads").expect("is there");
    let place = |name: &str| {
        let id = metadata.get_u64(&format!("tokenizer.ggml.{name}_token_id"));
        let id = id.expect("reads")?;
        order
            .iter()
            .position(|old| u64::from(*old) == id)
            .map(|at| at as u32)
    };
    let tokens = strings("tokenizer.ggml.tokens");
    GgufVocabulary {
        model: "gpt2".to_owned(),
        pre: metadata
            .get_str("tokenizer.ggml.pre")
            .expect("reads")
            .map(str::to_owned),
        tokens: order
            .iter()
            .map(|old| tokens[*old as usize].clone())
            .collect(),
        token_types: Some(
            order
                .iter()
                .map(|old| types[*old as usize] as u32)
                .collect(),
        ),
        merges: Some(strings("tokenizer.ggml.merges")),
        bos: place("bos"),
        eos: place("eos"),
        add_bos: metadata
            .get_bool("tokenizer.ggml.add_bos_token")
            .expect("reads"),
        ..GgufVocabulary::default()
    }
}

pub fn smollm2() -> LanguageModel {
    pollster::block_on(async {
        let device = ComputeDevice::open(DeviceKind::Cpu).await.expect("opens");
        let (checkpoint, options) = (checkpoint(), LoadOptions::default());
        let keep_on = &mut |_, _| ControlFlow::Continue(());
        let loaded = LanguageModel::load(&checkpoint, options, &device, keep_on);
        loaded.await.expect("loads")
    })
}

pub fn source(tokenizer: &Tokenizer) -> SourceModel {
    let keep_on = |_, _| ControlFlow::Continue(());
    let checkpoint = checkpoint();
    let read = SourceModel::read(&checkpoint, tokenizer, true, keep_on);
    pollster::block_on(read).expect("reads")
}

/// The rows of `tokenizer` by a method, and its table.
pub fn rows(
    source: &SourceModel,
    tokenizer: &Tokenizer,
    method: &str,
    aids: Aids<'_>,
) -> (TokenTable, Overlap, Vocabulary) {
    let target = TokenTable::new(tokenizer).expect("reads");
    let overlap = Overlap::new(source.tokens(), &target);
    let context = Context {
        source,
        target: &target,
        overlap: &overlap,
    };
    let method: Method = method.parse().expect("is a method");
    let vocabulary = pollster::block_on(async {
        let keep_on = |_, _| ControlFlow::Continue(());
        let mut method = method
            .prepare(context, aids, keep_on)
            .await
            .expect("prepares");
        transplant(context, method.as_mut(), keep_on)
            .await
            .expect("transplants")
    });
    (target, overlap, vocabulary)
}

/// What a model writes after a prompt, always the likeliest token.
pub fn greedy(model: &LanguageModel, prompt: &str, max_tokens: usize) -> (String, Vec<u32>) {
    let options = GenerationOptions {
        max_tokens,
        sampler: SamplerOptions {
            temperature: 0.0,
            ..SamplerOptions::default()
        },
        ..GenerationOptions::default()
    };
    let mut generation = model.generate(prompt, options).expect("starts");
    let mut text = String::new();
    loop {
        match pollster::block_on(generation.next()).expect("runs") {
            Step::Prefill { .. } => {}
            Step::Piece { text: piece, .. } => text.push_str(&piece),
            Step::End(result) => {
                text.push_str(&result.text);
                return (text, result.ids);
            }
        }
    }
}

pub fn bits_per_byte(model: &LanguageModel, text: &str) -> f64 {
    let score = pollster::block_on(model.score(text).expect("scores").finish());
    score.expect("runs").bits_per_byte
}
