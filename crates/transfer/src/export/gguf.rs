//! GGUF: the original file with other tokens.

use std::io::Write;
use std::ops::ControlFlow;

use lexigraft_checkpoint::{
    Array, ByteSource, Checkpoint, Format, GgufWriter, NewTensor, TensorInfo, Value,
};
use lexigraft_text::GgufVocabulary;

use super::io_error;
use crate::{BlockStore, StoredRows, TransferError, Vocabulary};

const EMBEDDING: &str = "token_embd.weight";
const HEAD: &str = "output.weight";

/// Rows that are read at once.
const CHUNK_BYTES: usize = 1 << 20;

/// Copies `checkpoint` with the rows of `vocabulary` and the tokens of `tokenizer_json`; all other
/// tensors stay as they are stored. A chat template stays too.
///
/// `progress` gets bytes of tensors written and to be written, and may break.
///
/// # Errors
/// `invalid-argument` for a file of another format, or a head with a bias, which no runtime of this
/// format reads; `unsupported-tokenizer` as [`GgufVocabulary::from_json`]; `tokenizer-mismatch` for
/// rows of another tokenizer; `io`; `aborted`.
pub async fn write_gguf<S: ByteSource, B: BlockStore, W: Write>(
    checkpoint: &Checkpoint<S>,
    tokenizer_json: &[u8],
    vocabulary: &Vocabulary<B>,
    out: W,
    mut progress: impl FnMut(u64, u64) -> ControlFlow<()>,
) -> Result<W, TransferError> {
    if !matches!(checkpoint.format(), Format::Gguf { .. }) {
        return Err(TransferError::InvalidArgument(
            "only a model that was loaded from GGUF can be written as GGUF; write safetensors"
                .to_owned(),
        ));
    }
    if vocabulary.bias.is_some() {
        return Err(TransferError::InvalidArgument(
            "GGUF has no place for the bias of this method's head; write safetensors, or take a \
             method without +first-piece"
                .to_owned(),
        ));
    }
    let tokens = GgufVocabulary::from_json(tokenizer_json)?;
    if tokens.tokens.len() != vocabulary.input.len() {
        return Err(TransferError::Mismatch(format!(
            "the tokenizer has {} tokens and there are {} rows; they do not belong together",
            tokens.tokens.len(),
            vocabulary.input.len()
        )));
    }
    let pairs = metadata(checkpoint, tokens);
    let parts = parts(checkpoint, vocabulary);
    let tensors: Vec<NewTensor> = parts.iter().map(Part::description).collect();
    let total: u64 = tensors
        .iter()
        .filter_map(|tensor| tensor.bytes().ok())
        .sum();
    let pairs = pairs.iter().map(|(key, value)| (key.as_str(), value));
    let mut writer = GgufWriter::new(out, pairs, &tensors).map_err(io_error)?;
    let mut done = 0u64;
    let mut put = |bytes: &[u8]| -> Result<(), TransferError> {
        writer.write(bytes).map_err(io_error)?;
        done += bytes.len() as u64;
        match progress(done, total) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(TransferError::Aborted),
        }
    };
    for part in &parts {
        match part {
            Part::Rows(_, rows) => {
                let mut first = 0;
                while first < rows.len() {
                    let chunk = rows.chunk(first, CHUNK_BYTES).await?;
                    put(&chunk)?;
                    first += chunk.len() / rows.row_bytes();
                }
            }
            Part::Kept(info) => {
                let mut result = Ok(());
                let read = checkpoint.read_chunks(info, |chunk| {
                    result = put(chunk);
                    match result {
                        Ok(()) => ControlFlow::Continue(()),
                        Err(_) => ControlFlow::Break(()),
                    }
                });
                let read = read.await;
                result?;
                read?;
            }
        }
    }
    writer.finish().map_err(io_error)
}

/// A tensor of the new file.
enum Part<'a, B> {
    Kept(&'a TensorInfo),
    Rows(&'static str, &'a StoredRows<B>),
}

impl<B: BlockStore> Part<'_, B> {
    fn description(&self) -> NewTensor {
        match self {
            Self::Kept(info) => NewTensor {
                name: info.name.clone(),
                shape: info.shape.clone(),
                dtype: info.dtype,
            },
            Self::Rows(name, rows) => NewTensor {
                name: (*name).to_owned(),
                shape: vec![rows.len(), rows.columns()],
                dtype: rows.dtype(),
            },
        }
    }
}

/// The tensors in the order of the file.
fn parts<'a, S: ByteSource, B: BlockStore>(
    checkpoint: &'a Checkpoint<S>,
    vocabulary: &'a Vocabulary<B>,
) -> Vec<Part<'a, B>> {
    let head = vocabulary.output.as_ref();
    let mut parts: Vec<Part<'a, B>> = checkpoint
        .tensors()
        .filter_map(|info| match info.name.as_str() {
            EMBEDDING => Some(Part::Rows(EMBEDDING, &vocabulary.input)),
            HEAD => head.map(|head| Part::Rows(HEAD, head)),
            _ => Some(Part::Kept(info)),
        })
        .collect();
    if let (Some(head), None) = (head, checkpoint.get(HEAD)) {
        parts.push(Part::Rows(HEAD, head));
    }
    parts
}

/// Everything that the file says of itself but its tokens, then the new ones.
fn metadata<S: ByteSource>(
    checkpoint: &Checkpoint<S>,
    tokens: GgufVocabulary,
) -> Vec<(String, Value)> {
    let size = tokens.tokens.len() as u64;
    let kept = checkpoint.metadata().iter();
    let kept = kept.filter(|(key, _)| !key.starts_with("tokenizer.ggml."));
    let mut pairs: Vec<(String, Value)> = kept
        .map(|(key, value)| match key.ends_with(".vocab_size") {
            true => (key.to_owned(), Value::U64(size)),
            false => (key.to_owned(), value.clone()),
        })
        .collect();
    let mut add = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            pairs.push((format!("tokenizer.ggml.{key}"), value));
        }
    };
    let number = |id: Option<u32>| id.map(|id| Value::U64(u64::from(id)));
    add("model", Some(Value::Str(tokens.model)));
    add("pre", tokens.pre.map(Value::Str));
    add("tokens", Some(Value::Array(Array::Str(tokens.tokens))));
    let types = tokens.token_types;
    let types = types.map(|types| types.iter().map(|kind| *kind as i32).collect());
    add(
        "token_type",
        types.map(|types| Value::Array(Array::I32(types))),
    );
    add(
        "scores",
        tokens.scores.map(|scores| Value::Array(Array::F32(scores))),
    );
    add(
        "merges",
        tokens.merges.map(|merges| Value::Array(Array::Str(merges))),
    );
    add("bos_token_id", number(tokens.bos));
    add("eos_token_id", number(tokens.eos));
    add("unknown_token_id", number(tokens.unk));
    add("padding_token_id", number(tokens.pad));
    add("add_bos_token", tokens.add_bos.map(Value::Bool));
    add("add_eos_token", tokens.add_eos.map(Value::Bool));
    add("add_space_prefix", tokens.add_space_prefix.map(Value::Bool));
    pairs
}
