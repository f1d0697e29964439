//! Normalisation and gate where they stand alone.

use burn::tensor::Tensor;

use super::launch::{Bound, launch, parameters};
use super::shader::{Name, Shader};
use super::tensor::{empty, into_tensor, need};
use crate::KernelError;

/// `x / sqrt(mean(x²) + eps) * gain` (arXiv 1910.07467): `[tokens, hidden] -> [tokens, hidden]`.
///
/// # Errors
/// `invalid-argument` when shapes do not fit or a tensor is not `f32` on the wgpu device.
pub fn rms_norm(x: Tensor<2>, gain: &Tensor<1>, eps: f64) -> Result<Tensor<2>, KernelError> {
    norm(x, None, gain, eps).map(|(out, _)| out)
}

/// The normalisation of `x + residual`, and that sum.
///
/// # Errors
/// As [`rms_norm`].
pub fn add_rms_norm(
    x: Tensor<2>,
    residual: &Tensor<2>,
    gain: &Tensor<1>,
    eps: f64,
) -> Result<(Tensor<2>, Tensor<2>), KernelError> {
    norm(x, Some(residual), gain, eps)
}

fn norm(
    x: Tensor<2>,
    residual: Option<&Tensor<2>>,
    gain: &Tensor<1>,
    eps: f64,
) -> Result<(Tensor<2>, Tensor<2>), KernelError> {
    let [tokens, width] = x.dims();
    if gain.dims() != [width]
        || tokens == 0
        || residual.is_some_and(|residual| residual.dims() != x.dims())
    {
        return Err(KernelError::InvalidArgument(format!(
            "a normalisation of {:?} with gains of {:?} and a residual of {:?}",
            x.dims(),
            gain.dims(),
            residual.map(Tensor::dims)
        )));
    }
    let device = x.device();
    let from = need(&x, "x")?;
    let gain = need(gain, "the gain")?;
    let out = empty([tokens, width], &device)?;
    let words = [width as u32, (eps as f32).to_bits()];
    let parameters = parameters(&words, &from);
    let shader = Shader::plain(Name::RmsNorm, 64).feature("ADD", residual.is_some());
    let mut bound = vec![
        Bound::Read(&parameters),
        Bound::Read(&from),
        Bound::Read(&gain),
        Bound::Write(&out),
    ];
    let Some(residual) = residual else {
        launch(shader, &bound, [tokens, 1, 1]);
        return Ok((into_tensor(out), x));
    };
    let residual = need(residual, "the residual")?;
    let sum = empty([tokens, width], &device)?;
    bound.push(Bound::Read(&residual));
    bound.push(Bound::Both(&sum));
    launch(shader, &bound, [tokens, 1, 1]);
    Ok((into_tensor(out), into_tensor(sum)))
}

/// `silu(gate) * up` (arXiv 2002.05202): `[tokens, 2 wide] -> [tokens, wide]`.
///
/// # Errors
/// `invalid-argument` for an odd width or a tensor that is not `f32` on the wgpu device.
pub fn swiglu(gate_up: Tensor<2>) -> Result<Tensor<2>, KernelError> {
    let [tokens, columns] = gate_up.dims();
    if !columns.is_multiple_of(2) || columns == 0 || tokens == 0 {
        return Err(KernelError::InvalidArgument(format!(
            "a gate and its partner of {tokens} x {columns}: the width must be even"
        )));
    }
    let wide = columns / 2;
    let out = empty([tokens, wide], &gate_up.device())?;
    let from = need(&gate_up, "the gate")?;
    let parameters = parameters(&[wide as u32], &from);
    launch(
        Shader::plain(Name::Swiglu, 64),
        &[
            Bound::Read(&parameters),
            Bound::Read(&from),
            Bound::Write(&out),
        ],
        [wide.div_ceil(64), tokens, 1],
    );
    Ok(into_tensor(out))
}

/// `(x - mean) / sqrt(variance + eps) * gain + bias` (arXiv 1607.06450), biased variance:
/// `[tokens, hidden] -> [tokens, hidden]`.
///
/// # Errors
/// As [`rms_norm`].
pub fn layer_norm(
    x: Tensor<2>,
    gain: &Tensor<1>,
    bias: &Tensor<1>,
    eps: f64,
) -> Result<Tensor<2>, KernelError> {
    let [tokens, width] = x.dims();
    if gain.dims() != [width] || bias.dims() != [width] || tokens == 0 {
        return Err(KernelError::InvalidArgument(format!(
            "a normalisation of {:?} with gains of {:?} and a bias of {:?}",
            x.dims(),
            gain.dims(),
            bias.dims()
        )));
    }
    let from = need(&x, "x")?;
    let (gain, bias) = (need(gain, "the gain")?, need(bias, "the bias")?);
    let out = empty([tokens, width], &x.device())?;
    let parameters = parameters(&[width as u32, (eps as f32).to_bits()], &from);
    launch(
        Shader::plain(Name::LayerNorm, 64),
        &[
            Bound::Read(&parameters),
            Bound::Read(&from),
            Bound::Read(&gain),
            Bound::Read(&bias),
            Bound::Write(&out),
        ],
        [tokens, 1, 1],
    );
    Ok(into_tensor(out))
}
