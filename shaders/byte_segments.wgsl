// From logits to unnormalised logarithms of segments: out[s] = log Σ e^x[i] over the members i of
// segment s, such as the tokens that begin with byte s.
//
// x       [vocabulary] f32
// members [..] u32, the members of all segments, one after the other
// bounds  [segments + 1] u32, where each segment begins in members
// out     [segments] f32; an empty segment is -1e30
// Workgroup: 64 invocations, one segment; grid.x over segments. Memory: 512 bytes.
// Needs nothing beyond WebGPU's default limits.

const LOWEST: f32 = -1e30;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> members: array<u32>;
@group(0) @binding(2) var<storage, read> bounds: array<u32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

var<workgroup> largest: array<f32, 64>;
var<workgroup> sums: array<f32, 64>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) at: u32,
) {
    let begin = bounds[group.x];
    let end = bounds[group.x + 1u];
    var most = LOWEST;
    for (var i = begin + at; i < end; i += 64u) {
        most = max(most, x[members[i]]);
    }
    var sum = 0.0;
    for (var i = begin + at; i < end; i += 64u) {
        sum += exp(x[members[i]] - most);
    }
    largest[at] = most;
    sums[at] = sum;
    workgroupBarrier();
    if at == 0u {
        for (var i = 1u; i < 64u; i++) {
            most = max(most, largest[i]);
        }
        var total = 0.0;
        for (var i = 0u; i < 64u; i++) {
            total += sums[i] * exp(largest[i] - most);
        }
        out[group.x] = select(most + log(total), LOWEST, total == 0.0);
    }
}
