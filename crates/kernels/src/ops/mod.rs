//! Operations of transformer blocks on Burn tensors.
//!
//! Each function looks at the device of its first tensor: on Burn's Flex backend the slice kernels
//! of [`cpu`](crate::cpu) run on the tensors' own memory, on its wgpu backend the WGSL kernels of
//! `gpu`, elsewhere plain Burn operations. These come with the feature `reference`, which modules
//! for the browser leave out: most of Burn's own kernels would come with them. Shapes are written
//! outermost first, as `[tokens, hidden]`.
//!
//! # Panics
//! As Burn's own operations, when shapes do not fit. Without the feature `reference`, also for a
//! device or a shape that no kernel serves.

/// The reference in plain Burn, in builds that have it.
macro_rules! otherwise {
    ($reference:ident($($operand:expr),*)) => {{
        #[cfg(feature = "reference")]
        {
            $reference($($operand),*)
        }
        #[cfg(not(feature = "reference"))]
        {
            $(let _ = $operand;)*
            $crate::ops::unserved()
        }
    }};
}

mod add_rows;
mod attention;
mod branch_attention;
mod full_attention;
mod gelu;
mod grow_cache;
#[cfg(feature = "cpu")]
mod host;
mod layer_norm;
#[cfg(feature = "cpu")]
mod linear;
mod mean_rows;
mod memory;
#[cfg(all(test, feature = "cpu", feature = "reference"))]
mod parity;
mod patch_attention;
mod quick_gelu;
mod reducing;
mod rms_norm;
mod rope;
mod row;
mod swiglu;
mod target_log_probs;
mod upsample;

pub use crate::cpu::Heads;
pub use add_rows::add_rows;
pub use attention::{CausalMask, append_attention, attention};
pub use branch_attention::branch_attention;
pub use full_attention::full_attention;
pub use gelu::gelu;
pub use grow_cache::grow_cache;
pub use layer_norm::layer_norm;
#[cfg(feature = "cpu")]
pub use linear::{packed_linear, packed_rows};
pub use mean_rows::mean_rows;
pub use memory::{empty, from_host, to_host};
pub use patch_attention::patch_attention;
pub use quick_gelu::quick_gelu;
pub use reducing::{ByAttention, Demands, Matching, Reducing};
pub use rms_norm::rms_norm;
pub use rope::{RopeTables, rope_append};
pub use row::row;
pub use swiglu::swiglu;
pub use target_log_probs::target_log_probs;
pub use upsample::upsample;

/// What is left to do for operands that no kernel serves.
#[cfg(not(feature = "reference"))]
#[allow(clippy::panic, reason = "as Burn's operations, see the module")]
fn unserved() -> ! {
    panic!("no kernel of this build serves a tensor of this shape on this device")
}
