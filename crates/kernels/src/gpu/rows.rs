//! Rows of a [`GpuMatrix`]: the embedding of ids.

use burn::backend::wgpu::CubeTensor;
use burn::tensor::Tensor;

use super::format::{CHUNK, has_words};
use super::launch::{Bound, decode_step, launch, parameters, step_with};
use super::matrix::GpuMatrix;
use super::shader::{Name, Shader};
use super::tensor::{empty, into_tensor};
use crate::KernelError;

/// Rows of the matrix as the checkpoint's dequantisation gives them, but for the rounding of one
/// multiplication: `[ids] -> [ids, cols]`.
///
/// # Errors
/// `invalid-argument` for no ids, or an id that is not below [`GpuMatrix::rows`].
pub fn rows(ids: &[u32], weight: &GpuMatrix) -> Result<Tensor<2>, KernelError> {
    if let Some(id) = ids.iter().find(|&&id| id as usize >= weight.rows()) {
        return Err(KernelError::InvalidArgument(format!(
            "row {id} of {weight:?}: give ids below its rows"
        )));
    }
    if ids.is_empty() {
        return Err(KernelError::InvalidArgument(
            "no rows were asked for".to_owned(),
        ));
    }
    let out = empty([ids.len(), weight.cols()], &weight.device)?;
    let step = step_with(ids, &out);
    Ok(gather(&step, ids.len(), weight, out))
}

/// The row of the id that the device chose for the step at `start`: `[1, cols]`. Whoever reads that
/// id back must find it below [`GpuMatrix::rows`]; beyond them a row is not defined.
///
/// # Errors
/// `invalid-argument` when there is no such step.
pub fn chosen_row(start: usize, weight: &GpuMatrix) -> Result<Tensor<2>, KernelError> {
    let out = empty([1, weight.cols()], &weight.device)?;
    let step = decode_step(start, &out).ok_or_else(|| {
        KernelError::InvalidArgument(format!("no step was moved to position {start}"))
    })?;
    Ok(gather(&step, 1, weight, out))
}

/// `out[i] = W[step[1 + i]]` for `count` ids.
fn gather(step: &CubeTensor, count: usize, weight: &GpuMatrix, out: CubeTensor) -> Tensor<2> {
    let chunks = weight.cols() / CHUNK;
    for shard in &weight.shards {
        let words = [shard.total, chunks, shard.rows, shard.first, 1].map(|word| word as u32);
        let parameters = parameters(&words, &out);
        let mut shader = Shader::plain(Name::Rows, 64).feature("WORDS", has_words(shard.dtype));
        shader.format = Some(shard.dtype);
        let mut bound = vec![Bound::Read(&parameters), Bound::Read(&shard.quants)];
        bound.extend(shard.words.as_ref().map(Bound::Read));
        bound.push(Bound::Read(step));
        bound.push(Bound::Both(&out));
        launch(shader, &bound, [chunks.div_ceil(64), count, 1]);
    }
    into_tensor(out)
}
