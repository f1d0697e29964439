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

impl Matching {
    /// The most merges among `reducible` tokens.
    pub fn most(self, reducible: usize) -> usize {
        match self {
            Self::Bipartite => reducible / 2,
            Self::Ward => reducible.saturating_sub(1),
        }
    }
}

/// Which tokens are kept for what the first token attends to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByAttention {
    /// The most.
    Most,
    /// The most, and one more token is the sum of the others by that attention (arXiv 2202.07800).
    MostAndFused,
    /// The least.
    Least,
}

/// What the reductions of a picture are asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Demands {
    /// How many there are at most.
    pub reductions: usize,
    /// Attention counts each token by its size from the first reduction on.
    pub attention_by_size: bool,
    /// Patches get back what they lost by merging.
    pub restores: bool,
    /// Tokens are dropped, and their last rows kept.
    pub drops: bool,
}

/// The reductions of one picture on a graphics card: nothing is read back before their end.
#[derive(Debug)]
pub struct Reducing {
    #[cfg(feature = "gpu")]
    gpu: crate::gpu::Reducing,
    #[cfg(not(feature = "gpu"))]
    never: std::convert::Infallible,
}

/// A call that only the device has.
macro_rules! on_device {
    ($self:ident, $call:expr) => {{
        #[cfg(feature = "gpu")]
        return $call;
        #[cfg(not(feature = "gpu"))]
        match $self.never {}
    }};
}

#[cfg_attr(
    not(feature = "gpu"),
    allow(unused_variables, reason = "without the device nothing begins")
)]
impl Reducing {
    /// Begins with hidden states `[leading + patches, width]`. `None` where no kernel serves the
    /// device or the shape, and the host has to do it.
    pub fn begin(x: &Tensor<2>, leading: usize, demands: Demands) -> Option<Self> {
        #[cfg(feature = "gpu")]
        if crate::gpu::is_here(x) {
            let gpu = crate::gpu::Reducing::begin(x, leading, demands);
            return gpu.ok().map(|gpu| Self { gpu });
        }
        None
    }

    /// Attention of every token to every other, each counted by its size from the first reduction
    /// on where that is asked for: `[tokens, 3 heads * head_dim] -> [tokens, heads * head_dim]`.
    ///
    /// # Errors
    /// `invalid-argument` when shapes do not fit or heads are longer than 64.
    pub fn attention(&self, qkv: Tensor<2>, heads: usize) -> Result<Tensor<2>, KernelError> {
        on_device!(
            self,
            match self.gpu.sizes() {
                Some(sizes) => crate::gpu::sized_attention(&qkv, heads, sizes),
                None => {
                    let [tokens, _] = qkv.dims();
                    crate::gpu::full_attention(qkv, tokens, heads)
                }
            }
        )
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
        on_device!(self, self.gpu.merge(x, qkv, heads, matching, merges))
    }

    /// Keeps the leading tokens of `x` `[tokens, width]` and `keep` others by what the first token
    /// attends to, in a projection `qkv` `[tokens, 3 heads * head_dim]`: `[leading + keep, width]`,
    /// and one row more where the rest is fused.
    ///
    /// # Errors
    /// `invalid-argument` for shapes that do not fit, or as many to keep as there are.
    pub fn keep_attended(
        &mut self,
        x: &Tensor<2>,
        qkv: &Tensor<2>,
        heads: usize,
        attended: ByAttention,
        keep: usize,
    ) -> Result<Tensor<2>, KernelError> {
        on_device!(self, self.gpu.keep_attended(x, qkv, heads, attended, keep))
    }

    /// Keeps the leading tokens of `x` `[tokens, width]` and `keep` others that are far from each
    /// other, by cosines of `rows` `[tokens, any]`: the max-min rule (arXiv 2503.02175), in which
    /// `weights`, `[reducible]`, count by what lies between their smallest and largest.
    ///
    /// # Errors
    /// `invalid-argument` for shapes that do not fit, nothing to keep, or as many as there are.
    pub fn keep_diverse(
        &mut self,
        x: &Tensor<2>,
        rows: &Tensor<2>,
        weights: Option<&Tensor<1>>,
        keep: usize,
    ) -> Result<Tensor<2>, KernelError> {
        on_device!(self, self.gpu.keep_diverse(x, rows, weights, keep))
    }

    /// Keeps the leading tokens of `x` `[tokens, width]` and those at `indices`, ascending, counted
    /// behind the leading ones.
    ///
    /// # Errors
    /// `invalid-argument` for indices out of range or order, or as many as there are.
    pub fn keep_chosen(
        &mut self,
        x: &Tensor<2>,
        indices: &[usize],
    ) -> Result<Tensor<2>, KernelError> {
        on_device!(self, self.gpu.keep_chosen(x, indices))
    }

    /// The tokens of `x` behind the leading ones a `step` ahead in direction `index` of `directions`
    /// `[count, width]`, then all of them a step back: `[2 reducible, width]`.
    ///
    /// # Errors
    /// `invalid-argument` when shapes do not fit.
    pub fn probe(
        &self,
        x: &Tensor<2>,
        directions: &Tensor<2>,
        index: usize,
        step: f32,
    ) -> Result<Tensor<2>, KernelError> {
        on_device!(self, self.gpu.probe(x, directions, index, step))
    }

    /// How far apart a projection `[2 reducible, any]` put the two probes of each token, added to
    /// `sums` of directions before: `[reducible]`.
    ///
    /// # Errors
    /// `invalid-argument` when shapes do not fit.
    pub fn add_lengths(
        &self,
        projected: &Tensor<2>,
        sums: Option<Tensor<1>>,
    ) -> Result<Tensor<1>, KernelError> {
        on_device!(self, self.gpu.add_lengths(projected, sums))
    }

    /// Every patch as its token with what it lost, or as it was when it was dropped: `[tokens,
    /// width] -> [patches, width]`.
    ///
    /// # Errors
    /// `invalid-argument` when nothing was reduced, or that was not asked for.
    pub fn restore(&self, x: &Tensor<2>) -> Result<Tensor<2>, KernelError> {
        on_device!(self, self.gpu.restore(x))
    }

    /// For each reduction the output that each of its tokens became part of, read back at once;
    /// `None` for those that were dropped.
    ///
    /// # Errors
    /// `device-lost` when the result cannot be read.
    pub async fn destinations(&self) -> Result<Vec<Vec<Option<u32>>>, KernelError> {
        on_device!(self, {
            let all = self.gpu.destinations().await?;
            let known = |output| (output != crate::gpu::DROPPED).then_some(output);
            Ok(all
                .into_iter()
                .map(|goes| goes.into_iter().map(known).collect())
                .collect())
        })
    }
}
