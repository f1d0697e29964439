//! Rows from a trained hypernetwork.

use lexigraft_models::decoder::Decoder;
use lexigraft_models::hypernetwork::{Hypernetwork, MAX_PIECES, fingerprint};

use crate::initialise::RowsFuture;
use crate::{Context, Head, Initialise, Rows, SourceModel, TransferError};

/// Input and output rows as the hypernetwork predicts them from the source's pieces of a token.
///
/// Of more than [`MAX_PIECES`] pieces the first ones are looked at. A token of one piece, beside
/// bytes that the source has no token for, gets that piece's row, and one without a piece the mean
/// row. The head has rows of its own.
#[derive(Debug)]
pub struct Predicted<'c> {
    context: Context<'c>,
    predictor: Predictor<'c>,
}

/// A hypernetwork beside the model that it makes rows for.
#[derive(Debug, Clone, Copy)]
pub struct Predictor<'c> {
    source: &'c SourceModel,
    network: &'c Hypernetwork,
    decoder: &'c Decoder,
}

/// Tokens that one pass of the network takes.
const BATCH: usize = 256;

impl<'c> Predicted<'c> {
    /// `network` must have been made for the rows of the source, and loaded for `decoder`, the
    /// source itself.
    ///
    /// # Errors
    /// `wrong-base-model`.
    pub fn new(
        context: Context<'c>,
        network: &'c Hypernetwork,
        decoder: &'c Decoder,
    ) -> Result<Self, TransferError> {
        Ok(Self {
            context,
            predictor: Predictor::new(context.source, network, decoder)?,
        })
    }

    async fn predict(&self, ids: &[u32]) -> Result<Rows, TransferError> {
        let tokens: Result<Vec<&[u8]>, _> = ids.iter().map(|id| self.context.bytes(*id)).collect();
        self.predictor.rows(&tokens?).await
    }
}

impl<'c> Predictor<'c> {
    /// As [`Predicted::new`].
    ///
    /// # Errors
    /// `wrong-base-model`.
    pub fn new(
        source: &'c SourceModel,
        network: &'c Hypernetwork,
        decoder: &'c Decoder,
    ) -> Result<Self, TransferError> {
        network
            .config()
            .check_base(&fingerprint(source.input().blocks()))?;
        if network.config().hidden != source.hidden() {
            return Err(TransferError::Mismatch(format!(
                "the hypernetwork makes rows of {} elements, and the model's have {}",
                network.config().hidden,
                source.hidden()
            )));
        }
        Ok(Self {
            source,
            network,
            decoder,
        })
    }

    /// Rows of tokens of these bytes, as [`Predicted`] has them.
    ///
    /// # Errors
    /// What the model says.
    pub async fn rows(&self, tokens: &[&[u8]]) -> Result<Rows, TransferError> {
        let source = self.source;
        let hidden = source.hidden();
        let mut input = vec![0f32; tokens.len() * hidden];
        let mut output = input.clone();
        let mut places = Vec::new();
        let mut taken_apart = Vec::new();
        let slots = input
            .chunks_exact_mut(hidden)
            .zip(output.chunks_exact_mut(hidden));
        for (place, (bytes, (input, output))) in tokens.iter().zip(slots).enumerate() {
            let mut pieces = source.pieces(bytes);
            match pieces.as_slice() {
                [] => {
                    input.copy_from_slice(source.mean());
                    output.copy_from_slice(source.output_mean());
                }
                [piece] => {
                    source.input().row_into(*piece, input)?;
                    source.output().row_into(*piece, output)?;
                }
                _ => {
                    pieces.truncate(MAX_PIECES);
                    places.push(place);
                    taken_apart.push(pieces);
                }
            }
        }
        for (places, tokens) in places.chunks(BATCH).zip(taken_apart.chunks(BATCH)) {
            let rows = source.input().gather(&tokens.concat())?;
            let made = self.network.rows(self.decoder, tokens, &rows).await?;
            put(places, &made.input, hidden, &mut input);
            put(places, &made.output, hidden, &mut output);
        }
        Ok(Rows {
            input,
            output: Some(output),
            bias: None,
        })
    }
}

/// Puts rows where their tokens are.
fn put(places: &[usize], rows: &[f32], hidden: usize, out: &mut [f32]) {
    for (at, row) in places.iter().zip(rows.chunks_exact(hidden)) {
        if let Some(slot) = out.get_mut(at * hidden..(at + 1) * hidden) {
            slot.copy_from_slice(row);
        }
    }
}

impl Initialise for Predicted<'_> {
    fn name(&self) -> &'static str {
        "hypernetwork"
    }

    fn head(&self) -> Head {
        Head::Own { bias: false }
    }

    /// A browser's one thread takes a quarter of a second for them, after which a graft can report
    /// and be stopped.
    fn batch(&self) -> usize {
        BATCH
    }

    fn rows<'a>(&'a mut self, ids: &'a [u32]) -> RowsFuture<'a> {
        Box::pin(self.predict(ids))
    }
}
