//! What a checkpoint says about one tensor.

use std::ops::Range;

use crate::{CheckpointError, DType};

/// Name, shape, type and place of one tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// The name in the file, such as `blk.0.attn_q.weight`.
    pub name: String,
    /// Row-major dimensions, outermost first: a matrix is `[rows, cols]`.
    /// Empty for a scalar. (GGUF stores them innermost first.)
    pub shape: Vec<usize>,
    /// How the elements are stored.
    pub dtype: DType,
    /// Absolute bytes in the file. For [`DType::Other`] in a GGUF the length
    /// is unknown, and the range ends where the next tensor begins.
    pub range: Range<u64>,
}

impl TensorInfo {
    /// Number of elements: the product of the shape, 1 for a scalar.
    pub fn elements(&self) -> usize {
        self.shape
            .iter()
            .fold(1, |product: usize, &dim| product.saturating_mul(dim))
    }

    /// Bytes that the tensor takes in the file.
    pub fn bytes(&self) -> u64 {
        self.range.end.saturating_sub(self.range.start)
    }

    /// Checks that the type is decoded and that shape and range agree.
    /// The fields are public, so the caller may have changed them.
    pub(crate) fn checked_elements(&self) -> Result<usize, CheckpointError> {
        if !self.dtype.is_supported() {
            return Err(CheckpointError::UnsupportedType {
                tensor: self.name.clone(),
                dtype: self.dtype.to_string(),
            });
        }
        self.shape
            .iter()
            .try_fold(1usize, |product, &dim| product.checked_mul(dim))
            .filter(|&elements| self.dtype.bytes_for(elements as u64) == Some(self.bytes()))
            .ok_or_else(|| {
                CheckpointError::InvalidArgument(format!(
                    "tensor `{}` of type {} and shape {:?} does not take {} bytes. Use the \
                     description that the checkpoint gives",
                    self.name,
                    self.dtype,
                    self.shape,
                    self.bytes()
                ))
            })
    }
}

/// Refuses tensors that share bytes. `tensors` may be in any order.
pub(crate) fn refuse_overlaps(tensors: &[TensorInfo]) -> Result<(), CheckpointError> {
    let mut by_start: Vec<&TensorInfo> = tensors.iter().filter(|t| !t.range.is_empty()).collect();
    by_start.sort_unstable_by_key(|t| t.range.start);
    for pair in by_start.windows(2) {
        if let [a, b] = pair
            && b.range.start < a.range.end
        {
            return Err(CheckpointError::Malformed(format!(
                "tensors `{}` (bytes {}..{}) and `{}` (bytes {}..{}) overlap",
                a.name, a.range.start, a.range.end, b.name, b.range.start, b.range.end
            )));
        }
    }
    Ok(())
}
