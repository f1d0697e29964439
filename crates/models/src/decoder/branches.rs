//! Several ways to go on from the cached tokens, in one pass.

use burn::tensor::Tensor;
use lexigraft_kernels::ops::CausalMask;

use super::{Decoder, KvCache};
use crate::ModelError;

/// Tokens at the positions from `start` on, after what the cache holds before them.
#[derive(Debug, Clone, Copy)]
pub struct Branch<'a> {
    pub start: usize,
    pub ids: &'a [u32],
}

impl Decoder {
    /// Runs the tokens of all branches: the weights are read once, and each branch sees the cached
    /// tokens before its start and its own. A branch takes the place of the one before it, so it
    /// may begin anywhere in it, and the cache ends with the last one.
    ///
    /// Returns the normalised hidden states `[tokens, hidden]`, branch after branch: the very ones
    /// that [`forward`](Self::forward) gives for one after the other.
    ///
    /// # Errors
    /// `invalid-argument` for no branches, a branch without ids or one that begins behind what is
    /// cached, an id outside the vocabulary, or more tokens than the cache has room for; the cache
    /// is unchanged then.
    pub fn forward_branches(
        &self,
        branches: &[Branch<'_>],
        cache: &mut KvCache,
    ) -> Result<Tensor<2>, ModelError> {
        let mut held = cache.len();
        for branch in branches {
            let end = branch.start.saturating_add(branch.ids.len());
            if branch.ids.is_empty() || branch.start > held || end > cache.capacity() {
                return Err(ModelError::InvalidArgument(format!(
                    "a branch of {} tokens at position {} of {held}, with room for {}",
                    branch.ids.len(),
                    branch.start,
                    cache.capacity()
                )));
            }
            held = end;
        }
        let ids: Vec<u32> = branches.iter().flat_map(|b| b.ids).copied().collect();
        self.check_vocabulary(&ids)?;
        if let [Branch { start, .. }] = branches {
            cache.truncate(*start);
            return self.forward(&ids, cache);
        }
        let masks = branches
            .iter()
            .map(|branch| CausalMask::new(branch.start, branch.ids.len()));
        let rows = self.embedding.forward(&ids);
        Ok(self.forward_masked(rows, masks.collect(), cache))
    }
}
