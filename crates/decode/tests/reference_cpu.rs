//! SmolLM2 and MiniLM on the CPU against Hugging Face transformers.

mod common;

use lexigraft_models::DeviceKind;

#[test]
fn the_cpu_agrees_with_the_references() {
    pollster::block_on(common::agrees_with_references(DeviceKind::Cpu));
}
