use burn::tensor::Tensor;

use super::host;
use crate::cpu::PackedMatrix;

/// `x Wᵀ`, plus `bias` `[rows]` and `residual` `[tokens, rows]` where there are any:
/// `[tokens, cols] -> [tokens, rows]`.
///
/// Activations are rounded to 16 bits, see [`cpu`](crate::cpu).
pub fn packed_linear(
    x: Tensor<2>,
    weight: &PackedMatrix,
    bias: Option<&Tensor<1>>,
    residual: Option<Tensor<2>>,
) -> Tensor<2> {
    let tokens = x.dims()[0];
    let mut out = vec![0.0; tokens * weight.rows()];
    let x = on_host(x);
    let done = host::with_scratch(|scratch| weight.matmul(x.values(), tokens, &mut out, scratch));
    host::check(done);
    if let Some(bias) = bias.and_then(host::view) {
        for row in out.chunks_exact_mut(weight.rows().max(1)) {
            for (out, bias) in row.iter_mut().zip(bias.values()) {
                *out += bias;
            }
        }
    }
    if let Some(residual) = residual {
        let residual = on_host(residual);
        for (out, residual) in out.iter_mut().zip(residual.values()) {
            *out += residual;
        }
    }
    host::tensor(out, [tokens, weight.rows()])
}

/// Rows of the matrix, exactly: `[ids] -> [ids, cols]`.
pub fn packed_rows(ids: &[u32], weight: &PackedMatrix) -> Tensor<2> {
    let mut out = vec![0.0; ids.len() * weight.cols()];
    host::check(weight.rows_into(ids, &mut out));
    host::tensor(out, [ids.len(), weight.cols()])
}

#[allow(clippy::panic, reason = "as Burn's operations, see the module")]
fn on_host(tensor: Tensor<2>) -> host::HostTensor {
    match host::take(tensor) {
        Ok(tensor) => tensor,
        Err(tensor) => panic!(
            "a packed matrix is in the processor's memory, and {:?} is not",
            tensor.device()
        ),
    }
}
