use burn::tensor::Tensor;
#[cfg(feature = "reference")]
use burn::tensor::s;

/// A cache `[kv_heads, capacity, head_dim]` that holds the first `len` positions of `old`, which
/// is shaped like it but for its capacity.
pub fn grow_cache(old: Tensor<3>, len: usize, capacity: usize) -> Tensor<3> {
    #[cfg(feature = "gpu")]
    if crate::gpu::is_here(&old)
        && let Ok(out) = crate::gpu::grow_cache(&old, len, capacity)
    {
        return out;
    }
    #[cfg(feature = "cpu")]
    let old = {
        let [kv_heads, positions, head_dim] = old.dims();
        match super::host::take(old) {
            Ok(old) => {
                let mut grown = vec![0.0; kv_heads * capacity * head_dim];
                let heads = grown.chunks_exact_mut((capacity * head_dim).max(1));
                let from = old.values().chunks_exact((positions * head_dim).max(1));
                for (to, from) in heads.zip(from) {
                    for (to, from) in to.iter_mut().zip(from).take(len * head_dim) {
                        *to = *from;
                    }
                }
                return super::host::tensor(grown, [kv_heads, capacity, head_dim]);
            }
            Err(old) => old,
        }
    };
    otherwise!(reference(old, len, capacity))
}

#[cfg(feature = "reference")]
pub(super) fn reference(old: Tensor<3>, len: usize, capacity: usize) -> Tensor<3> {
    let [kv_heads, _, head_dim] = old.dims();
    let grown = Tensor::zeros([kv_heads, capacity, head_dim], &old.device());
    if len == 0 {
        return grown;
    }
    grown.slice_assign(s![.., 0..len, ..], old.narrow(1, 0, len))
}
