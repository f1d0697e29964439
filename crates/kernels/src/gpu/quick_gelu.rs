//! The activation of CLIP's networks.

use burn::tensor::Tensor;

use super::launch::{Bound, launch, parameters};
use super::rearrange::MAX_GROUPS;
use super::shader::{Name, Shader};
use super::tensor::{empty, into_tensor, need};
use crate::KernelError;

/// `x sigmoid(1.702 x)` (arXiv 1606.08415): `[tokens, wide] -> [tokens, wide]`.
///
/// # Errors
/// `invalid-argument` for no elements or a tensor that is not `f32` on the wgpu device.
pub fn quick_gelu(x: Tensor<2>) -> Result<Tensor<2>, KernelError> {
    let [tokens, wide] = x.dims();
    let count = tokens * wide;
    if count == 0 {
        return Err(KernelError::InvalidArgument(
            "an activation of no elements".to_owned(),
        ));
    }
    let out = empty([tokens, wide], &x.device())?;
    let from = need(&x, "x")?;
    let groups = count.div_ceil(64);
    let across = groups.min(MAX_GROUPS);
    let parameters = parameters(&[count as u32, across as u32], &from);
    launch(
        Shader::plain(Name::QuickGelu, 64),
        &[
            Bound::Read(&parameters),
            Bound::Read(&from),
            Bound::Write(&out),
        ],
        [across, groups.div_ceil(across), 1],
    );
    Ok(into_tensor(out))
}
