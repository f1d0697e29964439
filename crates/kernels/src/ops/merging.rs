use burn::tensor::Tensor;

use crate::KernelError;

/// Which tokens merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matching {
    /// Bipartite soft matching by the mean of the heads' keys (arXiv 2210.09461): of the tokens
    /// behind the leading ones every second seeks its most similar partner among the others, and the
    /// most similar join theirs. Outputs are the leading tokens, the other sources, the targets.
    Bipartite,
    /// Ward's criterion (1963) over all pairs of hidden states of length one. Outputs are in the
    /// order of their first tokens.
    Ward,
}

/// The reductions of one picture on a graphics card: nothing is read back before their end.
#[derive(Debug)]
pub struct Merging {
    #[cfg(feature = "gpu")]
    gpu: crate::gpu::Merging,
    #[cfg(not(feature = "gpu"))]
    never: std::convert::Infallible,
}

#[cfg_attr(
    not(feature = "gpu"),
    allow(unused_variables, reason = "without the device nothing begins")
)]
impl Merging {
    /// Begins with hidden states `[leading + patches, width]`, for at most `reductions` reductions;
    /// `restores` asks for what each patch loses. `None` where no kernel serves the device or the
    /// shape, and the host has to do it.
    pub fn begin(x: &Tensor<2>, leading: usize, reductions: usize, restores: bool) -> Option<Self> {
        #[cfg(feature = "gpu")]
        if crate::gpu::is_here(x) {
            let gpu = crate::gpu::Merging::begin(x, leading, reductions, restores);
            return gpu.ok().map(|gpu| Self { gpu });
        }
        None
    }

    /// Attention of every token to every other, each counted by its size from the first reduction
    /// on: `[tokens, 3 heads * head_dim] -> [tokens, heads * head_dim]`.
    ///
    /// # Errors
    /// `invalid-argument` when shapes do not fit or heads are longer than 64.
    pub fn attention(&self, qkv: Tensor<2>, heads: usize) -> Result<Tensor<2>, KernelError> {
        #[cfg(feature = "gpu")]
        return match self.gpu.sizes() {
            Some(sizes) => crate::gpu::sized_attention(&qkv, heads, sizes),
            None => crate::gpu::full_attention(qkv, heads),
        };
        #[cfg(not(feature = "gpu"))]
        match self.never {}
    }

    /// Merges `merges` tokens of `x` `[tokens, width]`, whose projection was `qkv` `[tokens, 3 heads
    /// * head_dim]`: `[tokens - merges, width]`.
    ///
    /// # Errors
    /// `invalid-argument` for shapes that do not fit or more merges than the matching has.
    pub fn merge(
        &mut self,
        x: &Tensor<2>,
        qkv: &Tensor<2>,
        heads: usize,
        matching: Matching,
        merges: usize,
    ) -> Result<Tensor<2>, KernelError> {
        #[cfg(feature = "gpu")]
        return self.gpu.merge(x, qkv, heads, matching, merges);
        #[cfg(not(feature = "gpu"))]
        match self.never {}
    }

    /// Every patch as its token with what it lost: `[tokens, width] -> [patches, width]`.
    ///
    /// # Errors
    /// `invalid-argument` when nothing was merged, or that was not asked for.
    pub fn restore(&self, x: &Tensor<2>) -> Result<Tensor<2>, KernelError> {
        #[cfg(feature = "gpu")]
        return self.gpu.restore(x);
        #[cfg(not(feature = "gpu"))]
        match self.never {}
    }

    /// For each reduction the output that each of its tokens became part of, read back at once.
    ///
    /// # Errors
    /// `device-lost` when the result cannot be read.
    pub async fn destinations(&self) -> Result<Vec<Vec<u32>>, KernelError> {
        #[cfg(feature = "gpu")]
        return self.gpu.destinations().await;
        #[cfg(not(feature = "gpu"))]
        match self.never {}
    }
}
