// Each output as the mean of its tokens by their sizes, and its size. A token that stays alone comes
// through bit for bit.
//
// x       [tokens, p[WIDTH]] f32
// sizes   [tokens] f32
// links   [2 tokens] u32 of merge_links
// out     [outputs, p[WIDTH]] f32
// whole   [outputs] f32
// Workgroup: 64 invocations, one output; grid.x over outputs.
// Needs nothing beyond WebGPU's default limits.

const TOKENS: u32 = 0u;
const WIDTH: u32 = 1u;
const NONE: u32 = 0xffffffffu;

@group(0) @binding(0) var<storage, read> p: array<u32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> sizes: array<f32>;
@group(0) @binding(3) var<storage, read> links: array<u32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;
@group(0) @binding(5) var<storage, read_write> whole: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) at: u32,
) {
    let tokens = p[TOKENS];
    let width = p[WIDTH];
    let first = links[group.x];
    var total = 0.0;
    for (var token = first; token != NONE; token = links[tokens + token]) {
        total += sizes[token];
    }
    let alone = links[tokens + first] == NONE;
    for (var i = at; i < width; i += 64u) {
        var sum = x[first * width + i];
        if !alone {
            sum = 0.0;
            for (var token = first; token != NONE; token = links[tokens + token]) {
                sum += sizes[token] / total * x[token * width + i];
            }
        }
        out[group.x * width + i] = sum;
    }
    if at == 0u {
        whole[group.x] = total;
    }
}
