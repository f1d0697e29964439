// Gated activation (arXiv 2002.05202): out = silu(gate) up.
//
// x       [tokens, 2 p[WIDTH]] f32, each row the gate, then the up projection
// out     [tokens, p[WIDTH]] f32
// Workgroup: 64 invocations, an element each; grid.x over elements, grid.y over tokens.
// Needs nothing beyond WebGPU's default limits.

const WIDTH: u32 = 0u;

@group(0) @binding(0) var<storage, read> p: array<u32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) at: u32,
) {
    let width = p[WIDTH];
    let i = group.x * 64u + at;
    if i >= width {
        return;
    }
    let gate = x[group.y * 2u * width + i];
    let up = x[group.y * 2u * width + width + i];
    // Beyond 80 the quotient is zero anyway, and an overflow is not defined.
    out[group.y * width + i] = gate / (1.0 + exp(min(-gate, 80.0))) * up;
}
