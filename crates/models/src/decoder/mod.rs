//! Decoder-only transformers: pre-normalised blocks of grouped-query attention and SwiGLU.
//!
//! [`DecoderConfig`] holds the sizes that any checkpoint format must give; [`llama`] names the
//! tensors of one family. A further family is a further file beside it and a name in [`FAMILIES`].

mod attention;
mod block;
mod branches;
mod cache;
mod chain;
mod config;
mod embedded;
mod graft;
pub mod llama;
mod prefixes;
mod sequences;

use std::sync::Arc;

use burn::tensor::Tensor;
use lexigraft_checkpoint::{ByteSource, Checkpoint};
use lexigraft_kernels::ops::{self, CausalMask, RopeTables};

use crate::loader::{KernelFamily, WeightLoader};
use crate::rope::rope_tables;
use crate::{ComputeDevice, Embedding, Linear, LoadProgress, ModelError, RmsNorm};
use attention::Pass;
use block::DecoderBlock;

pub use branches::Branch;
pub use cache::KvCache;
pub use config::DecoderConfig;
pub use prefixes::Prefixes;

/// The families that [`DecoderConfig::from_checkpoint`] knows, for messages.
pub const FAMILIES: &str = "llama";

/// A decoder-only language model on one device.
#[derive(Debug)]
pub struct Decoder {
    config: DecoderConfig,
    device: ComputeDevice,
    embedding: Embedding,
    /// Shared with grafted decoders.
    blocks: Arc<Vec<DecoderBlock>>,
    norm: RmsNorm,
    /// `None` when the embedding is the output head too.
    head: Option<Linear>,
    rope: RopeTables,
    resident_bytes: u64,
}

impl Decoder {
    /// Loads all weights of `checkpoint` as `config` describes them.
    ///
    /// # Errors
    /// `out-of-memory` before anything is allocated when the device cannot hold the model,
    /// `missing-tensor` and `bad-checkpoint` when file and configuration disagree, `aborted` when
    /// `progress` breaks.
    pub async fn load<S: ByteSource>(
        checkpoint: &Checkpoint<S>,
        mut config: DecoderConfig,
        device: &ComputeDevice,
        progress: LoadProgress<'_>,
    ) -> Result<Self, ModelError> {
        config.validate()?;
        let mut loader = WeightLoader::new(checkpoint, device, progress);
        loader.check_budget(config.dense_bytes())?;
        loader.check_heads(config.head_dim)?;
        loader.check_kernels(KernelFamily::Decoder).await?;
        let parts = llama::load(&mut loader, &config).await?;
        if let Some(divisors) = parts.rope_divisors {
            config.rope_scaling = crate::RopeScaling::Divisors(divisors);
        }
        let rope = rope_tables(
            config.head_dim,
            config.context_length,
            config.rope_theta,
            &config.rope_scaling,
            device.burn(),
        );
        let resident_bytes = parts.embedding.resident_bytes()
            + parts.head.as_ref().map_or(0, Linear::resident_bytes)
            + parts
                .blocks
                .iter()
                .map(DecoderBlock::resident_bytes)
                .sum::<u64>();
        Ok(Self {
            config,
            device: device.clone(),
            embedding: parts.embedding,
            blocks: Arc::new(parts.blocks),
            norm: parts.norm,
            head: parts.head,
            rope,
            resident_bytes,
        })
    }

    pub fn config(&self) -> &DecoderConfig {
        &self.config
    }

    pub fn device(&self) -> &ComputeDevice {
        &self.device
    }

    /// Bytes of the weights on the device.
    pub fn resident_bytes(&self) -> u64 {
        self.resident_bytes
    }

    /// An empty cache for `capacity` tokens.
    ///
    /// # Errors
    /// `out-of-memory` when the device cannot hold it.
    pub fn new_cache(&self, capacity: usize) -> Result<KvCache, ModelError> {
        KvCache::new(&self.config, capacity, self.resident_bytes, &self.device)
    }

    /// The same cache with room for `capacity` tokens.
    ///
    /// # Errors
    /// `out-of-memory` when the device cannot hold it.
    pub fn grow_cache(&self, cache: KvCache, capacity: usize) -> Result<KvCache, ModelError> {
        cache.grow(&self.config, capacity, self.resident_bytes, &self.device)
    }

    /// Runs `ids` at the positions after the cached ones and appends them to the cache.
    ///
    /// Returns the normalised hidden states `[tokens, hidden]`.
    ///
    /// # Errors
    /// `invalid-argument` for no ids, an id outside the vocabulary, or more tokens than the cache
    /// has room for; the cache is unchanged then.
    pub fn forward(&self, ids: &[u32], cache: &mut KvCache) -> Result<Tensor<2>, ModelError> {
        self.check_ids(ids, cache)?;
        #[cfg(feature = "gpu")]
        if self.device.kind() == crate::DeviceKind::Wgpu {
            lexigraft_kernels::gpu::begin(cache.len(), ids, self.device.burn())?;
        }
        Ok(self.forward_rows(self.embedding.forward(ids), cache))
    }

    /// As [`forward`](Self::forward), from rows of the embedding that fit the cache.
    fn forward_rows(&self, rows: Tensor<2>, cache: &mut KvCache) -> Tensor<2> {
        let mask = CausalMask::new(cache.len(), rows.dims()[0]);
        self.forward_masked(rows, vec![mask], cache)
    }

    /// The rows of one branch after the other through all blocks.
    fn forward_masked(
        &self,
        rows: Tensor<2>,
        masks: Vec<CausalMask>,
        cache: &mut KvCache,
    ) -> Tensor<2> {
        let last = masks.last().map(CausalMask::positions);
        let end = last.map_or(cache.len(), |(start, tokens)| start + tokens);
        let pass = Pass {
            rope: self.rope.clone(),
            masks,
        };
        let mut hidden = rows;
        let mut layers = Vec::with_capacity(self.blocks.len());
        for (block, layer) in self.blocks.iter().zip(cache.take_layers()) {
            let (next, layer) = block.forward(hidden, layer, &pass);
            hidden = next;
            layers.push(layer);
        }
        cache.put_layers(layers, end);
        self.norm.forward(hidden)
    }

    /// Output logits of hidden states: `[tokens, hidden] -> [tokens, vocab]`.
    pub fn logits(&self, hidden: Tensor<2>) -> Tensor<2> {
        match &self.head {
            Some(head) => head.forward(hidden),
            None => self.embedding.logits(hidden),
        }
    }

    /// One of several hidden states: `[tokens, hidden] -> [1, hidden]`, for an index below `tokens`.
    pub fn row(&self, hidden: Tensor<2>, index: usize) -> Tensor<2> {
        ops::row(hidden, index)
    }

    /// Output logits of the last hidden state: `[tokens, hidden] -> [1, vocab]`.
    pub fn last_logits(&self, hidden: Tensor<2>) -> Tensor<2> {
        let last = hidden.dims()[0].saturating_sub(1);
        self.logits(ops::row(hidden, last))
    }

    /// The id with the largest logit after the last hidden state of `[tokens, hidden]`, chosen on
    /// the device so that four bytes come back.
    ///
    /// `None` where the logits are in this memory anyway and the caller looks at them, and where
    /// no logit is a number.
    ///
    /// # Errors
    /// `device-lost`.
    pub async fn last_likeliest(&self, hidden: Tensor<2>) -> Result<Option<u32>, ModelError> {
        #[cfg(feature = "gpu")]
        if self.device.kind() == crate::DeviceKind::Wgpu {
            let ids = lexigraft_kernels::gpu::argmax(self.last_logits(hidden)).await?;
            return Ok(ids.first().copied().flatten());
        }
        drop(hidden);
        Ok(None)
    }

    /// The `k` largest logits after the last hidden state of `[tokens, hidden]` with their ids, the
    /// largest first, chosen on the device so that `8 k` bytes come back.
    ///
    /// `None` where the logits are in this memory anyway, or the device gives no so many.
    ///
    /// # Errors
    /// `device-lost`.
    pub async fn last_top_k(
        &self,
        hidden: Tensor<2>,
        k: usize,
    ) -> Result<Option<Vec<(u32, f32)>>, ModelError> {
        #[cfg(feature = "gpu")]
        if self.device.kind() == crate::DeviceKind::Wgpu
            && (1..=lexigraft_kernels::gpu::MAX_TOP_K).contains(&k)
        {
            let logits = self.last_logits(hidden);
            return Ok(Some(lexigraft_kernels::gpu::top_k(logits, k).await?));
        }
        drop((hidden, k));
        Ok(None)
    }

    /// Natural log-probabilities of `targets` under hidden states `[tokens, hidden]`: `[tokens]`.
    ///
    /// Gathered on the device, so that `tokens` numbers come back and not `tokens * vocab`.
    pub fn target_log_probs(
        &self,
        hidden: Tensor<2>,
        targets: &[u32],
    ) -> Result<Tensor<1>, ModelError> {
        let tokens = hidden.dims()[0];
        if targets.len() != tokens {
            return Err(ModelError::InvalidArgument(format!(
                "{} targets for {tokens} hidden states",
                targets.len()
            )));
        }
        Ok(ops::target_log_probs(self.logits(hidden), targets))
    }

    fn check_vocabulary(&self, ids: &[u32]) -> Result<(), ModelError> {
        if ids.is_empty() {
            return Err(ModelError::InvalidArgument(
                "a forward pass needs at least one token".to_owned(),
            ));
        }
        if let Some(id) = ids
            .iter()
            .find(|&&id| id as usize >= self.config.vocab_size)
        {
            return Err(ModelError::InvalidArgument(format!(
                "token id {id} is outside the vocabulary of {}",
                self.config.vocab_size
            )));
        }
        Ok(())
    }

    fn check_ids(&self, ids: &[u32], cache: &KvCache) -> Result<(), ModelError> {
        self.check_vocabulary(ids)?;
        self.check_room(ids.len(), cache)
    }

    fn check_room(&self, tokens: usize, cache: &KvCache) -> Result<(), ModelError> {
        let end = cache.len().saturating_add(tokens);
        if end > cache.capacity() {
            return Err(ModelError::InvalidArgument(format!(
                "{end} tokens do not fit the cache of {}",
                cache.capacity()
            )));
        }
        Ok(())
    }
}
