// What merging each two of the tokens behind the leading ones would add to the squared distances
// from their means (Ward 1963): size_a size_b / (size_a + size_b) |a - b|².
//
// units   [tokens, p[WIDTH]] f32 of length one, in vectors of four
// sizes   [tokens] f32
// costs   [reducible, reducible] f32, symmetric; 3e38 on the diagonal
// Workgroup: 64 invocations, a pair each; grid.x over the second, grid.y over the first of a pair.
// Needs nothing beyond WebGPU's default limits.

const TOKENS: u32 = 0u;
const LEADING: u32 = 1u;
const WIDTH: u32 = 2u;

@group(0) @binding(0) var<storage, read> p: array<u32>;
@group(0) @binding(1) var<storage, read> units: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> sizes: array<f32>;
@group(0) @binding(3) var<storage, read_write> costs: array<f32>;

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
    if a == b {
        costs[a * n + a] = 3e38;
        return;
    }
    let quads = p[WIDTH] / 4u;
    let first = (leading + a) * quads;
    let second = (leading + b) * quads;
    var apart = 0.0;
    for (var i = 0u; i < quads; i++) {
        let difference = units[first + i] - units[second + i];
        apart += dot(difference, difference);
    }
    let size_a = sizes[leading + a];
    let size_b = sizes[leading + b];
    let cost = apart * (size_a * size_b / (size_a + size_b));
    // No number, of hidden states that are none, is the most.
    let bounded = select(1e30, cost, cost < 1e30);
    costs[a * n + b] = bounded;
    costs[b * n + a] = bounded;
}
