//! SmolLM2 and MiniLM on wgpu (a software Vulkan device will do) against Hugging Face transformers.

mod common;

use lexigraft_models::DeviceKind;

// One test in this binary: the wgpu runtime starts once a process.
#[test]
fn wgpu_agrees_with_the_references() {
    pollster::block_on(common::agrees_with_references(DeviceKind::Wgpu));
}
