//! The mean row (Hewitt 2021, "Initializing New Word Embeddings for Pretrained Language Models").

use super::{Combination, Context, Weights};
use crate::TransferError;

/// Every new row is the mean of the model's rows.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mean;

impl Combination for Mean {
    fn name(&self) -> &'static str {
        "mean"
    }

    fn weights(
        &mut self,
        context: Context<'_>,
        ids: &[u32],
    ) -> Result<Vec<Weights>, TransferError> {
        let none = |id: &u32| context.bytes(*id).map(|_| Weights::new());
        ids.iter().map(none).collect()
    }
}
