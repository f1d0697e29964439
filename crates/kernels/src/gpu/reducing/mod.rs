//! Tokens of a picture merged or dropped on the device, and where each patch went.
//!
//! ```text
//! keys, hidden states or scores ─► pairs, unions or flags ─► goes, kept for the end
//!                                                              │
//! hidden states, sizes ─────────────────► chains ─► outputs ◄──┘
//! ```

mod keeping;
pub(super) mod keeping_twin;
mod merging;
pub(super) mod merging_twin;

use burn::backend::wgpu::CubeTensor;
use burn::tensor::Tensor;

use super::launch::{Bound, launch, parameters};
use super::shader::{Name, Shader};
use super::tensor::{empty, into_tensor, need, read_words};
use crate::KernelError;
use crate::ops::Demands;

/// What [`destinations`](Reducing::destinations) says of a token that was dropped.
pub const DROPPED: u32 = u32::MAX;

/// The reductions of one picture so far, on the device.
#[derive(Debug)]
pub struct Reducing {
    leading: usize,
    patches: usize,
    width: usize,
    demands: Demands,
    /// Of the tokens that there are, `[tokens]`.
    sizes: Tensor<1>,
    /// For each reduction what its tokens became part of, one after the other.
    goes: CubeTensor,
    /// Tokens before each reduction.
    reductions: Vec<usize>,
    /// Token of each patch, and what it lost or last was.
    followed: Option<[CubeTensor; 2]>,
}

/// One more output: dropped tokens by their scores `[parts, tokens]`.
struct Fused<'a> {
    scores: &'a CubeTensor,
    parts: usize,
}

impl Reducing {
    /// Begins with the hidden states `x` `[leading + patches, width]`.
    ///
    /// # Errors
    /// `invalid-argument` when there are no patches, rows are no multiple of four or `x` is not
    /// `f32` on the wgpu device.
    pub fn begin(x: &Tensor<2>, leading: usize, demands: Demands) -> Result<Self, KernelError> {
        let [tokens, width] = x.dims();
        let patches = tokens.saturating_sub(leading);
        if patches == 0 || width == 0 || !width.is_multiple_of(4) {
            return Err(KernelError::InvalidArgument(format!(
                "{tokens} tokens of {width} elements, {leading} of them in front, are not reduced \
                 here"
            )));
        }
        need(x, "x")?;
        let device = x.device();
        let followed = match demands.restores || demands.drops {
            true => Some([
                empty([patches], &device)?,
                empty([patches, width], &device)?,
            ]),
            false => None,
        };
        // A fused token makes one more.
        let room = (tokens + demands.reductions) * demands.reductions.max(1);
        Ok(Self {
            leading,
            patches,
            width,
            demands,
            sizes: super::from_host(&vec![1.0; tokens], [tokens], &device)?,
            goes: empty([room], &device)?,
            reductions: Vec::with_capacity(demands.reductions),
            followed,
        })
    }

    /// Patches that each token stands for, from the first reduction on and where that is asked for.
    pub fn sizes(&self) -> Option<&Tensor<1>> {
        (self.demands.attention_by_size && !self.reductions.is_empty()).then_some(&self.sizes)
    }

    /// Where the next reduction's destinations begin. `tokens` of `x` are to become `outputs`.
    fn first(&self, x: &Tensor<2>, outputs: usize) -> Result<usize, KernelError> {
        let [tokens, width] = x.dims();
        let first: usize = self.reductions.iter().sum();
        let fits = width == self.width
            && self.sizes.dims() == [tokens]
            && self.reductions.len() < self.demands.reductions
            && first + tokens <= self.goes.meta.shape().num_elements()
            && outputs > 0;
        if !fits {
            return Err(KernelError::InvalidArgument(format!(
                "{:?} is not what {} reductions of {} left, or one more was not announced",
                x.dims(),
                self.reductions.len(),
                self.demands.reductions
            )));
        }
        Ok(first)
    }

    /// Makes the outputs of what `goes` says from `first` on.
    fn finish(
        &mut self,
        from: &CubeTensor,
        [tokens, outputs, first]: [usize; 3],
        fused: Option<Fused<'_>>,
    ) -> Result<Tensor<2>, KernelError> {
        let width = self.width;
        let sizes = need(&self.sizes, "the sizes")?;
        let links = like(from, [2 * tokens])?;
        self.run(
            Shader::plain(Name::MergeLinks, 64),
            &[tokens, first],
            &[Bound::Read(&self.goes), Bound::Write(&links)],
            [tokens.div_ceil(64), 1],
        );
        let out = like(from, [outputs, width])?;
        let whole = like(from, [outputs])?;
        self.run(
            Shader::plain(Name::MergeRows, 64),
            &[tokens, width],
            &[
                Bound::Read(from),
                Bound::Read(&sizes),
                Bound::Read(&links),
                Bound::Write(&out),
                Bound::Write(&whole),
            ],
            [outputs - usize::from(fused.is_some()), 1],
        );
        if let Some(Fused { scores, parts }) = fused {
            self.run(
                Shader::plain(Name::KeepFuse, 64),
                &[tokens, width, parts, first, outputs - 1],
                &[
                    Bound::Read(from),
                    Bound::Read(scores),
                    Bound::Read(&self.goes),
                    Bound::Both(&out),
                    Bound::Both(&whole),
                ],
                [width.div_ceil(64), 1],
            );
        }
        if let Some([place, lost]) = &self.followed {
            let is_first = usize::from(self.reductions.is_empty());
            let mut bound = vec![Bound::Read(&self.goes), Bound::Read(from)];
            bound.extend(self.demands.restores.then_some(Bound::Read(&out)));
            bound.extend([Bound::Both(place), Bound::Both(lost)]);
            self.run(
                Shader::plain(Name::MergePatches, 64).feature("LOSSES", self.demands.restores),
                &[first, self.leading, width, is_first],
                &bound,
                [self.patches, 1],
            );
        }
        self.sizes = into_tensor(whole);
        self.reductions.push(tokens);
        Ok(into_tensor(out))
    }

    /// Every patch as its token in `x` `[tokens, width]`, with what it lost where that is asked for,
    /// or as it was when it was dropped: `[patches, width]`.
    ///
    /// # Errors
    /// `invalid-argument` when nothing was reduced, that was not asked for, or shapes do not fit.
    pub fn restore(&self, x: &Tensor<2>) -> Result<Tensor<2>, KernelError> {
        let fits = x.dims() == [self.sizes.dims()[0], self.width] && !self.reductions.is_empty();
        let Some([place, lost]) = self.followed.as_ref().filter(|_| fits) else {
            return Err(KernelError::InvalidArgument(format!(
                "{:?} is not what was reduced, or patches are not followed",
                x.dims()
            )));
        };
        let from = need(x, "x")?;
        let out = like(&from, [self.patches, self.width])?;
        self.run(
            Shader::plain(Name::MergeRestore, 64).feature("LOSSES", self.demands.restores),
            &[self.width],
            &[
                Bound::Read(&from),
                Bound::Read(place),
                Bound::Read(lost),
                Bound::Write(&out),
            ],
            [self.patches, 1],
        );
        Ok(into_tensor(out))
    }

    /// For each reduction the output that each of its tokens became part of, [`DROPPED`] for those
    /// that did not, read back at once.
    ///
    /// # Errors
    /// `device-lost` when the result cannot be read.
    pub async fn destinations(&self) -> Result<Vec<Vec<u32>>, KernelError> {
        if self.reductions.is_empty() {
            return Ok(Vec::new());
        }
        let words = read_words(self.goes.clone()).await?;
        let mut words = words.into_iter().map(u32::from_le_bytes);
        let take = |&tokens: &usize| words.by_ref().take(tokens).collect();
        Ok(self.reductions.iter().map(take).collect())
    }

    /// Rows of length one of the sums of `parts` parts of `width` elements from `from` on in each of
    /// `tokens` rows of `row` elements.
    fn units(
        &self,
        x: &CubeTensor,
        tokens: usize,
        [row, from, parts, width]: [usize; 4],
    ) -> Result<CubeTensor, KernelError> {
        let units = like(x, [tokens, width])?;
        self.run(
            Shader::plain(Name::MergeUnits, 64),
            &[row, from, parts, width],
            &[Bound::Read(x), Bound::Both(&units)],
            [tokens, 1],
        );
        Ok(units)
    }

    fn run(&self, shader: Shader, words: &[usize], bound: &[Bound<'_>], [x, y]: [usize; 2]) {
        let words: Vec<u32> = words.iter().map(|word| *word as u32).collect();
        let parameters = parameters(&words, &self.goes);
        let mut all = vec![Bound::Read(&parameters)];
        all.extend(bound.iter().map(|bound| match *bound {
            Bound::Read(tensor) => Bound::Read(tensor),
            Bound::Write(tensor) => Bound::Write(tensor),
            Bound::Both(tensor) => Bound::Both(tensor),
        }));
        launch(shader, &all, [x, y, 1]);
    }
}

/// Memory of four-byte elements where `tensor` is.
fn like<const D: usize>(tensor: &CubeTensor, shape: [usize; D]) -> Result<CubeTensor, KernelError> {
    let place: Tensor<1> = into_tensor(tensor.clone());
    empty(shape, &place.device())
}
