// Where each patch went, and what it lost: the sum over all reductions of what its token was before
// and after. A patch that is dropped keeps what it was.
//
// goes    u32, [tokens] from p[TO] on: the output that each token becomes part of; 0xffffffff when it
//         is dropped
// before  [tokens, p[WIDTH]] f32
// after   [outputs, p[WIDTH]] f32, with the feature LOSSES
// place   [patches] u32, the token of each patch, 0xffffffff for dropped ones; not read when p[FIRST]
//         is 1
// lost    [patches, p[WIDTH]] f32, the last row of a patch that was dropped; not read when p[FIRST]
//         is 1
// Features: LOSSES  what living patches lose is added up; without it their rows stay as they are
// Workgroup: 64 invocations, one patch; grid.x over patches.
// Needs nothing beyond WebGPU's default limits.

const TO: u32 = 0u;
const LEADING: u32 = 1u;
const WIDTH: u32 = 2u;
const FIRST: u32 = 3u;
const NONE: u32 = 0xffffffffu;

@group(0) @binding(0) var<storage, read> p: array<u32>;
@group(0) @binding(1) var<storage, read> goes: array<u32>;
@group(0) @binding(2) var<storage, read> before: array<f32>;
//#if LOSSES
@group(0) @binding(3) var<storage, read> after: array<f32>;
//#endif
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
    var output = NONE;
    if token != NONE {
        output = goes[p[TO] + token];
        for (var i = at; i < width; i += 64u) {
            let own = patch_at * width + i;
//#if LOSSES
            var sum = before[token * width + i];
            if p[FIRST] == 0u {
                sum += lost[own];
            }
            if output != NONE {
                sum -= after[output * width + i];
            }
            lost[own] = sum;
//#else
            if output == NONE {
                lost[own] = before[token * width + i];
            }
//#endif
        }
    }
    // All have read it.
    workgroupBarrier();
    if at == 0u {
        place[patch_at] = output;
    }
}
