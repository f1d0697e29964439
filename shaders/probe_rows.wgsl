// The tokens behind the leading ones a step ahead in a direction, then all of them a step back.
//
// x       [tokens, p[WIDTH]] f32
// directions [count, p[WIDTH]] f32, of which p[INDEX] is taken
// out     [2 reducible, p[WIDTH]] f32
// Workgroup: 64 invocations, one row; grid.x over rows.
// Needs nothing beyond WebGPU's default limits.

const LEADING: u32 = 0u;
const COUNT: u32 = 1u;
const WIDTH: u32 = 2u;
const INDEX: u32 = 3u;
// The bits of a single.
const STEP: u32 = 4u;

@group(0) @binding(0) var<storage, read> p: array<u32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> directions: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) at: u32,
) {
    let width = p[WIDTH];
    let back = group.x >= p[COUNT];
    let token = p[LEADING] + group.x % p[COUNT];
    let forward = bitcast<f32>(p[STEP]);
    let step = select(forward, -forward, back);
    for (var i = at; i < width; i += 64u) {
        out[group.x * width + i] = x[token * width + i] + step * directions[p[INDEX] * width + i];
    }
}
