//! Sums, means and copies of whole rows.

use burn::backend::wgpu::CubeTensor;
use burn::tensor::Tensor;

use super::launch::{Bound, launch, parameters};
use super::shader::{Name, Shader};
use super::tensor::{empty, into_tensor, need};
use crate::KernelError;

/// Workgroups that WebGPU promises in one dimension of a grid.
pub(super) const MAX_GROUPS: usize = 65_535;

/// `x` plus the first rows of `table`: `[tokens, hidden] -> [tokens, hidden]`.
///
/// # Errors
/// `invalid-argument` when shapes do not fit or a tensor is not `f32` on the wgpu device.
pub fn add_rows(x: Tensor<2>, table: &Tensor<2>) -> Result<Tensor<2>, KernelError> {
    let ([tokens, width], [rows, columns]) = (x.dims(), table.dims());
    if rows < tokens || columns != width || tokens * width == 0 {
        return Err(KernelError::InvalidArgument(format!(
            "a sum of {:?} and the first rows of {:?}",
            x.dims(),
            table.dims()
        )));
    }
    let out = empty([tokens, width], &x.device())?;
    let (from, table) = (need(&x, "x")?, need(table, "the table")?);
    let groups = (tokens * width).div_ceil(64);
    let across = groups.min(MAX_GROUPS);
    let parameters = parameters(&[(tokens * width) as u32, across as u32], &from);
    launch(
        Shader::plain(Name::Add, 64),
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

/// The mean of all rows: `[tokens, hidden] -> [1, hidden]`.
///
/// # Errors
/// As [`add_rows`].
pub fn mean_rows(x: Tensor<2>) -> Result<Tensor<2>, KernelError> {
    let [tokens, width] = x.dims();
    if tokens * width == 0 {
        return Err(KernelError::InvalidArgument(
            "there is no mean of no rows".to_owned(),
        ));
    }
    let out = empty([1, width], &x.device())?;
    let from = need(&x, "x")?;
    let parameters = parameters(&[tokens as u32, width as u32], &from);
    launch(
        Shader::plain(Name::MeanRows, 64),
        &[
            Bound::Read(&parameters),
            Bound::Read(&from),
            Bound::Write(&out),
        ],
        [width.div_ceil(64), 1, 1],
    );
    Ok(into_tensor(out))
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
