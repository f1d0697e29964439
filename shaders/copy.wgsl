// Runs of equal length from one buffer to another.
//
// x       runs of p[LENGTH] f32, run r at p[FROM] + r p[FROM_STRIDE]
// out     run r at p[TO] + r p[TO_STRIDE]; what lies between runs stays as it is
// Workgroup: 64 invocations, an element each; grid.x over the elements of a run, grid.y over runs.
// Needs nothing beyond WebGPU's default limits.

const LENGTH: u32 = 0u;
const FROM: u32 = 1u;
const FROM_STRIDE: u32 = 2u;
const TO_STRIDE: u32 = 3u;
const TO: u32 = 4u;

@group(0) @binding(0) var<storage, read> p: array<u32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) at: u32,
) {
    let i = group.x * 64u + at;
    if i < p[LENGTH] {
        out[p[TO] + group.y * p[TO_STRIDE] + i] = x[p[FROM] + group.y * p[FROM_STRIDE] + i];
    }
}
