// Layer normalisation (arXiv 1607.06450), biased variance:
// out = (x - mean) / sqrt(variance + eps) gain + bias.
//
// x, out  [tokens, p[WIDTH]] f32; gain, bias [p[WIDTH]] f32
// Workgroup: 64 invocations, one token; grid.x over tokens. Memory: 288 bytes.
// Needs nothing beyond WebGPU's default limits.

const WIDTH: u32 = 0u;
const EPS: u32 = 1u;

@group(0) @binding(0) var<storage, read> p: array<u32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> gain: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

var<workgroup> shares: array<f32, 64>;
var<workgroup> eighths: array<f32, 8>;

// The sum of all invocations' shares, in two steps: each invocation would read 64 numbers in one.
fn sum_of(share: f32, at: u32) -> f32 {
    shares[at] = share;
    workgroupBarrier();
    var sum = 0.0;
    if at < 8u {
        for (var i = 0u; i < 8u; i++) {
            sum += shares[at * 8u + i];
        }
        eighths[at] = sum;
    }
    workgroupBarrier();
    sum = 0.0;
    for (var i = 0u; i < 8u; i++) {
        sum += eighths[i];
    }
    return sum;
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) at: u32,
) {
    let width = p[WIDTH];
    let base = group.x * width;
    var share = 0.0;
    for (var i = at; i < width; i += 64u) {
        share += x[base + i];
    }
    let mean = sum_of(share, at) / f32(width);
    // A second pass: the difference of two large sums would lose what small variances have.
    share = 0.0;
    for (var i = at; i < width; i += 64u) {
        let centred = x[base + i] - mean;
        share += centred * centred;
    }
    let scale = inverseSqrt(sum_of(share, at) / f32(width) + bitcast<f32>(p[EPS]));
    for (var i = at; i < width; i += 64u) {
        out[base + i] = (x[base + i] - mean) * scale * gain[i] + bias[i];
    }
}
