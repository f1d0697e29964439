//! Sums, means and copies of whole rows.

use burn::backend::wgpu::CubeTensor;
use burn::tensor::Tensor;

use super::launch::{Bound, launch, parameters};
use super::shader::{Name, Shader};
use super::tensor::{empty, into_tensor, need};
use crate::KernelError;

/// Workgroups that WebGPU promises in one dimension of a grid.
pub(super) const MAX_GROUPS: usize = 65_535;

/// Each text of `tokens` rows plus the first rows of `table`: `[texts * tokens, hidden] -> [texts *
/// tokens, hidden]`.
///
/// # Errors
/// `invalid-argument` when shapes do not fit or a tensor is not `f32` on the wgpu device.
pub fn add_rows(x: Tensor<2>, table: &Tensor<2>, tokens: usize) -> Result<Tensor<2>, KernelError> {
    let ([all, width], [rows, columns]) = (x.dims(), table.dims());
    if !whole_texts(all, tokens) || rows < tokens || columns != width || width == 0 {
        return Err(KernelError::InvalidArgument(format!(
            "a sum of {:?} in texts of {tokens} rows and the first rows of {:?}",
            x.dims(),
            table.dims()
        )));
    }
    let out = empty([all, width], &x.device())?;
    let (from, table) = (need(&x, "x")?, need(table, "the table")?);
    let groups = (all * width).div_ceil(64);
    let across = groups.min(MAX_GROUPS);
    let words = [all * width, across, tokens * width].map(|word| word as u32);
    let parameters = parameters(&words, &from);
    launch(
        Shader::plain(Name::Add, 64).feature("REPEATED", tokens < all),
        &[
            Bound::Read(&parameters),
            Bound::Read(&from),
            Bound::Read(&table),
            Bound::Write(&out),
        ],
        [across, groups.div_ceil(across), 1],
    );
    Ok(into_tensor(out))
}

/// The mean of each text of `tokens` rows: `[texts * tokens, hidden] -> [texts, hidden]`.
///
/// # Errors
/// As [`add_rows`].
pub fn mean_rows(x: Tensor<2>, tokens: usize) -> Result<Tensor<2>, KernelError> {
    let [all, width] = x.dims();
    let texts = all.checked_div(tokens).unwrap_or(0);
    if !whole_texts(all, tokens) || width == 0 || texts > MAX_GROUPS {
        return Err(KernelError::InvalidArgument(format!(
            "means of {:?} in texts of {tokens} rows",
            x.dims()
        )));
    }
    let out = empty([texts, width], &x.device())?;
    let from = need(&x, "x")?;
    let parameters = parameters(&[tokens as u32, width as u32], &from);
    launch(
        Shader::plain(Name::MeanRows, 64),
        &[
            Bound::Read(&parameters),
            Bound::Read(&from),
            Bound::Write(&out),
        ],
        [width.div_ceil(64), texts, 1],
    );
    Ok(into_tensor(out))
}

/// Whether `rows` are texts of `tokens` rows each, one at least.
fn whole_texts(rows: usize, tokens: usize) -> bool {
    rows > 0 && tokens > 0 && rows.is_multiple_of(tokens)
}

/// One row: `[tokens, hidden] -> [1, hidden]`.
///
/// # Errors
/// As [`add_rows`].
pub fn row(x: Tensor<2>, index: usize) -> Result<Tensor<2>, KernelError> {
    let [tokens, width] = x.dims();
    if index >= tokens || width == 0 {
        return Err(KernelError::InvalidArgument(format!(
            "row {index} of {:?}",
            x.dims()
        )));
    }
    let out = empty([1, width], &x.device())?;
    copy_rows(&need(&x, "x")?, index, &out, 0, [1, width]);
    Ok(into_tensor(out))
}

/// Rows of `width` elements of `x`, from one on, to the rows of `out` from another on. Both must
/// hold them.
pub(super) fn copy_rows(
    x: &CubeTensor,
    from: usize,
    out: &CubeTensor,
    to: usize,
    [count, width]: [usize; 2],
) {
    let words = [width, from * width, width, width, to * width].map(|word| word as u32);
    let parameters = parameters(&words, x);
    launch(
        Shader::plain(Name::Copy, 64),
        &[Bound::Read(&parameters), Bound::Read(x), Bound::Both(out)],
        [width.div_ceil(64), count, 1],
    );
}

/// A cache `[kv_heads, capacity, head_dim]` that holds the first `len` positions of `old`. What
/// is after them is not written.
///
/// # Errors
/// As [`add_rows`].
pub fn grow_cache(old: &Tensor<3>, len: usize, capacity: usize) -> Result<Tensor<3>, KernelError> {
    let [kv_heads, positions, head_dim] = old.dims();
    if len > positions || len > capacity || kv_heads * head_dim == 0 {
        return Err(KernelError::InvalidArgument(format!(
            "{len} positions of {:?} in a cache of {capacity}",
            old.dims()
        )));
    }
    let out = empty([kv_heads, capacity, head_dim], &old.device())?;
    if len > 0 {
        let from = need(old, "the cache")?;
        let words = [len, 0, positions, capacity, 0].map(|count| (count * head_dim) as u32);
        let parameters = parameters(&words, &from);
        launch(
            Shader::plain(Name::Copy, 64),
            &[
                Bound::Read(&parameters),
                Bound::Read(&from),
                Bound::Both(&out),
            ],
            [(len * head_dim).div_ceil(64), kv_heads, 1],
        );
    }
    Ok(into_tensor(out))
}
