//! Tokens of a picture merged on the device: matching, means, and where each patch went.
//!
//! ```text
//! keys or hidden states ─► units ─► pairs (bipartite) or unions (Ward) ─► goes, kept for the end
//!                                                                           │
//! hidden states, sizes ──────────────────────────────► chains ─► means ◄────┘
//! ```

use burn::backend::wgpu::CubeTensor;
use burn::tensor::Tensor;

use super::launch::{Bound, launch, parameters};
use super::shader::{Name, Shader};
use super::tensor::{empty, into_tensor, need, read_words};
use crate::KernelError;
use crate::ops::Matching;

/// The longest heads whose keys attention by size reads.
const MAX_HEAD_DIM: usize = 64;

/// The reductions of one picture so far, on the device.
#[derive(Debug)]
pub struct Merging {
    leading: usize,
    patches: usize,
    width: usize,
    /// Of the tokens that there are, `[tokens]`.
    sizes: Tensor<1>,
    counted: bool,
    /// For each reduction what its tokens became part of, one after the other.
    goes: CubeTensor,
    /// Tokens before each reduction.
    reductions: Vec<usize>,
    /// Token of each patch, and what it lost.
    restored: Option<[CubeTensor; 2]>,
}

impl Merging {
    /// Begins with the hidden states `x` `[leading + patches, width]`, for at most `reductions`
    /// reductions. `restores` asks for what each patch loses.
    ///
    /// # Errors
    /// `invalid-argument` when there are no patches, rows are no multiple of four or `x` is not
    /// `f32` on the wgpu device.
    pub fn begin(
        x: &Tensor<2>,
        leading: usize,
        reductions: usize,
        restores: bool,
    ) -> Result<Self, KernelError> {
        let [tokens, width] = x.dims();
        let patches = tokens.saturating_sub(leading);
        if patches == 0 || width == 0 || !width.is_multiple_of(4) {
            return Err(KernelError::InvalidArgument(format!(
                "{tokens} tokens of {width} elements, {leading} of them in front, do not merge here"
            )));
        }
        need(x, "x")?;
        let device = x.device();
        let restored = match restores {
            true => Some([
                empty([patches], &device)?,
                empty([patches, width], &device)?,
            ]),
            false => None,
        };
        Ok(Self {
            leading,
            patches,
            width,
            sizes: super::from_host(&vec![1.0; tokens], [tokens], &device)?,
            counted: false,
            goes: empty([tokens * reductions.max(1)], &device)?,
            reductions: Vec::with_capacity(reductions),
            restored,
        })
    }

    /// Patches that each token stands for, from the first reduction on.
    pub fn sizes(&self) -> Option<&Tensor<1>> {
        self.counted.then_some(&self.sizes)
    }

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
        let ([tokens, width], [rows, row]) = (x.dims(), qkv.dims());
        let reducible = tokens.saturating_sub(self.leading);
        let most = match matching {
            Matching::Bipartite => reducible / 2,
            Matching::Ward => reducible.saturating_sub(1),
        };
        let first = self.reductions.iter().sum();
        let room = self.goes.meta.shape().num_elements();
        let fits = [width, rows] == [self.width, tokens]
            && self.sizes.dims() == [tokens]
            && heads > 0
            && row.is_multiple_of(3 * heads)
            && (1..=most).contains(&merges)
            && first + tokens <= room;
        if !fits {
            return Err(KernelError::InvalidArgument(format!(
                "{merges} merges of {:?} with a projection of {:?}, {} sizes and {heads} heads",
                x.dims(),
                qkv.dims(),
                self.sizes.dims()[0]
            )));
        }
        let from = need(x, "x")?;
        let sizes = need(&self.sizes, "the sizes")?;
        match matching {
            Matching::Bipartite => {
                let qkv = need(qkv, "the projection")?;
                self.pair(&qkv, [tokens, row / 3, heads], [first, merges])?;
            }
            Matching::Ward => self.unite(&from, &sizes, tokens, [first, merges])?,
        }
        let outputs = tokens - merges;
        let links = like(&from, [2 * tokens])?;
        self.run(
            Name::MergeLinks,
            64,
            &[tokens, first],
            &[Bound::Read(&self.goes), Bound::Write(&links)],
            [tokens.div_ceil(64), 1],
        );
        let out = like(&from, [outputs, width])?;
        let whole = like(&from, [outputs])?;
        self.run(
            Name::MergeRows,
            64,
            &[tokens, width],
            &[
                Bound::Read(&from),
                Bound::Read(&sizes),
                Bound::Read(&links),
                Bound::Write(&out),
                Bound::Write(&whole),
            ],
            [outputs, 1],
        );
        if let Some([place, lost]) = &self.restored {
            self.run(
                Name::MergePatches,
                64,
                &[first, self.leading, width, usize::from(!self.counted)],
                &[
                    Bound::Read(&self.goes),
                    Bound::Read(&from),
                    Bound::Read(&out),
                    Bound::Both(place),
                    Bound::Both(lost),
                ],
                [self.patches, 1],
            );
        }
        self.sizes = into_tensor(whole);
        self.counted = true;
        self.reductions.push(tokens);
        Ok(into_tensor(out))
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
            Name::MergeMatch,
            64,
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
            Name::MergePairs,
            256,
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
            Name::WardCosts,
            64,
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
            Name::WardMerge,
            256,
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

    fn units(
        &self,
        x: &CubeTensor,
        tokens: usize,
        [row, from, parts, width]: [usize; 4],
    ) -> Result<CubeTensor, KernelError> {
        let units = like(x, [tokens, width])?;
        self.run(
            Name::MergeUnits,
            64,
            &[row, from, parts, width],
            &[Bound::Read(x), Bound::Both(&units)],
            [tokens, 1],
        );
        Ok(units)
    }

    /// Every patch as its token in `x` `[tokens, width]` with what it lost: `[patches, width]`.
    ///
    /// # Errors
    /// `invalid-argument` when nothing was merged, that was not asked for, or shapes do not fit.
    pub fn restore(&self, x: &Tensor<2>) -> Result<Tensor<2>, KernelError> {
        let fits = x.dims() == [self.sizes.dims()[0], self.width] && self.counted;
        let Some([place, lost]) = self.restored.as_ref().filter(|_| fits) else {
            return Err(KernelError::InvalidArgument(format!(
                "{:?} is not what was merged, or nothing is kept of what was lost",
                x.dims()
            )));
        };
        let from = need(x, "x")?;
        let out = like(&from, [self.patches, self.width])?;
        self.run(
            Name::MergeRestore,
            64,
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

    /// For each reduction the output that each of its tokens became part of, read back at once.
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

    fn run(
        &self,
        name: Name,
        workgroup: u32,
        words: &[usize],
        bound: &[Bound<'_>],
        [x, y]: [usize; 2],
    ) {
        let words: Vec<u32> = words.iter().map(|word| *word as u32).collect();
        let parameters = parameters(&words, &self.goes);
        let mut all = vec![Bound::Read(&parameters)];
        all.extend(bound.iter().map(|bound| match *bound {
            Bound::Read(tensor) => Bound::Read(tensor),
            Bound::Write(tensor) => Bound::Write(tensor),
            Bound::Both(tensor) => Bound::Both(tensor),
        }));
        launch(Shader::plain(name, workgroup), &all, [x, y, 1]);
    }
}

/// Attention of every token to every other, where each counts as often as its size says (arXiv
/// 2210.09461): `[tokens, 3 heads * head_dim] -> [tokens, heads * head_dim]`.
///
/// # Errors
/// `invalid-argument` when shapes do not fit, heads are longer than 64 or no multiple of four, or a
/// tensor is not `f32` on the wgpu device.
pub fn sized_attention(
    qkv: &Tensor<2>,
    heads: usize,
    sizes: &Tensor<1>,
) -> Result<Tensor<2>, KernelError> {
    let [tokens, row] = qkv.dims();
    let head_dim = row / (3 * heads.max(1));
    let fits = heads > 0
        && tokens > 0
        && row == 3 * heads * head_dim
        && head_dim.is_multiple_of(4)
        && (4..=MAX_HEAD_DIM).contains(&head_dim)
        && sizes.dims() == [tokens];
    if !fits {
        return Err(KernelError::InvalidArgument(format!(
            "attention of {:?} with {heads} heads and {} sizes",
            qkv.dims(),
            sizes.dims()[0]
        )));
    }
    let from = need(qkv, "the projection")?;
    let sizes = need(sizes, "the sizes")?;
    let out = like(&from, [tokens, heads * head_dim])?;
    super::full_attention::alone(&from, Some(&sizes), &out, [tokens, heads, head_dim]);
    Ok(into_tensor(out))
}

/// Memory of four-byte elements where `tensor` is.
fn like<const D: usize>(tensor: &CubeTensor, shape: [usize; D]) -> Result<CubeTensor, KernelError> {
    let place: Tensor<1> = into_tensor(tensor.clone());
    empty(shape, &place.device())
}
