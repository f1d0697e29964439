// Each patch as its token and what it lost.
//
// x       [tokens, p[WIDTH]] f32
// place   [patches] u32, the token of each patch
// lost    [patches, p[WIDTH]] f32
// out     [patches, p[WIDTH]] f32
// Workgroup: 64 invocations, one patch; grid.x over patches.
// Needs nothing beyond WebGPU's default limits.

const WIDTH: u32 = 0u;

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
        out[group.x * width + i] = x[token * width + i] + lost[group.x * width + i];
    }
}
