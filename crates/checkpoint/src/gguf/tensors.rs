//! Tensor descriptions of a GGUF header and their places in the file.

use super::cursor::{Cursor, Stop};
use super::window::Window;
use crate::source::ByteSource;
use crate::{CheckpointError, DType, Metadata, TensorInfo};

/// Above the tensor count of the largest mixtures of experts; bounds what
/// tiny descriptions can cost in memory.
pub(super) const MAX_TENSORS: u64 = 1 << 18;

/// ggml has four dimensions.
const MAX_DIMS: u32 = 4;

const DEFAULT_ALIGNMENT: u64 = 32;

/// A description with its offset still relative to the data section.
struct Description {
    dims: Vec<u64>,
    dtype: DType,
    offset: u64,
}

pub(super) async fn read<S: ByteSource>(
    window: &mut Window<'_, S>,
    count: u64,
    metadata: &Metadata,
    file_len: u64,
) -> Result<Vec<TensorInfo>, CheckpointError> {
    let alignment = alignment(metadata)?;
    let mut tensors = Vec::with_capacity(usize::try_from(count).unwrap_or(0));
    for number in 0..count {
        let name = window
            .parse(|| format!("the name of tensor {number}"), super::name)
            .await?;
        let described = window
            .parse(|| format!("tensor `{name}`"), description)
            .await?;
        tensors.push(unplaced(name, &described, alignment)?);
    }
    let data_start = window
        .position()
        .checked_next_multiple_of(alignment)
        .ok_or_else(|| malformed(format!("alignment {alignment} passes the end of the file")))?;
    for tensor in &mut tensors {
        place(tensor, data_start, file_len)?;
    }
    bound_unknown_lengths(&mut tensors, file_len);
    Ok(tensors)
}

fn alignment(metadata: &Metadata) -> Result<u64, CheckpointError> {
    match metadata.get_u64("general.alignment")? {
        None => Ok(DEFAULT_ALIGNMENT),
        Some(alignment) if alignment.is_power_of_two() => Ok(alignment),
        Some(other) => Err(malformed(format!(
            "`general.alignment` is {other}, which is no power of two"
        ))),
    }
}

fn description(cursor: &mut Cursor) -> Result<Description, Stop> {
    let dim_count = cursor.u32()?;
    if dim_count > MAX_DIMS {
        return Err(Stop::Bad(format!(
            "{dim_count} dimensions are more than {MAX_DIMS}"
        )));
    }
    let mut dims = Vec::new();
    for _ in 0..dim_count {
        dims.push(cursor.u64()?);
    }
    Ok(Description {
        dims,
        dtype: DType::from_ggml(cursor.u32()?),
        offset: cursor.u64()?,
    })
}

/// Checks shape, type and offset. The range is relative to the data section.
fn unplaced(
    name: String,
    described: &Description,
    alignment: u64,
) -> Result<TensorInfo, CheckpointError> {
    let &Description {
        ref dims,
        dtype,
        offset,
    } = described;
    if dims.contains(&0) {
        return Err(malformed(format!(
            "tensor `{name}` has a dimension of 0: {dims:?}"
        )));
    }
    // The product must fit this machine's addresses too, 32 bits in a browser.
    let elements = dims
        .iter()
        .try_fold(1u64, |product, &dim| product.checked_mul(dim))
        .filter(|&elements| usize::try_from(elements).is_ok())
        .ok_or_else(|| malformed(format!("the shape of tensor `{name}` overflows: {dims:?}")))?;
    let bytes =
        if dtype.is_supported() {
            // Rows hold whole blocks, so the innermost dimension must divide.
            let row = dims.first().copied().unwrap_or(1);
            dtype.bytes_for(row).and_then(|_| dtype.bytes_for(elements)).ok_or_else(|| {
            malformed(format!(
                "tensor `{name}` has rows of {row} elements, which do not fill whole {dtype} \
                 blocks of {}",
                dtype.block_len()
            ))
        })?
        } else {
            0
        };
    if !offset.is_multiple_of(alignment) {
        return Err(malformed(format!(
            "tensor `{name}` is at offset {offset}, which is no multiple of the alignment \
             {alignment}"
        )));
    }
    let end = offset
        .checked_add(bytes)
        .ok_or_else(|| malformed(format!("the offset of tensor `{name}` overflows: {offset}")))?;
    let shape = dims
        .iter()
        .rev()
        .map(|&dim| usize::try_from(dim).unwrap_or(usize::MAX))
        .collect();
    Ok(TensorInfo {
        name,
        shape,
        dtype,
        range: offset..end,
    })
}

/// Makes the range absolute and checks it against the file.
fn place(tensor: &mut TensorInfo, data_start: u64, file_len: u64) -> Result<(), CheckpointError> {
    let end = tensor
        .range
        .end
        .checked_add(data_start)
        .filter(|&end| end <= file_len);
    match end {
        Some(end) => {
            tensor.range = tensor.range.start + data_start..end;
            Ok(())
        }
        None => Err(malformed(format!(
            "tensor `{}` ends {} bytes into the data, which starts at byte {data_start} of a \
             file of {file_len} bytes",
            tensor.name, tensor.range.end
        ))),
    }
}

/// A type that is not decoded has no known length: let its range run to the
/// next tensor, or to the end of the file.
fn bound_unknown_lengths(tensors: &mut [TensorInfo], file_len: u64) {
    let mut starts: Vec<u64> = tensors.iter().map(|tensor| tensor.range.start).collect();
    starts.sort_unstable();
    for tensor in tensors
        .iter_mut()
        .filter(|tensor| !tensor.dtype.is_supported())
    {
        let next = starts.partition_point(|&start| start <= tensor.range.start);
        tensor.range.end = starts.get(next).copied().unwrap_or(file_len);
    }
}

fn malformed(what: String) -> CheckpointError {
    CheckpointError::Malformed(what)
}
