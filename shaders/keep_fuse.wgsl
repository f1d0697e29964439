// One more token behind those that are kept (arXiv 2202.07800): the sum of the dropped ones by their
// scores, which is not divided by anything. It counts as one patch.
//
// x       [tokens, p[WIDTH]] f32
// scores  [p[PARTS], tokens] f32; a token's score is the sum of its parts
// goes    u32, [tokens] from p[TO] on: 0xffffffff for those that are dropped
// out     [outputs, p[WIDTH]] f32, of which the last row is written
// whole   [outputs] f32, of which the last one is written
// Workgroup: 64 invocations, an element each; grid.x over the width.
// Needs nothing beyond WebGPU's default limits.

const TOKENS: u32 = 0u;
const WIDTH: u32 = 1u;
const PARTS: u32 = 2u;
const TO: u32 = 3u;
const LAST: u32 = 4u;
const NONE: u32 = 0xffffffffu;

@group(0) @binding(0) var<storage, read> p: array<u32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> scores: array<f32>;
@group(0) @binding(3) var<storage, read> goes: array<u32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;
@group(0) @binding(5) var<storage, read_write> whole: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) at: u32,
) {
    let tokens = p[TOKENS];
    let width = p[WIDTH];
    let i = group.x * 64u + at;
    if i >= width {
        return;
    }
    var sum = 0.0;
    for (var token = 0u; token < tokens; token++) {
        if goes[p[TO] + token] == NONE {
            var score = 0.0;
            for (var part = 0u; part < p[PARTS]; part++) {
                score += scores[part * tokens + token];
            }
            sum += score * x[token * width + i];
        }
    }
    out[p[LAST] * width + i] = sum;
    if i == 0u {
        whole[p[LAST]] = 1.0;
    }
}
