// Normalises logarithms in place: x[s] -= log Σ e^x.
//
// x       [p[WIDTH]] f32, at least one above -1e30
// Workgroup: 64 invocations, one of them in all. Memory: 512 bytes.
// Needs nothing beyond WebGPU's default limits.

const WIDTH: u32 = 0u;
const LOWEST: f32 = -1e30;

@group(0) @binding(0) var<storage, read> p: array<u32>;
@group(0) @binding(1) var<storage, read_write> x: array<f32>;

var<workgroup> largest: array<f32, 64>;
var<workgroup> sums: array<f32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) at: u32) {
    let width = p[WIDTH];
    var most = LOWEST;
    for (var i = at; i < width; i += 64u) {
        most = max(most, x[i]);
    }
    var sum = 0.0;
    for (var i = at; i < width; i += 64u) {
        sum += exp(x[i] - most);
    }
    largest[at] = most;
    sums[at] = sum;
    workgroupBarrier();
    var top = largest[0];
    for (var i = 1u; i < 64u; i++) {
        top = max(top, largest[i]);
    }
    var total = 0.0;
    for (var i = 0u; i < 64u; i++) {
        total += sums[i] * exp(largest[i] - top);
    }
    let shift = top + log(total);
    for (var i = at; i < width; i += 64u) {
        x[i] = select(x[i] - shift, LOWEST, x[i] <= LOWEST);
    }
}
