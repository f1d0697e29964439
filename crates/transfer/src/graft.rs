//! A loaded model under another vocabulary.

use lexigraft_decode::LanguageModel;
use lexigraft_models::MatrixBuilder;
use lexigraft_text::Tokenizer;

use crate::{StoredRows, TransferError, Vocabulary};

/// Blocks that go to the device at once.
const CHUNK_BYTES: usize = 1 << 20;

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
    let decoder = model.decoder();
    let hidden = decoder.config().hidden_size;
    if vocabulary.input.columns() != hidden {
        return Err(TransferError::Mismatch(format!(
            "the rows have {} elements, the model's {hidden}; they were made for another model",
            vocabulary.input.columns()
        )));
    }
    let embedding = pour(model, &vocabulary.input).await?.into_embedding()?;
    let head = match &vocabulary.output {
        Some(rows) => {
            let bias = vocabulary.bias.as_deref();
            Some(pour(model, rows).await?.into_linear(bias)?)
        }
        None => None,
    };
    let grafted = decoder.with_vocabulary(vocabulary.input.len(), embedding, head)?;
    Ok(model.graft(grafted, tokenizer.clone())?)
}

async fn pour(model: &LanguageModel, rows: &StoredRows) -> Result<MatrixBuilder, TransferError> {
    let decoder = model.decoder();
    let mut builder = MatrixBuilder::new(
        rows.dtype(),
        rows.len(),
        rows.columns(),
        decoder.resident_bytes(),
        decoder.device(),
    )
    .await?;
    let step = (CHUNK_BYTES / rows.row_bytes()).max(1) * rows.row_bytes();
    for chunk in rows.blocks().chunks(step) {
        builder.push(chunk)?;
    }
    Ok(builder)
}
