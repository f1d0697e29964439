// One minus the cosine of each two of the tokens behind the leading ones.
//
// units   [tokens, p[WIDTH]] f32 of length one, in vectors of four
// out     [reducible, reducible] f32, symmetric; 3e38 on the diagonal
// Workgroup: 64 invocations, a pair each; grid.x over the second, grid.y over the first of a pair.
// Needs nothing beyond WebGPU's default limits.

const TOKENS: u32 = 0u;
const LEADING: u32 = 1u;
const WIDTH: u32 = 2u;

@group(0) @binding(0) var<storage, read> p: array<u32>;
@group(0) @binding(1) var<storage, read> units: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) at: u32,
) {
    let leading = p[LEADING];
    let n = p[TOKENS] - leading;
    let a = group.y;
    let b = group.x * 64u + at;
    if b < a || b >= n {
        return;
    }
    let quads = p[WIDTH] / 4u;
    let first = (leading + a) * quads;
    let second = (leading + b) * quads;
    var cosine = 0.0;
    for (var i = 0u; i < quads; i++) {
        cosine += dot(units[first + i], units[second + i]);
    }
    let distance = select(1.0 - cosine, 3e38, a == b);
    out[a * n + b] = distance;
    out[b * n + a] = distance;
}
