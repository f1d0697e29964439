// Where each patch went, and what it lost: the sum over all reductions of what its token was before
// and after.
//
// goes    u32, [tokens] from p[TO] on: the output that each token becomes part of
// before  [tokens, p[WIDTH]] f32 and after [outputs, p[WIDTH]] f32
// place   [patches] u32, the token of each patch; not read when p[FIRST] is 1
// lost    [patches, p[WIDTH]] f32; not read when p[FIRST] is 1
// Workgroup: 64 invocations, one patch; grid.x over patches.
// Needs nothing beyond WebGPU's default limits.

const TO: u32 = 0u;
const LEADING: u32 = 1u;
const WIDTH: u32 = 2u;
const FIRST: u32 = 3u;

@group(0) @binding(0) var<storage, read> p: array<u32>;
@group(0) @binding(1) var<storage, read> goes: array<u32>;
@group(0) @binding(2) var<storage, read> before: array<f32>;
@group(0) @binding(3) var<storage, read> after: array<f32>;
@group(0) @binding(4) var<storage, read_write> place: array<u32>;
@group(0) @binding(5) var<storage, read_write> lost: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) at: u32,
) {
    let width = p[WIDTH];
    let patch_at = group.x;
    var token = p[LEADING] + patch_at;
    if p[FIRST] == 0u {
        token = place[patch_at];
    }
    let output = goes[p[TO] + token];
    for (var i = at; i < width; i += 64u) {
        var sum = 0.0;
        if p[FIRST] == 0u {
            sum = lost[patch_at * width + i];
        }
        lost[patch_at * width + i] = sum + before[token * width + i] - after[output * width + i];
    }
    // All have read it.
    workgroupBarrier();
    if at == 0u {
        place[patch_at] = output;
    }
}
