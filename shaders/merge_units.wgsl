// What tokens are compared by: the sum of some parts of each row, scaled to length one.
//
// x       [tokens, p[ROW]] f32, a row's parts of p[WIDTH] one after the other from p[FROM] on
// out     [tokens, p[WIDTH]] f32; a row of zeros stays one
// Workgroup: 64 invocations, one token; grid.x over tokens. Memory: 256 bytes.
// Needs nothing beyond WebGPU's default limits.

const ROW: u32 = 0u;
const FROM: u32 = 1u;
const PARTS: u32 = 2u;
const WIDTH: u32 = 3u;

@group(0) @binding(0) var<storage, read> p: array<u32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

var<workgroup> squares: array<f32, 64>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) at: u32,
) {
    let width = p[WIDTH];
    let base = group.x * p[ROW] + p[FROM];
    var square = 0.0;
    for (var i = at; i < width; i += 64u) {
        var sum = 0.0;
        for (var part = 0u; part < p[PARTS]; part++) {
            sum += x[base + part * width + i];
        }
        out[group.x * width + i] = sum;
        square += sum * sum;
    }
    squares[at] = square;
    workgroupBarrier();
    for (var reach = 32u; reach > 0u; reach >>= 1u) {
        if at < reach {
            squares[at] += squares[at + reach];
        }
        workgroupBarrier();
    }
    let total = squares[0];
    let scale = select(0.0, inverseSqrt(total), total > 0.0);
    for (var i = at; i < width; i += 64u) {
        // Each invocation scales what it wrote.
        out[group.x * width + i] *= scale;
    }
}
