//! From a method to the rows of a whole vocabulary.

use std::ops::ControlFlow;

use crate::{Context, Head, Initialise, Origin, Rows, StoredRows, TransferError};

/// Rows of a new vocabulary, quantised.
#[derive(Debug)]
pub struct Vocabulary {
    /// Of the embedding: `[vocab, hidden]`.
    pub input: StoredRows,
    /// Of the head, `[vocab, hidden]`, where it is not the embedding.
    pub output: Option<StoredRows>,
    /// Of the head, `[vocab]`, in nats.
    pub bias: Option<Vec<f32>>,
}

/// Rows for all tokens of the target: those that the model has are copied bit for bit, the others
/// come from `method` and are rounded to the storage type of the model's own, or Q8_0 where that
/// cannot be written.
///
/// Batches of [`Initialise::batch`], so that a vocabulary is never in `f32` as a whole; `progress` gets tokens done
/// and all tokens before each and at the end, and may break.
///
/// # Errors
/// Those of the method; `aborted` when `progress` breaks; `out-of-memory`.
pub async fn transplant(
    context: Context<'_>,
    method: &mut dyn Initialise,
    mut progress: impl FnMut(usize, usize) -> ControlFlow<()>,
) -> Result<Vocabulary, TransferError> {
    transplant_with(context, method, async |done, total| progress(done, total)).await
}

/// As [`transplant`], with a `progress` that may wait: in a browser, that is when it reads messages.
///
/// # Errors
/// As [`transplant`].
pub async fn transplant_with(
    context: Context<'_>,
    method: &mut dyn Initialise,
    mut progress: impl AsyncFnMut(usize, usize) -> ControlFlow<()>,
) -> Result<Vocabulary, TransferError> {
    let Context {
        source,
        target,
        overlap,
    } = context;
    let (own, with_bias) = match method.head() {
        Head::AsSource => (!source.is_tied(), false),
        Head::Own { bias } => (true, bias),
    };
    let size = target.len();
    let rows = |of: &StoredRows| StoredRows::new(of.written_dtype(), of.columns(), size);
    let mut vocabulary = Vocabulary {
        input: rows(source.input())?,
        output: own.then(|| rows(source.output())).transpose()?,
        bias: with_bias.then(|| Vec::with_capacity(size)),
    };
    let mut first = 0;
    while first < size {
        if progress(first, size).await.is_break() {
            return Err(TransferError::Aborted);
        }
        let last = size.min(first + method.batch());
        let ids = first as u32..last as u32;
        let is_new = |id: &u32| overlap.origin(*id) == Origin::New;
        let new: Vec<u32> = ids.clone().filter(is_new).collect();
        let made = if new.is_empty() {
            Rows::default()
        } else {
            method.rows(&new).await?
        };
        check(&made, new.len(), source.hidden(), own, with_bias)?;
        let mut at = 0;
        for id in ids {
            vocabulary.push(context, overlap.origin(id), &made, at)?;
            if let Some(bias) = &mut vocabulary.bias {
                let new = made.bias.as_ref().and_then(|bias| bias.get(at).copied());
                bias.push(match overlap.origin(id) {
                    Origin::New => new.unwrap_or(0.0),
                    _ => 0.0,
                });
            }
            at += usize::from(overlap.origin(id) == Origin::New);
        }
        first = last;
    }
    let _ = progress(size, size).await;
    Ok(vocabulary)
}

impl Vocabulary {
    /// Appends one token: `at` is its place in `made`, where it is new.
    fn push(
        &mut self,
        context: Context<'_>,
        origin: Origin,
        made: &Rows,
        at: usize,
    ) -> Result<(), TransferError> {
        let source = context.source;
        let place = at * source.hidden()..(at + 1) * source.hidden();
        let part = |values: &[f32]| values.get(place.clone()).map(<[f32]>::to_vec);
        match origin {
            Origin::Shared(id) | Origin::Special(id) => {
                self.input.push_row(source.input(), id)?;
                if let Some(output) = &mut self.output {
                    output.push_row(source.output(), id)?;
                }
            }
            Origin::Unused => {
                self.input.push_values(source.mean())?;
                if let Some(output) = &mut self.output {
                    output.push_values(source.output_mean())?;
                }
            }
            Origin::New => {
                self.input
                    .push_values(&part(&made.input).unwrap_or_default())?;
                if let (Some(output), Some(rows)) = (&mut self.output, &made.output) {
                    output.push_values(&part(rows).unwrap_or_default())?;
                }
            }
        }
        Ok(())
    }
}

/// Refuses rows that a method did not make as it said.
fn check(
    made: &Rows,
    tokens: usize,
    hidden: usize,
    own: bool,
    with_bias: bool,
) -> Result<(), TransferError> {
    let expected = tokens * hidden;
    let output = made.output.as_ref().map_or(0, Vec::len);
    let bias = made.bias.as_ref().map_or(0, Vec::len);
    if made.input.len() == expected
        && output == if own { expected } else { 0 }
        && bias == if with_bias { tokens } else { 0 }
    {
        return Ok(());
    }
    Err(TransferError::Mismatch(format!(
        "the method made {} values of the embedding, {output} of the head and a bias of {bias} for \
         {tokens} tokens of {hidden}; it was made for another model",
        made.input.len()
    )))
}
