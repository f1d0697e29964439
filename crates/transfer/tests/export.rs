//! Grafted models as files: they load again and write the same text.

mod common;

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hasher};
use std::io::{self, Write};
use std::ops::{ControlFlow, Range};

use common::{checkpoint, file, greedy, rows, smollm2, source, tokenizer};
use lexigraft_checkpoint::{Checkpoint, MemorySource};
use lexigraft_decode::{LanguageModel, LoadOptions};
use lexigraft_models::{ComputeDevice, DeviceKind};
use lexigraft_transfer::export::{write_gguf, write_safetensors};
use lexigraft_transfer::initialise::{Combined, Fvt, Mean};
use lexigraft_transfer::{
    Aids, BlockStore, Context, TransferError, graft, graft_with, transplant_into,
};

const PROMPTS: [&str; 2] = [
    "The capital of France is",
    "Im Jahr 1987 wurde die Bibliothek",
];

fn loaded(bytes: Vec<u8>, options: LoadOptions<'_>) -> LanguageModel {
    pollster::block_on(async {
        let device = ComputeDevice::open(DeviceKind::Cpu).await.expect("opens");
        let checkpoint = Checkpoint::open(MemorySource::new(bytes))
            .await
            .expect("is a file");
        let keep_on = &mut |_, _| ControlFlow::Continue(());
        let model = LanguageModel::load(&checkpoint, options, &device, keep_on).await;
        model.expect("loads")
    })
}

fn json(name: &str) -> Vec<u8> {
    std::fs::read(file(&format!("tokenizers/{name}/tokenizer.json"))).expect("reads")
}

#[test]
fn a_gguf_file_writes_the_same_text() {
    let model = smollm2();
    let source = source(model.tokenizer());
    for name in ["qwen3", "gemma3"] {
        let tokenizer = tokenizer(name);
        let (_, _, vocabulary) = rows(&source, &tokenizer, "fvt", Aids::default());
        let grafted = pollster::block_on(graft(&model, &tokenizer, &vocabulary)).expect("grafts");
        let keep_on = |_, _| ControlFlow::Continue(());
        let checkpoint = checkpoint();
        let json = json(name);
        let bytes = write_gguf(&checkpoint, &json, &vocabulary, Vec::new(), keep_on);
        let bytes = pollster::block_on(bytes).expect("writes");
        let again = loaded(bytes, LoadOptions::default());
        assert_eq!(again.info().parameters, grafted.info().parameters);
        for prompt in PROMPTS {
            assert_eq!(
                greedy(&again, prompt, 24),
                greedy(&grafted, prompt, 24),
                "{name}"
            );
        }
    }
}

/// Rows in parts of uneven length, as a browser keeps blobs.
#[derive(Default)]
struct Parts(Vec<Vec<u8>>);

impl BlockStore for Parts {
    fn bytes(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }

    fn append(&mut self, blocks: &[u8]) -> Result<(), TransferError> {
        self.0.push(blocks.to_vec());
        Ok(())
    }

    async fn read(&self, range: Range<usize>) -> Result<Cow<'_, [u8]>, TransferError> {
        let (mut found, mut start) = (Vec::new(), 0);
        for part in &self.0 {
            let end = start + part.len();
            let place = |at: usize| at.clamp(start, end) - start;
            found.extend_from_slice(&part[place(range.start)..place(range.end)]);
            start = end;
        }
        Ok(Cow::Owned(found))
    }
}

/// What was written, by its hash: the files are hundreds of megabytes.
#[derive(Default)]
struct Hashed(DefaultHasher, usize);

impl Hashed {
    fn finish(&self) -> (u64, usize) {
        (self.0.finish(), self.1)
    }
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes);
        self.1 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn rows_outside_memory_make_the_same_model_and_the_same_files() {
    let model = smollm2();
    let source = source(model.tokenizer());
    let tokenizer = tokenizer("llama3");
    let (target, overlap, mut memory) = rows(&source, &tokenizer, "fvt", Aids::default());
    let context = Context {
        source: &source,
        target: &target,
        overlap: &overlap,
    };
    let in_parts = || {
        pollster::block_on(async {
            let keep_on = async |_, _| ControlFlow::Continue(());
            let store = |_| Ok(Parts::default());
            transplant_into(context, &mut Combined::new(context, Fvt), store, keep_on).await
        })
    };
    let mut parts = in_parts().expect("transplants");
    // Half a store is noticed, and no row is shifted.
    struct Short(Parts);
    impl BlockStore for Short {
        fn bytes(&self) -> usize {
            self.0.bytes()
        }

        fn append(&mut self, blocks: &[u8]) -> Result<(), TransferError> {
            self.0.append(blocks)
        }

        async fn read(&self, range: Range<usize>) -> Result<Cow<'_, [u8]>, TransferError> {
            self.0.read(range.start..range.end - 1).await
        }
    }
    let short = pollster::block_on(async {
        let keep_on = async |_, _| ControlFlow::Continue(());
        let store = |_| Ok(Short(Parts::default()));
        let short =
            transplant_into(context, &mut Combined::new(context, Mean), store, keep_on).await;
        let keep_on = async |_, _| ControlFlow::Continue(());
        graft_with(&model, &tokenizer, &short.expect("transplants"), keep_on).await
    });
    assert_eq!(short.expect_err("is refused").code(), "bad-checkpoint");
    memory.output = Some(memory.input.clone());
    parts.output = Some(in_parts().expect("transplants").input);
    let all = pollster::block_on(parts.input.chunk(0, parts.input.bytes())).expect("reads");
    assert!(*all == *memory.input.blocks());
    let grafted = pollster::block_on(graft(&model, &tokenizer, &memory)).expect("grafts");
    let keep_on = async |_, _| ControlFlow::Continue(());
    let other = pollster::block_on(graft_with(&model, &tokenizer, &parts, keep_on));
    let other = other.expect("grafts");
    assert_eq!(
        greedy(&other, PROMPTS[0], 8),
        greedy(&grafted, PROMPTS[0], 8)
    );

    let checkpoint = checkpoint();
    let config = grafted.decoder().config();
    let keep_on = |_, _| ControlFlow::Continue(());
    let (mut first, mut second) = (Hashed::default(), Hashed::default());
    let one = write_safetensors(
        &checkpoint,
        config,
        &tokenizer,
        &memory,
        &mut first,
        keep_on,
    );
    let one = pollster::block_on(one).expect("writes");
    let two = write_safetensors(
        &checkpoint,
        config,
        &tokenizer,
        &parts,
        &mut second,
        keep_on,
    );
    assert_eq!(pollster::block_on(two).expect("writes"), one);
    assert_eq!(first.finish(), second.finish());

    let json = json("llama3");
    let one = write_gguf(&checkpoint, &json, &memory, Hashed::default(), keep_on);
    let one = pollster::block_on(one).expect("writes");
    let two = write_gguf(&checkpoint, &json, &parts, Hashed::default(), keep_on);
    let two = pollster::block_on(two).expect("writes");
    assert_eq!(one.finish(), two.finish());
}

#[test]
fn a_bias_is_refused_by_gguf_and_kept_by_safetensors() {
    let model = smollm2();
    let source = source(model.tokenizer());
    let tokenizer = tokenizer("qwen3");
    let (_, _, mut vocabulary) = rows(&source, &tokenizer, "fvt", Aids::default());
    // A head of its own whose bias forbids a token.
    let mut bias = vec![0f32; vocabulary.input.len()];
    let space = tokenizer.encode(" Paris", false).expect("encodes");
    bias[space[0] as usize] = -100.0;
    vocabulary.output = Some(vocabulary.input.clone());
    vocabulary.bias = Some(bias);
    let grafted = pollster::block_on(graft(&model, &tokenizer, &vocabulary)).expect("grafts");
    let (text, _) = greedy(&grafted, PROMPTS[0], 8);
    assert!(!text.contains("Paris"), "{text}");

    let keep_on = |_, _| ControlFlow::Continue(());
    let checkpoint = checkpoint();
    let (json, config) = (json("qwen3"), grafted.decoder().config());
    let refused = write_gguf(&checkpoint, &json, &vocabulary, Vec::new(), keep_on);
    let error = pollster::block_on(refused).expect_err("has no place for it");
    assert_eq!(error.code(), "invalid-argument");

    let mut bytes = Vec::new();
    let written = write_safetensors(
        &checkpoint,
        config,
        &tokenizer,
        &vocabulary,
        &mut bytes,
        keep_on,
    );
    let files = pollster::block_on(written).expect("writes");
    let options = LoadOptions {
        tokenizer_json: Some(&json),
        tokenizer_config_json: Some(files.tokenizer_config.as_bytes()),
        config_json: Some(files.config.as_bytes()),
        context_length: None,
    };
    let again = loaded(bytes, options);
    assert!(again.info().has_chat_template);
    for prompt in PROMPTS {
        assert_eq!(greedy(&again, prompt, 16).0, greedy(&grafted, prompt, 16).0);
    }
}

#[test]
fn rows_of_another_tokenizer_are_refused() {
    let model = smollm2();
    let source = source(model.tokenizer());
    let (_, _, vocabulary) = rows(&source, &tokenizer("qwen3"), "zero", Aids::default());
    let keep_on = |_, _| ControlFlow::Continue(());
    let checkpoint = checkpoint();
    let json = json("llama3");
    let refused = write_gguf(&checkpoint, &json, &vocabulary, Vec::new(), keep_on);
    let error = pollster::block_on(refused).expect_err("does not belong");
    assert_eq!(error.code(), "tokenizer-mismatch");
    let stop = |_, _| ControlFlow::Break(());
    let json = self::json("qwen3");
    let stopped = write_gguf(&checkpoint, &json, &vocabulary, Vec::new(), stop);
    assert_eq!(
        pollster::block_on(stopped).expect_err("stops").code(),
        "aborted"
    );
    let error = pollster::block_on(graft(&model, &tokenizer("gemma3"), &vocabulary));
    assert_eq!(
        error.expect_err("too few rows").code(),
        "tokenizer-mismatch"
    );
}
