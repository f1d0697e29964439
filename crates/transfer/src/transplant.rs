//! From a method to the rows of a whole vocabulary.

use std::ops::ControlFlow;

use crate::rows::in_memory;
use crate::{
    BlockStore, Context, Head, Initialise, Origin, Rows, SourceModel, StoredRows, TransferError,
};

/// Bytes of embedding rows, as stored, within which new tokens are put in order.
const WINDOW_BYTES: usize = 4 << 20;

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
/// Rows are made in batches of [`Initialise::batch`], so that a vocabulary is never in `f32` as a
/// whole; `progress` gets tokens done and all tokens before each and at the end, and may break.
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
/// Within a few thousand ids, new tokens are made in the order of their bytes: neighbours then begin
/// with the same pieces, which spares a hypernetwork a third of the places that it runs.
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
    let window = (WINDOW_BYTES / all.input.row_bytes()).max(room).min(size);
    let mut made = Vocabulary::new(source, own, with_bias, window, in_memory)?;
    let mut batch = Vocabulary::new(source, own, with_bias, room, in_memory)?;
    let mut places = vec![0; window];
    let mut first = 0;
    while first < size {
        let ids = first..size.min(first + window);
        let is_new = |id: &u32| overlap.origin(*id) == Origin::New;
        let mut new: Vec<u32> = (ids.start as u32..ids.end as u32).filter(is_new).collect();
        new.sort_by_cached_key(|id| target.bytes(*id));
        for (at, id) in new.iter().enumerate() {
            if let Some(place) = places.get_mut(*id as usize - first) {
                *place = at as u32;
            }
        }
        if new.is_empty() && progress(first, size).await.is_break() {
            return Err(TransferError::Aborted);
        }
        for (done, new) in new.chunks(room).enumerate() {
            if progress(first + done * room, size).await.is_break() {
                return Err(TransferError::Aborted);
            }
            let rows = method.rows(new).await?;
            check(&rows, new.len(), source.hidden(), own, with_bias)?;
            made.push_made(&rows)?;
        }
        for (id, place) in ids.clone().zip(&places) {
            let id = id as u32;
            batch.push(context, overlap.origin(id), &made, *place)?;
            if batch.input.len() == room {
                all.take(&mut batch)?;
            }
        }
        all.take(&mut batch)?;
        made.clear();
        first = ids.end;
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
        if let (Some(all), Some(rows)) = (&mut self.output, &batch.output) {
            all.append(rows)?;
        }
        if let (Some(all), Some(bias)) = (&mut self.bias, &mut batch.bias) {
            all.append(bias);
        }
        batch.clear();
        Ok(())
    }
}

impl Vocabulary {
    /// Forgets all rows and keeps the room for them.
    fn clear(&mut self) {
        self.input.clear();
        if let Some(output) = &mut self.output {
            output.clear();
        }
        if let Some(bias) = &mut self.bias {
            bias.clear();
        }
    }

    /// Appends rows as a method made them.
    fn push_made(&mut self, rows: &Rows) -> Result<(), TransferError> {
        self.input.push_values(&rows.input)?;
        if let (Some(output), Some(rows)) = (&mut self.output, &rows.output) {
            output.push_values(rows)?;
        }
        if let (Some(all), Some(bias)) = (&mut self.bias, &rows.bias) {
            all.extend_from_slice(bias);
        }
        Ok(())
    }

    /// Appends one token: `at` is its place in `made`, where it is new.
    fn push(
        &mut self,
        context: Context<'_>,
        origin: Origin,
        made: &Self,
        at: u32,
    ) -> Result<(), TransferError> {
        let source = context.source;
        let (input, output) = (&mut self.input, &mut self.output);
        match origin {
            Origin::Shared(id) | Origin::Special(id) => {
                input.push_row(source.input(), id)?;
                if let Some(output) = output {
                    output.push_row(source.output(), id)?;
                }
            }
            Origin::Unused => {
                input.push_values(source.mean())?;
                if let Some(output) = output {
                    output.push_values(source.output_mean())?;
                }
            }
            Origin::New => {
                input.push_row(&made.input, at)?;
                if let (Some(output), Some(rows)) = (output, &made.output) {
                    output.push_row(rows, at)?;
                }
            }
        }
        if let Some(bias) = &mut self.bias {
            let new = made.bias.as_ref().and_then(|bias| bias.get(at as usize));
            bias.push(match origin {
                Origin::New => new.copied().unwrap_or(0.0),
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
