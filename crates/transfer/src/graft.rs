//! A loaded model under another vocabulary.

use std::ops::ControlFlow;

use lexigraft_decode::LanguageModel;
use lexigraft_models::{DeviceKind, MatrixBuilder};
use lexigraft_text::Tokenizer;

use crate::{BlockStore, Method, SourceModel, StoredRows, TransferError, Vocabulary};

/// Blocks that go to the device at once.
const CHUNK_BYTES: usize = 1 << 20;

/// Refuses a vocabulary of `tokens` that the device cannot hold beside the model, before `method`
/// makes any row.
///
/// # Errors
/// `out-of-memory`.
pub fn check_room(
    model: &LanguageModel,
    source: &SourceModel,
    tokens: usize,
    method: Method,
) -> Result<(), TransferError> {
    let bytes = |rows: &StoredRows| {
        let row = rows.written_dtype().bytes_for(rows.columns() as u64);
        row.map_or(u64::MAX, |row| row.saturating_mul(tokens as u64))
    };
    let input = bytes(source.input());
    let output = if method.unties() || !source.is_tied() {
        bytes(source.output())
    } else {
        0
    };
    let decoder = model.decoder();
    // The wgpu device cuts a large matrix into pieces that it can bind.
    let largest = match decoder.device().kind() {
        DeviceKind::Cpu => input,
        DeviceKind::Wgpu => 0,
    };
    let rows = input.saturating_add(output);
    let total = rows.saturating_add(decoder.resident_bytes());
    let what = "the rows of the new vocabulary";
    decoder.device().check_budget(what, largest, total)?;
    Ok(decoder.device().check_room(what, largest, rows, 0)?)
}

/// Puts `vocabulary` under the layers of `model`: a second model that shares them, whose cache is
/// empty. Rows stay quantised as they are.
///
/// # Errors
/// `out-of-memory` for a vocabulary that the device cannot hold beside the model;
/// `tokenizer-mismatch` when the tokenizer has more tokens than there are rows, or the rows are not
/// as long as the model's.
pub async fn graft(
    model: &LanguageModel,
    tokenizer: &Tokenizer,
    vocabulary: &Vocabulary,
) -> Result<LanguageModel, TransferError> {
    let keep_on = async |_, _| ControlFlow::Continue(());
    graft_with(model, tokenizer, vocabulary, keep_on).await
}

/// As [`graft`]; `progress` gets bytes of rows that are on the device and all bytes, may wait, and
/// may break.
///
/// # Errors
/// As [`graft`]; `aborted`.
pub async fn graft_with<B: BlockStore>(
    model: &LanguageModel,
    tokenizer: &Tokenizer,
    vocabulary: &Vocabulary<B>,
    mut progress: impl AsyncFnMut(usize, usize) -> ControlFlow<()>,
) -> Result<LanguageModel, TransferError> {
    let decoder = model.decoder();
    let hidden = decoder.config().hidden_size;
    if vocabulary.input.columns() != hidden {
        return Err(TransferError::Mismatch(format!(
            "the rows have {} elements, the model's {hidden}; they were made for another model",
            vocabulary.input.columns()
        )));
    }
    let first = vocabulary.input.bytes();
    let total = first + vocabulary.output.as_ref().map_or(0, StoredRows::bytes);
    let embedding = pour(model, &vocabulary.input, async |done| {
        progress(done, total).await
    });
    let embedding = embedding.await?.into_embedding()?;
    let head = match &vocabulary.output {
        Some(rows) => {
            let bias = vocabulary.bias.as_deref();
            let head = pour(model, rows, async |done| {
                progress(first + done, total).await
            });
            Some(head.await?.into_linear(bias)?)
        }
        None => None,
    };
    let grafted = decoder.with_vocabulary(vocabulary.input.len(), embedding, head)?;
    Ok(model.graft(grafted, tokenizer.clone())?)
}

/// Puts rows on the device; `progress` gets the bytes that are there.
async fn pour<B: BlockStore>(
    model: &LanguageModel,
    rows: &StoredRows<B>,
    mut progress: impl AsyncFnMut(usize) -> ControlFlow<()>,
) -> Result<MatrixBuilder, TransferError> {
    let decoder = model.decoder();
    let mut builder = MatrixBuilder::new(
        rows.dtype(),
        rows.len(),
        rows.columns(),
        decoder.resident_bytes(),
        decoder.device(),
    )
    .await?;
    let mut done = 0;
    while done < rows.bytes() {
        let chunk = rows.chunk(done / rows.row_bytes(), CHUNK_BYTES).await?;
        builder.push(&chunk)?;
        done += chunk.len();
        if progress(done).await.is_break() {
            return Err(TransferError::Aborted);
        }
    }
    Ok(builder)
}
