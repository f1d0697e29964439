//! From a method to the rows of a whole vocabulary.

use std::ops::ControlFlow;

use crate::rows::in_memory;
use crate::{
    BlockStore, Context, Head, Initialise, Origin, Rows, SourceModel, StoredRows, TransferError,
};

/// Rows of a new vocabulary, quantised.
#[derive(Debug)]
pub struct Vocabulary<B = Vec<u8>> {
    /// Of the embedding: `[vocab, hidden]`.
    pub input: StoredRows<B>,
    /// Of the head, `[vocab, hidden]`, where it is not the embedding.
    pub output: Option<StoredRows<B>>,
    /// Of the head, `[vocab]`, in nats.
    pub bias: Option<Vec<f32>>,
}

/// Rows for all tokens of the target, in memory: those that the model has are copied bit for bit, the
/// others come from `method` and are rounded to the storage type of the model's own, or Q8_0 where
/// that cannot be written.
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
    let progress = async |done, total| progress(done, total);
    transplant_into(context, method, in_memory, progress).await
}

/// As [`transplant`], with rows that go into what `store` makes for a number of bytes, batch by batch,
/// and a `progress` that may wait: in a browser, that is when it reads messages.
///
/// # Errors
/// As [`transplant`]; those of the store.
pub async fn transplant_into<B: BlockStore>(
    context: Context<'_>,
    method: &mut dyn Initialise,
    mut store: impl FnMut(usize) -> Result<B, TransferError>,
    mut progress: impl AsyncFnMut(usize, usize) -> ControlFlow<()>,
) -> Result<Vocabulary<B>, TransferError> {
    let Context {
        source,
        target,
        overlap,
    } = context;
    let size = target.len();
    let head = method.head();
    let own = head != Head::AsSource || !source.is_tied();
    let with_bias = head == Head::Own { bias: true };
    let mut all = Vocabulary::new(source, own, with_bias, size, &mut store)?;
    let room = method.batch().min(size);
    let mut batch = Vocabulary::new(source, own, with_bias, room, in_memory)?;
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
            let origin = overlap.origin(id);
            batch.push(context, origin, &made, at)?;
            at += usize::from(origin == Origin::New);
        }
        all.take(&mut batch)?;
        first = last;
    }
    let _ = progress(size, size).await;
    Ok(all)
}

impl<B: BlockStore> Vocabulary<B> {
    /// No rows yet, for `tokens` of them beside those of `source`.
    fn new(
        source: &SourceModel,
        own: bool,
        with_bias: bool,
        tokens: usize,
        mut store: impl FnMut(usize) -> Result<B, TransferError>,
    ) -> Result<Self, TransferError> {
        let mut rows = |of: &StoredRows| {
            StoredRows::kept_in(of.written_dtype(), of.columns(), tokens, &mut store)
        };
        Ok(Self {
            input: rows(source.input())?,
            output: own.then(|| rows(source.output())).transpose()?,
            bias: with_bias.then(|| Vec::with_capacity(tokens)),
        })
    }

    /// Takes over what `batch` holds, which is empty then.
    fn take(&mut self, batch: &mut Vocabulary) -> Result<(), TransferError> {
        self.input.append(&batch.input)?;
        batch.input.clear();
        if let (Some(all), Some(rows)) = (&mut self.output, &mut batch.output) {
            all.append(rows)?;
            rows.clear();
        }
        if let (Some(all), Some(bias)) = (&mut self.bias, &mut batch.bias) {
            all.append(bias);
        }
        Ok(())
    }
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
        if let Some(bias) = &mut self.bias {
            let new = made.bias.as_ref().and_then(|bias| bias.get(at).copied());
            bias.push(match origin {
                Origin::New => new.unwrap_or(0.0),
                _ => 0.0,
            });
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
