//! The gathering half of a transposed convolution.

use burn::tensor::Tensor;

use super::launch::{Bound, launch, le_bytes, parameters};
use super::shader::{Name, Shader};
use super::tensor::{empty, into_tensor, need, upload};
use crate::KernelError;

/// Places of the kernel.
const PLACES: usize = 16;

/// The gathering half of a transposed convolution 4x4 with stride 2 and padding 1, with ReLU: `[batch
/// * rows * columns, 16 channels] -> [batch * 2 rows * 2 columns, channels]`, see
/// [`cpu::upsample`](crate::cpu::upsample).
///
/// # Errors
/// `invalid-argument` when shapes do not fit or `products` is not `f32` on the wgpu device.
pub fn upsample(
    products: &Tensor<2>,
    [rows, columns]: [usize; 2],
    bias: &[f32],
) -> Result<Tensor<2>, KernelError> {
    let [pixels, row] = products.dims();
    let (channels, picture) = (bias.len(), rows * columns);
    let fits = picture > 0
        && channels > 0
        && pixels > 0
        && pixels.is_multiple_of(picture)
        && row == PLACES * channels;
    if !fits {
        return Err(KernelError::InvalidArgument(format!(
            "{:?} are no products of {rows} x {columns} pixels and {channels} channels",
            products.dims()
        )));
    }
    let from = need(products, "the products")?;
    let bias: Vec<u32> = bias.iter().map(|bias| bias.to_bits()).collect();
    let bias = upload(le_bytes(&bias), &from);
    let out = empty([4 * pixels, channels], &products.device())?;
    let parameters = parameters(&[rows, columns, channels].map(|word| word as u32), &from);
    launch(
        Shader::plain(Name::Upsample, 64),
        &[
            Bound::Read(&parameters),
            Bound::Read(&from),
            Bound::Read(&bias),
            Bound::Write(&out),
        ],
        [2 * columns, 2 * rows, pixels / picture],
    );
    Ok(into_tensor(out))
}
