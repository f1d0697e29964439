// Root-mean-square normalisation (arXiv 1910.07467): out = y gain / sqrt(mean(y²) + eps).
//
// x, out  [tokens, p[WIDTH]] f32; gain [p[WIDTH]] f32
// Features: ADD   y = x + residual, which is written to sum; without it y = x
// Workgroup: 64 invocations, one token; grid.x over tokens. Memory: 256 bytes.
// Needs nothing beyond WebGPU's default limits.

const WIDTH: u32 = 0u;
const EPS: u32 = 1u;

@group(0) @binding(0) var<storage, read> p: array<u32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> gain: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
//#if ADD
@group(0) @binding(4) var<storage, read> residual: array<f32>;
@group(0) @binding(5) var<storage, read_write> sum: array<f32>;
//#endif

var<workgroup> squares: array<f32, 64>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) at: u32,
) {
    let width = p[WIDTH];
    let base = group.x * width;
    var square = 0.0;
    for (var i = at; i < width; i += 64u) {
//#if ADD
        let v = x[base + i] + residual[base + i];
        sum[base + i] = v;
//#else
        let v = x[base + i];
//#endif
        square += v * v;
    }
    squares[at] = square;
    workgroupBarrier();
    var mean = 0.0;
    for (var i = 0u; i < 64u; i++) {
        mean += squares[i];
    }
    let scale = inverseSqrt(mean / f32(width) + bitcast<f32>(p[EPS]));
    for (var i = at; i < width; i += 64u) {
//#if ADD
        // An invocation reads back only what it wrote itself.
        let v = sum[base + i];
//#else
        let v = x[base + i];
//#endif
        out[base + i] = v * scale * gain[i];
    }
}
