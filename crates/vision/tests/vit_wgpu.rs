//! The vision transformer on wgpu (a software Vulkan device will do) against onnxruntime.

#[path = "common/reference.rs"]
mod reference;

use lexigraft_models::DeviceKind;

// One test in this binary: the wgpu runtime starts once a process.
#[test]
fn wgpu_agrees_with_the_references() {
    pollster::block_on(async {
        let model = reference::model(DeviceKind::Wgpu).await;
        reference::agrees_with_references(&model).await;
    });
}
