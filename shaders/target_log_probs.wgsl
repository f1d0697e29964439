// Log-softmax, gathered: out[row] = x[row][target] - log(sum over i of exp(x[row][i])).
//
// x       [rows, p[WIDTH]] f32
// targets [rows] u32, each below p[WIDTH]
// out     [rows] f32, natural logarithms
// Workgroup: 256 invocations, one row; grid.x over rows. Memory: 1 KiB.
// Needs nothing beyond WebGPU's default limits.

const WIDTH: u32 = 0u;
const LOWEST: f32 = -3.4028234e38;

@group(0) @binding(0) var<storage, read> p: array<u32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> targets: array<u32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

var<workgroup> shares: array<f32, 256>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) at: u32,
) {
    let width = p[WIDTH];
    let base = group.x * width;
    var most = LOWEST;
    for (var i = at; i < width; i += 256u) {
        most = max(most, x[base + i]);
    }
    shares[at] = most;
    workgroupBarrier();
    for (var reach = 128u; reach > 0u; reach >>= 1u) {
        if at < reach {
            shares[at] = max(shares[at], shares[at + reach]);
        }
        workgroupBarrier();
    }
    most = shares[0];
    workgroupBarrier();
    var share = 0.0;
    for (var i = at; i < width; i += 256u) {
        share += exp(x[base + i] - most);
    }
    shares[at] = share;
    workgroupBarrier();
    for (var reach = 128u; reach > 0u; reach >>= 1u) {
        if at < reach {
            shares[at] += shares[at + reach];
        }
        workgroupBarrier();
    }
    if at == 0u {
        out[group.x] = x[base + targets[group.x]] - most - log(shares[0]);
    }
}
