//! Operations of transformer blocks on Burn tensors.
//!
//! Each function looks at the device of its first tensor: on Burn's Flex backend the slice kernels
//! of [`cpu`](crate::cpu) run on the tensors' own memory, on its wgpu backend the WGSL kernels of
//! `gpu`, elsewhere plain Burn operations. Shapes are written outermost first, as
//! `[tokens, hidden]`.
//!
//! # Panics
//! As Burn's own operations, when shapes do not fit.

mod attention;
mod full_attention;
mod gelu;
#[cfg(feature = "cpu")]
mod host;
mod layer_norm;
#[cfg(feature = "cpu")]
mod linear;
#[cfg(all(test, feature = "cpu"))]
mod parity;
mod rms_norm;
mod rope;
mod swiglu;

pub use crate::cpu::Heads;
pub use attention::{CausalMask, append_attention, attention};
pub use full_attention::full_attention;
pub use gelu::gelu;
pub use layer_norm::layer_norm;
#[cfg(feature = "cpu")]
pub use linear::{packed_linear, packed_rows};
pub use rms_norm::rms_norm;
pub use rope::{RopeRows, rope_append};
pub use swiglu::swiglu;
