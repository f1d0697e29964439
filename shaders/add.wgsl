// Element by element: out = a + b.
//
// a, out  [p[COUNT]] f32
// b       [p[COUNT]] f32; with the feature REPEATED [p[PERIOD]], again and again
// Workgroup: 64 invocations, an element each; grid.x over the elements, p[STRIDE] workgroups a row
// of the grid, which has as many rows as it takes.
// Needs nothing beyond WebGPU's default limits.

const COUNT: u32 = 0u;
const STRIDE: u32 = 1u;
const PERIOD: u32 = 2u;

@group(0) @binding(0) var<storage, read> p: array<u32>;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) at: u32,
) {
    let i = (group.y * p[STRIDE] + group.x) * 64u + at;
    if i < p[COUNT] {
//#if REPEATED
        out[i] = a[i] + b[i % p[PERIOD]];
//#else
        out[i] = a[i] + b[i];
//#endif
    }
}
