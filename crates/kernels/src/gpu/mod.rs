//! Kernels for Burn's wgpu device: WebGPU in the browser, Vulkan, Metal or DX12 natively.
//!
//! ```text
//! blocks of a checkpoint ─► GpuBuilder ─► GpuMatrix: chunks of 32 elements in tiles of 16 rows
//!                                             │
//! x [tokens, cols] ──── WGSL of shaders/ ─────┴─► out [tokens, rows]
//! ```
//!
//! The WGSL is in `shaders/`, one kernel a file. It needs nothing beyond WebGPU's default limits:
//! no subgroups, no halves, 256 invocations and 16 KiB of workgroup memory. Sums are `f32`.
//! Each kernel has a [`twin`] in plain Rust, and [`self_test`] holds one against the other.
//!
//! # What a decode step costs
//!
//! Sizes of tensors are in small buffers that are kept, one for each content; the position and the
//! ids of a forward pass are written once, by [`begin`]. So after the first tokens no shader is
//! compiled and no such buffer made, which [`counters`] tell.

mod attention;
mod branches;
mod chain;
mod elementwise;
mod format;
mod full_attention;
mod launch;
mod matrix;
mod project;
mod quick_gelu;
mod rearrange;
mod reducing;
mod rows;
mod sample;
mod self_test;
mod shader;
mod tensor;
pub mod twin;
mod upsample;

use std::sync::atomic::{AtomicU8, Ordering};

use burn::tensor::Device;

/// The longest heads that the attention kernels take; they are a multiple of [`HEAD_DIM_UNIT`].
pub use attention::{HEAD_DIM_UNIT, MAX_HEAD_DIM};
pub use attention::{attention, attention_step, rope_append};
pub use branches::branch_attention;
pub use chain::ChosenIds;
pub use elementwise::{add_rms_norm, layer_norm, rms_norm, swiglu};
pub use full_attention::{full_attention, full_attention_as, sized_attention};
pub use launch::{Counters, Memory, begin, counters, memory};
pub use matrix::{GpuBuilder, GpuMatrix};
pub use project::{Around, Sharing, project, project_as};
pub use quick_gelu::quick_gelu;
pub use rearrange::{add_rows, grow_cache, mean_rows, row};
pub use reducing::{DROPPED, Reducing};
pub use rows::{chosen_row, rows};
pub use sample::{MAX_TOP_K, Segments, argmax, segment_log_probs, target_log_probs, top_k};
pub use self_test::{Checked, self_test};
pub(crate) use tensor::{empty_tensor, from_host, is_alone, is_here, to_host};
pub use upsample::upsample;

/// 0 until somebody knows, then 1 for hardware and 2 for software.
static ADAPTER: AtomicU8 = AtomicU8::new(0);

/// Tells whether the adapter is a software one, on which work is shared differently. Who opens the
/// device knows; without this the adapter's name decides.
pub fn assume_software(software: bool) {
    ADAPTER.store(1 + u8::from(software), Ordering::Relaxed);
}

/// Whether the adapter is a software one.
pub fn is_software(device: &Device) -> bool {
    match ADAPTER.load(Ordering::Relaxed) {
        0 => {
            let name = match tensor::empty([1], device) {
                Ok(tensor) => tensor.client.properties().identity.name.to_lowercase(),
                Err(_) => String::new(),
            };
            const NAMES: [&str; 3] = ["llvmpipe", "swiftshader", "basic render"];
            let software = NAMES.iter().any(|known| name.contains(known));
            assume_software(software);
            software
        }
        known => known == 2,
    }
}
