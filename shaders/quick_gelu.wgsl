// The sigmoid approximation of GELU (arXiv 1606.08415): out = x / (1 + exp(-1.702 x)).
//
// x       [p[COUNT]] f32
// out     [p[COUNT]] f32
// Workgroup: 64 invocations, an element each; groups in rows of p[ACROSS].
// Needs nothing beyond WebGPU's default limits.

const COUNT: u32 = 0u;
const ACROSS: u32 = 1u;

@group(0) @binding(0) var<storage, read> p: array<u32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) at: u32,
) {
    let i = (group.y * p[ACROSS] + group.x) * 64u + at;
    if i >= p[COUNT] {
        return;
    }
    let value = x[i];
    // Beyond 80 the quotient is zero anyway, and an overflow is not defined.
    out[i] = value / (1.0 + exp(min(-1.702 * value, 80.0)));
}
