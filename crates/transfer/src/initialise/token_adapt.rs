//! TokenAdapt (arXiv 2505.09738): the pieces of a token and its neighbours, weighed by a text
//! embedder.

use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;

use super::{Context, Initialise, RowsFuture, Weights, sums};
use crate::TransferError;
use crate::vectors::{Cosines, UnitVectors, largest, softmax};

/// Strings that are embedded at once.
const TOGETHER: usize = 256;

/// What [`TextVectors::embed`] returns.
pub type VectorsFuture<'a> =
    Pin<Box<dyn Future<Output = Result<Vec<Vec<f32>>, TransferError>> + 'a>>;

/// What embeds texts as vectors.
pub trait TextVectors {
    /// A vector of each text; the length is that of every other one.
    fn embed<'a>(&'a self, texts: &'a [String]) -> VectorsFuture<'a>;
}

impl TextVectors for lexigraft_decode::TextEncoder {
    fn embed<'a>(&'a self, texts: &'a [String]) -> VectorsFuture<'a> {
        Box::pin(async move { Ok(lexigraft_decode::TextEncoder::embed(self, texts).await?) })
    }
}

/// The paper's settings.
#[derive(Debug, Clone, Copy)]
pub struct TokenAdaptOptions {
    /// Of both softmaxes.
    pub temperature: f32,
    /// Tokens of the whole vocabulary in the global part.
    pub neighbours: usize,
    /// Share of the global part.
    pub global: f32,
    /// Neighbours less alike than this are left out, unless none is left. Ours: the paper gives no
    /// number.
    pub least: f32,
}

impl Default for TokenAdaptOptions {
    fn default() -> Self {
        Self {
            temperature: 0.3,
            neighbours: 3,
            global: 0.3,
            least: 0.5,
        }
    }
}

/// With `phi` an embedder of texts, pieces `p_i` of the token `t`, and `E` the model's rows:
///
/// ```text
/// c_i = (softmax_i(cos(phi(t), phi(p_i))) + |p_i| / |t|) / 2,  local  = sum softmax_i(c / tau) E_i
/// global = sum over the k nearest tokens of softmax(cos / tau) E,  row = (1 - w) local + w global
/// ```
///
/// The paper's embedder is a large text model; here it is whatever encoder is given, in this
/// project's own tables all-MiniLM-L6-v2.
pub struct TokenAdapt<'c> {
    context: Context<'c>,
    encoder: &'c dyn TextVectors,
    /// Of the source's tokens, by id.
    source: Cosines,
    options: TokenAdaptOptions,
}

impl<'c> TokenAdapt<'c> {
    /// Embeds the source's tokens; `progress` gets tokens done and all of them.
    ///
    /// # Errors
    /// Those of the encoder; `aborted`.
    pub async fn new(
        context: Context<'c>,
        encoder: &'c dyn TextVectors,
        options: TokenAdaptOptions,
        mut progress: impl FnMut(usize, usize) -> ControlFlow<()>,
    ) -> Result<Self, TransferError> {
        let tokens = context.source.tokens();
        let mut columns = 1;
        let mut vectors: Vec<Vec<f32>> = vec![Vec::new(); tokens.len()];
        let ids: Vec<u32> = (0..tokens.len() as u32).collect();
        for (done, ids) in ids.chunks(TOGETHER).enumerate() {
            if progress(done * TOGETHER, tokens.len()).is_break() {
                return Err(TransferError::Aborted);
            }
            let text = |id: &u32| match tokens.bytes(*id) {
                Some(bytes) if !tokens.is_special(*id) => Some((*id, lossy(bytes))),
                _ => None,
            };
            let (ids, texts): (Vec<u32>, Vec<String>) = ids.iter().filter_map(text).unzip();
            for (id, vector) in ids.into_iter().zip(encoder.embed(&texts).await?) {
                columns = vector.len();
                if let Some(slot) = vectors.get_mut(id as usize) {
                    *slot = vector;
                }
            }
        }
        let mut values = Vec::with_capacity(vectors.len() * columns);
        for mut vector in vectors {
            vector.resize(columns, 0.0);
            values.extend(vector);
        }
        Ok(Self {
            context,
            encoder,
            source: Cosines::new(UnitVectors::new(values, columns)),
            options,
        })
    }

    /// The weights of a token, from its cosines with the source's tokens.
    fn weights(&self, bytes: &[u8], cosines: &[f32]) -> Weights {
        let options = self.options;
        let source = self.context.source;
        let pieces = source.pieces(bytes);
        let cosine = |id: &u32| cosines.get(*id as usize).copied().unwrap_or(0.0);
        let similar = softmax(&pieces.iter().map(cosine).collect::<Vec<f32>>(), 1.0);
        let length = |id: &u32| source.tokens().bytes(*id).map_or(0, <[u8]>::len) as f32;
        let shares = pieces
            .iter()
            .map(|id| length(id) / bytes.len().max(1) as f32);
        let both: Vec<f32> = similar
            .iter()
            .zip(shares)
            .map(|(a, b)| (a + b) / 2.0)
            .collect();
        let local = softmax(&both, options.temperature);
        let mut nearest = largest(cosines, options.neighbours);
        let alike = nearest
            .iter()
            .filter(|(_, cosine)| *cosine >= options.least)
            .count();
        nearest.truncate(alike.max(1));
        let cosines: Vec<f32> = nearest.iter().map(|(_, cosine)| *cosine).collect();
        let global = softmax(&cosines, options.temperature);
        // Without pieces there is no local part.
        let share = if pieces.is_empty() {
            1.0
        } else {
            options.global
        };
        let local = pieces
            .into_iter()
            .zip(local)
            .map(|(id, weight)| (id, weight * (1.0 - share)));
        let global = nearest
            .iter()
            .zip(global)
            .map(|((id, _), weight)| (*id as u32, weight * share));
        local.chain(global).collect()
    }
}

/// A token as an encoder reads it.
fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Initialise for TokenAdapt<'_> {
    fn name(&self) -> &'static str {
        "token-adapt"
    }

    fn batch(&self) -> usize {
        TOGETHER
    }

    fn rows<'a>(&'a mut self, ids: &'a [u32]) -> RowsFuture<'a> {
        Box::pin(async move {
            let texts = ids.iter().map(|id| Ok(lossy(self.context.bytes(*id)?)));
            let texts = texts.collect::<Result<Vec<String>, TransferError>>()?;
            let vectors = self.encoder.embed(&texts).await?;
            let columns = vectors.first().map_or(1, Vec::len);
            let queries = UnitVectors::new(vectors.concat(), columns);
            let places: Vec<u32> = (0..ids.len() as u32).collect();
            let weights = self.source.for_each(&queries, &places, |place, cosines| {
                let id = ids.get(place as usize).copied().unwrap_or(u32::MAX);
                Ok(self.weights(self.context.bytes(id)?, cosines))
            });
            sums(self.context, &weights?)
        })
    }
}
