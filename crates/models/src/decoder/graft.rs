//! A decoder with another vocabulary, and what is asked of one while rows are made.

use std::sync::Arc;

use burn::tensor::Tensor;
use lexigraft_kernels::ops;

use super::{Decoder, Prefixes};
use crate::{Embedding, Linear, ModelError};

impl Decoder {
    /// The same layers with the embedding of another vocabulary, and its own head where the
    /// embedding is not the head. All other weights are shared with `self`, not copied.
    ///
    /// # Errors
    /// `bad-config` for a vocabulary of no tokens.
    pub fn with_vocabulary(
        &self,
        vocab_size: usize,
        embedding: Embedding,
        head: Option<Linear>,
    ) -> Result<Self, ModelError> {
        let mut config = self.config.clone();
        config.vocab_size = vocab_size;
        config.tied_embeddings = head.is_none();
        config.validate()?;
        let own = |embedding: &Embedding, head: &Option<Linear>| {
            embedding.resident_bytes() + head.as_ref().map_or(0, Linear::resident_bytes)
        };
        let shared = self.shared_bytes();
        Ok(Self {
            resident_bytes: shared + own(&embedding, &head),
            config,
            device: self.device.clone(),
            embedding,
            blocks: Arc::clone(&self.blocks),
            norm: self.norm.clone(),
            head,
            rope: self.rope.clone(),
        })
    }

    /// Bytes of the weights that a grafted decoder shares with this one.
    pub fn shared_bytes(&self) -> u64 {
        let head = self.head.as_ref().map_or(0, Linear::resident_bytes);
        self.resident_bytes
            .saturating_sub(self.embedding.resident_bytes() + head)
    }

    /// Normalised hidden states of tokens that each stand alone in a context: `[tokens] -> [tokens,
    /// hidden]`.
    ///
    /// One pass over the weights serves all of them: they are sequences of one place.
    ///
    /// # Errors
    /// `invalid-argument` for no ids or an id outside the vocabulary; `device-lost`.
    pub async fn forward_alone(&self, ids: &[u32]) -> Result<Tensor<2>, ModelError> {
        self.check_vocabulary(ids)?;
        #[cfg(feature = "gpu")]
        if self.device.kind() == crate::DeviceKind::Wgpu {
            lexigraft_kernels::gpu::begin(0, ids, self.device.burn())?;
        }
        let rows = ops::to_host(self.embedding.forward(ids)).await?;
        let alone = Prefixes::alone(ids.len());
        let states = self.last_states(rows, &alone, self.blocks.len()).await?;
        let shape = [ids.len(), self.config.hidden_size];
        let states = ops::from_host(states, shape, self.device.burn());
        Ok(self.norm.forward(states))
    }
}
