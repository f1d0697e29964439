//! Keeping some tokens and dropping the rest: by attention, by diversity, or as they are named.

use burn::backend::wgpu::CubeTensor;
use burn::tensor::Tensor;

use super::{Fused, Reducing, like};
use crate::KernelError;
use crate::gpu::launch::{Bound, le_bytes};
use crate::gpu::shader::{Name, Shader};
use crate::gpu::tensor::{into_tensor, need, upload};
use crate::ops::ByAttention;

impl Reducing {
    /// Keeps the leading tokens of `x` `[tokens, width]` and `keep` others by what the first token
    /// attends to, in a projection `qkv` `[tokens, 3 heads * head_dim]`: `[leading + keep, width]`,
    /// and one row more where the rest is fused.
    ///
    /// # Errors
    /// `invalid-argument` for shapes that do not fit, as many to keep as there are, or more
    /// reductions than were announced.
    pub fn keep_attended(
        &mut self,
        x: &Tensor<2>,
        qkv: &Tensor<2>,
        heads: usize,
        attended: ByAttention,
        keep: usize,
    ) -> Result<Tensor<2>, KernelError> {
        let (n, [rows, row]) = (self.reducible(x, keep)?, qkv.dims());
        let tokens = self.leading + n;
        if heads == 0 || rows != tokens || row == 0 || !row.is_multiple_of(3 * heads) {
            return Err(KernelError::InvalidArgument(format!(
                "a projection of {:?} with {heads} heads is none of {:?}",
                qkv.dims(),
                x.dims()
            )));
        }
        let fuses = attended == ByAttention::MostAndFused;
        let outputs = self.leading + keep + usize::from(fuses);
        let first = self.first(x, outputs)?;
        let (from, qkv) = (need(x, "x")?, need(qkv, "the projection")?);
        let scores = like(&from, [heads, tokens])?;
        self.run(
            Shader::plain(Name::ClsAttention, 256),
            &[tokens, heads, row / (3 * heads)],
            &[Bound::Read(&qkv), Bound::Both(&scores)],
            [heads, 1],
        );
        let (sums, flags) = (like(&from, [n])?, like(&from, [n])?);
        self.run(
            Shader::plain(Name::KeepScores, 256).feature("LEAST", attended == ByAttention::Least),
            &[tokens, self.leading, keep, heads],
            &[
                Bound::Read(&scores),
                Bound::Both(&sums),
                Bound::Write(&flags),
            ],
            [1, 1],
        );
        let fused = fuses.then_some(Fused {
            scores: &scores,
            parts: heads,
        });
        self.keep(&from, &flags, [tokens, outputs, first], fused)
    }

    /// Keeps the leading tokens of `x` `[tokens, width]` and `keep` others by the max-min rule over
    /// cosines of `rows` `[tokens, any]` (arXiv 2503.02175). Of `weights` `[reducible]` the largest
    /// counts as one and the smallest as nothing (arXiv 2509.24837).
    ///
    /// # Errors
    /// `invalid-argument` for shapes that do not fit, nothing to keep, as many as there are, or more
    /// reductions than were announced.
    pub fn keep_diverse(
        &mut self,
        x: &Tensor<2>,
        rows: &Tensor<2>,
        weights: Option<&Tensor<1>>,
        keep: usize,
    ) -> Result<Tensor<2>, KernelError> {
        let (n, [given, width]) = (self.reducible(x, keep)?, rows.dims());
        let (tokens, outputs) = (self.leading + n, self.leading + keep);
        let weighed = weights.is_none_or(|weights| weights.dims() == [n]);
        if given != tokens || width == 0 || !width.is_multiple_of(4) || keep == 0 || !weighed {
            return Err(KernelError::InvalidArgument(format!(
                "{keep} of {:?} are not chosen by {:?}",
                x.dims(),
                rows.dims()
            )));
        }
        let first = self.first(x, outputs)?;
        let (from, rows) = (need(x, "x")?, need(rows, "the rows")?);
        let units = self.units(&rows, tokens, [width, 0, 1, width])?;
        let distances = like(&from, [n, n])?;
        self.run(
            Shader::plain(Name::CosineDistances, 64),
            &[tokens, self.leading, width],
            &[Bound::Read(&units), Bound::Write(&distances)],
            [n.div_ceil(64), n],
        );
        let (near, flags) = (like(&from, [n])?, like(&from, [n])?);
        let weights = match weights {
            Some(weights) => Some(need(weights, "the weights")?),
            None => None,
        };
        let mut bound = vec![Bound::Read(&distances)];
        bound.extend(weights.as_ref().map(Bound::Read));
        bound.extend([Bound::Both(&near), Bound::Both(&flags)]);
        self.run(
            Shader::plain(Name::MaxMin, 256).feature("WEIGHTS", weights.is_some()),
            &[n, keep],
            &bound,
            [1, 1],
        );
        self.keep(&from, &flags, [tokens, outputs, first], None)
    }

    /// Keeps the leading tokens of `x` `[tokens, width]` and those at `indices`, ascending, counted
    /// behind the leading ones.
    ///
    /// # Errors
    /// `invalid-argument` for indices out of range or order, as many as there are, or more
    /// reductions than were announced.
    pub fn keep_chosen(
        &mut self,
        x: &Tensor<2>,
        indices: &[usize],
    ) -> Result<Tensor<2>, KernelError> {
        let n = self.reducible(x, indices.len())?;
        let mut flags = vec![0u32; n];
        let ascending = indices.is_sorted_by(|a, b| a < b);
        for &index in indices {
            match flags.get_mut(index) {
                Some(flag) if ascending => *flag = 1,
                _ => {
                    return Err(KernelError::InvalidArgument(format!(
                        "{indices:?} are not ascending places among {n} tokens"
                    )));
                }
            }
        }
        let (tokens, outputs) = (self.leading + n, self.leading + indices.len());
        let first = self.first(x, outputs)?;
        let from = need(x, "x")?;
        let flags = upload(le_bytes(&flags), &from);
        self.keep(&from, &flags, [tokens, outputs, first], None)
    }

    /// Drops what has no flag.
    fn keep(
        &mut self,
        from: &CubeTensor,
        flags: &CubeTensor,
        [tokens, outputs, first]: [usize; 3],
        fused: Option<Fused<'_>>,
    ) -> Result<Tensor<2>, KernelError> {
        self.run(
            Shader::plain(Name::KeepPlaces, 64),
            &[tokens, self.leading, first],
            &[Bound::Read(flags), Bound::Both(&self.goes)],
            [tokens.div_ceil(64), 1],
        );
        self.finish(from, [tokens, outputs, first], fused)
    }

    /// Tokens of `x` that may be dropped, of which `keep` are to stay.
    fn reducible(&self, x: &Tensor<2>, keep: usize) -> Result<usize, KernelError> {
        let n = x.dims()[0].saturating_sub(self.leading);
        if self.demands.drops && keep < n && self.leading > 0 {
            return Ok(n);
        }
        Err(KernelError::InvalidArgument(format!(
            "{keep} of {n} tokens behind {} are not kept here, or dropping was not announced",
            self.leading
        )))
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
        let ([tokens, width], [count, long]) = (x.dims(), directions.dims());
        let n = tokens.saturating_sub(self.leading);
        if n == 0 || width != long || index >= count {
            return Err(KernelError::InvalidArgument(format!(
                "{:?} has no direction {index} for {:?}",
                directions.dims(),
                x.dims()
            )));
        }
        let (from, directions) = (need(x, "x")?, need(directions, "the directions")?);
        let out = like(&from, [2 * n, width])?;
        self.run(
            Shader::plain(Name::ProbeRows, 64),
            &[self.leading, n, width, index, step.to_bits() as usize],
            &[
                Bound::Read(&from),
                Bound::Read(&directions),
                Bound::Write(&out),
            ],
            [2 * n, 1],
        );
        Ok(into_tensor(out))
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
        let [rows, width] = projected.dims();
        let n = rows / 2;
        let fits = n > 0
            && rows.is_multiple_of(2)
            && width > 0
            && sums.as_ref().is_none_or(|sums| sums.dims() == [n]);
        if !fits {
            return Err(KernelError::InvalidArgument(format!(
                "{:?} are no pairs of probes",
                projected.dims()
            )));
        }
        let from = need(projected, "the projected probes")?;
        let first = usize::from(sums.is_none());
        let sums = match sums {
            Some(sums) => need(&sums, "the sums")?,
            None => like(&from, [n])?,
        };
        self.run(
            Shader::plain(Name::ProbeLengths, 64),
            &[n, width, first],
            &[Bound::Read(&from), Bound::Both(&sums)],
            [n, 1],
        );
        Ok(into_tensor(sums))
    }
}
