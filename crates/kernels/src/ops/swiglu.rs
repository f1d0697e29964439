use burn::tensor::Tensor;
#[cfg(feature = "reference")]
use burn::tensor::activation;

/// `silu(gate) * up` (arXiv 2002.05202): `[tokens, 2 wide] -> [tokens, wide]`.
///
/// A row holds the gate, then the up projection.
pub fn swiglu(gate_up: Tensor<2>) -> Tensor<2> {
    #[cfg(feature = "gpu")]
    if crate::gpu::is_here(&gate_up)
        && let Ok(out) = crate::gpu::swiglu(gate_up.clone())
    {
        return out;
    }
    #[cfg(feature = "cpu")]
    let gate_up = {
        let [tokens, columns] = gate_up.dims();
        match super::host::take(gate_up) {
            Ok(gate_up) => {
                let mut out = vec![0.0; tokens * (columns / 2)];
                crate::cpu::swiglu(gate_up.values(), columns / 2, &mut out);
                return super::host::tensor(out, [tokens, columns / 2]);
            }
            Err(gate_up) => gate_up,
        }
    };
    otherwise!(reference(gate_up))
}

#[cfg(feature = "reference")]
pub(super) fn reference(gate_up: Tensor<2>) -> Tensor<2> {
    let wide = gate_up.dims()[1] / 2;
    let gate = gate_up.clone().narrow(1, 0, wide);
    let up = gate_up.narrow(1, wide, wide);
    activation::silu(gate) * up
}
