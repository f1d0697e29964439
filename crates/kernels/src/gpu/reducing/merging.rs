//! Merging: matching, and the means of what merges.

use burn::backend::wgpu::CubeTensor;
use burn::tensor::Tensor;

use super::{Reducing, like};
use crate::KernelError;
use crate::gpu::launch::Bound;
use crate::gpu::shader::{Name, Shader};
use crate::gpu::tensor::need;
use crate::ops::Matching;

impl Reducing {
    /// Merges `merges` tokens of `x` `[tokens, width]`, whose projection was `qkv` `[tokens, 3 heads
    /// * head_dim]`: `[tokens - merges, width]`.
    ///
    /// # Errors
    /// `invalid-argument` for shapes that do not fit, more merges than the matching has, or more
    /// reductions than were announced.
    pub fn merge(
        &mut self,
        x: &Tensor<2>,
        qkv: &Tensor<2>,
        heads: usize,
        matching: Matching,
        merges: usize,
    ) -> Result<Tensor<2>, KernelError> {
        let ([tokens, _], [rows, row]) = (x.dims(), qkv.dims());
        let most = matching.most(tokens.saturating_sub(self.leading));
        let fits = rows == tokens
            && heads > 0
            && row.is_multiple_of(3 * heads)
            && (1..=most).contains(&merges);
        if !fits {
            return Err(KernelError::InvalidArgument(format!(
                "{merges} merges of {:?} with a projection of {:?} and {heads} heads",
                x.dims(),
                qkv.dims()
            )));
        }
        let first = self.first(x, tokens - merges)?;
        let from = need(x, "x")?;
        match matching {
            Matching::Bipartite => {
                let qkv = need(qkv, "the projection")?;
                self.pair(&qkv, [tokens, row / 3, heads], [first, merges])?;
            }
            Matching::Ward => {
                let sizes = need(&self.sizes, "the sizes")?;
                self.unite(&from, &sizes, tokens, [first, merges])?;
            }
        }
        self.finish(&from, [tokens, tokens - merges, first], None)
    }

    /// Bipartite soft matching by the sum of the heads' keys.
    fn pair(
        &self,
        qkv: &CubeTensor,
        [tokens, columns, heads]: [usize; 3],
        [first, merges]: [usize; 2],
    ) -> Result<(), KernelError> {
        let head_dim = columns / heads;
        let sources = (tokens - self.leading) / 2;
        let units = self.units(qkv, tokens, [3 * columns, columns, heads, head_dim])?;
        let (best, similar) = (like(qkv, [sources])?, like(qkv, [sources])?);
        self.run(
            Shader::plain(Name::MergeMatch, 64),
            &[tokens, self.leading, head_dim],
            &[
                Bound::Read(&units),
                Bound::Write(&best),
                Bound::Write(&similar),
            ],
            [sources, 1],
        );
        let flags = like(qkv, [sources])?;
        self.run(
            Shader::plain(Name::MergePairs, 256),
            &[tokens, self.leading, merges, first],
            &[
                Bound::Read(&best),
                Bound::Read(&similar),
                Bound::Both(&flags),
                Bound::Both(&self.goes),
            ],
            [1, 1],
        );
        Ok(())
    }

    /// Ward's unions by hidden states.
    fn unite(
        &self,
        x: &CubeTensor,
        sizes: &CubeTensor,
        tokens: usize,
        [first, merges]: [usize; 2],
    ) -> Result<(), KernelError> {
        let n = tokens - self.leading;
        let units = self.units(x, tokens, [self.width, 0, 1, self.width])?;
        let costs = like(x, [n, n])?;
        self.run(
            Shader::plain(Name::WardCosts, 64),
            &[tokens, self.leading, self.width],
            &[
                Bound::Read(&units),
                Bound::Read(sizes),
                Bound::Write(&costs),
            ],
            [n.div_ceil(64), n],
        );
        let lists = like(x, [4 * n])?;
        self.run(
            Shader::plain(Name::WardMerge, 256),
            &[tokens, self.leading, merges, first],
            &[
                Bound::Read(sizes),
                Bound::Both(&costs),
                Bound::Both(&lists),
                Bound::Both(&self.goes),
            ],
            [1, 1],
        );
        Ok(())
    }
}
