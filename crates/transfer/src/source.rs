//! The model whose rows are transplanted, from the side of its vocabulary.

use std::ops::ControlFlow;

use lexigraft_checkpoint::{ByteSource, Checkpoint};
use lexigraft_text::{ByteDecomposer, Tokenizer};

use crate::{StoredRows, TokenTable, TransferError};

/// What the files call the rows of tokens: GGUF, then Hugging Face.
const EMBEDDINGS: [&str; 2] = ["token_embd.weight", "model.embed_tokens.weight"];
const HEADS: [&str; 2] = ["output.weight", "lm_head.weight"];

/// Tokens and rows of a model; its layers are not here.
#[derive(Debug)]
pub struct SourceModel {
    tokens: TokenTable,
    decomposer: ByteDecomposer,
    input: StoredRows,
    output: Option<StoredRows>,
    mean: Vec<f32>,
    output_mean: Option<Vec<f32>>,
}

impl SourceModel {
    /// Reads the embedding, and the head where there is one, as they are stored.
    ///
    /// `tied` says that the embedding is the head even if the file holds one, as
    /// [`DecoderConfig::tied_embeddings`](lexigraft_models::decoder::DecoderConfig) has it.
    ///
    /// # Errors
    /// `missing-tensor`, `unsupported-type`, `unsupported-tokenizer`; `tokenizer-mismatch` when
    /// there are fewer rows than tokens; `aborted` when `progress`, which gets bytes read and bytes
    /// to read, breaks.
    pub async fn read<S: ByteSource>(
        checkpoint: &Checkpoint<S>,
        tokenizer: &Tokenizer,
        tied: bool,
        mut progress: impl FnMut(u64, u64) -> ControlFlow<()>,
    ) -> Result<Self, TransferError> {
        let [gguf, hugging_face] = EMBEDDINGS;
        let embedding = if checkpoint.get(gguf).is_some() {
            gguf
        } else {
            hugging_face
        };
        let head = HEADS
            .into_iter()
            .find(|name| checkpoint.get(name).is_some());
        let head = head.filter(|_| !tied);
        let bytes = |name: &str| checkpoint.get(name).map_or(0, |info| info.bytes());
        let total = bytes(embedding) + head.map_or(0, bytes);
        let mut done = 0;
        let mut on_bytes = |bytes| {
            done += bytes;
            progress(done, total)
        };
        let input = StoredRows::read(checkpoint, embedding, &mut on_bytes).await?;
        let output = match head {
            Some(name) => Some(StoredRows::read(checkpoint, name, &mut on_bytes).await?),
            None => None,
        };
        Self::new(tokenizer, input, output)
    }

    /// From rows in memory; `output` where the head is not the embedding.
    ///
    /// # Errors
    /// `tokenizer-mismatch` when there are fewer rows than tokens or the two matrices differ in
    /// shape; `unsupported-tokenizer`.
    pub fn new(
        tokenizer: &Tokenizer,
        input: StoredRows,
        output: Option<StoredRows>,
    ) -> Result<Self, TransferError> {
        let tokens = TokenTable::new(tokenizer)?;
        if input.len() < tokens.len() {
            return Err(TransferError::Mismatch(format!(
                "the tokenizer has {} tokens, but the embedding {} rows; they do not belong \
                 together",
                tokens.len(),
                input.len()
            )));
        }
        if let Some(output) = &output
            && (output.len(), output.columns()) != (input.len(), input.columns())
        {
            return Err(TransferError::Mismatch(format!(
                "the head is {} x {}, the embedding {} x {}; they do not belong together",
                output.len(),
                output.columns(),
                input.len(),
                input.columns()
            )));
        }
        Ok(Self {
            decomposer: ByteDecomposer::new(tokenizer)?,
            mean: input.mean()?,
            output_mean: output.as_ref().map(StoredRows::mean).transpose()?,
            tokens,
            input,
            output,
        })
    }

    /// The tokens as bytes.
    pub fn tokens(&self) -> &TokenTable {
        &self.tokens
    }

    /// Elements of a row.
    pub fn hidden(&self) -> usize {
        self.input.columns()
    }

    /// Whether the embedding is the head too.
    pub fn is_tied(&self) -> bool {
        self.output.is_none()
    }

    /// Rows of the embedding `[vocab, hidden]`, as stored.
    pub fn input(&self) -> &StoredRows {
        &self.input
    }

    /// Rows of the head `[vocab, hidden]`, as stored: the embedding's where it is tied.
    pub fn output(&self) -> &StoredRows {
        self.output.as_ref().unwrap_or(&self.input)
    }

    /// The mean of all rows of the embedding: `[hidden]`.
    pub fn mean(&self) -> &[f32] {
        &self.mean
    }

    /// The mean of all rows of the head: `[hidden]`.
    pub fn output_mean(&self) -> &[f32] {
        self.output_mean.as_deref().unwrap_or(&self.mean)
    }

    /// The pieces of any bytes by the model's own merges, without its pre-tokenizer. A byte that no
    /// token stands for is [`vocab_size`](ByteDecomposer::vocab_size) plus the byte, and has no
    /// row.
    pub fn decompose(&self, bytes: &[u8]) -> Vec<u32> {
        self.decomposer.decompose(bytes)
    }

    /// The same without the bytes that have no row; may be empty.
    pub fn pieces(&self, bytes: &[u8]) -> Vec<u32> {
        let mut pieces = self.decompose(bytes);
        pieces.retain(|id| *id < self.decomposer.vocab_size());
        pieces
    }

    /// One past the greatest id of a token.
    pub fn vocab_size(&self) -> u32 {
        self.decomposer.vocab_size()
    }
}
