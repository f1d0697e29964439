// Each patch as its token and what it lost, or as it was when it was dropped.
//
// x       [tokens, p[WIDTH]] f32
// place   [patches] u32, the token of each patch; 0xffffffff for dropped ones
// lost    [patches, p[WIDTH]] f32, the last row of a patch that was dropped
// out     [patches, p[WIDTH]] f32
// Features: LOSSES  living patches get back what they lost
// Workgroup: 64 invocations, one patch; grid.x over patches.
// Needs nothing beyond WebGPU's default limits.

const WIDTH: u32 = 0u;
const NONE: u32 = 0xffffffffu;

@group(0) @binding(0) var<storage, read> p: array<u32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> place: array<u32>;
@group(0) @binding(3) var<storage, read> lost: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) at: u32,
) {
    let width = p[WIDTH];
    let token = place[group.x];
    for (var i = at; i < width; i += 64u) {
        let own = group.x * width + i;
        var value = 0.0;
        if token != NONE {
            value = x[token * width + i];
        }
//#if LOSSES
        value += lost[own];
//#else
        if token == NONE {
            value = lost[own];
        }
//#endif
        out[own] = value;
    }
}
