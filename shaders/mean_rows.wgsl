// The mean of the rows of each text: out = (x[0] + x[1] + ...) / rows.
//
// x       [texts * p[ROWS], p[WIDTH]] f32
// out     [texts, p[WIDTH]] f32
// Workgroup: 64 invocations, a column each; grid.x over columns, grid.y over texts.
// Needs nothing beyond WebGPU's default limits.

const ROWS: u32 = 0u;
const WIDTH: u32 = 1u;

@group(0) @binding(0) var<storage, read> p: array<u32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) at: u32,
) {
    let column = group.x * 64u + at;
    let width = p[WIDTH];
    if column >= width {
        return;
    }
    let first = group.y * p[ROWS];
    var sum = 0.0;
    for (var row = first; row < first + p[ROWS]; row++) {
        sum += x[row * width + column];
    }
    out[group.y * width + column] = sum / f32(p[ROWS]);
}
