// Merges the parts that attention.wgsl left: out = Σ e^(m_i - m) s_i / Σ e^(m_i - m) w_i.
//
// parts   [parts, tokens, heads, head_dim + 2] f32: sums s, sum of weights w, largest score m
// out     [tokens, heads, head_dim] f32
// Workgroup: 64 invocations, one head of one token; grid.x over heads and tokens.
// Needs nothing beyond WebGPU's default limits.

const DIM: u32 = 0u;
const ITEMS: u32 = 1u;
const PARTS: u32 = 2u;

@group(0) @binding(0) var<storage, read> p: array<u32>;
@group(0) @binding(1) var<storage, read> parts: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) at: u32,
) {
    let dim = p[DIM];
    let count = p[PARTS];
    let first = group.x * (dim + 2u);
    let stride = p[ITEMS] * (dim + 2u);
    var most = parts[first + dim + 1u];
    for (var i = 1u; i < count; i++) {
        most = max(most, parts[first + i * stride + dim + 1u]);
    }
    var weights = 0.0;
    for (var i = 0u; i < count; i++) {
        let part = first + i * stride;
        weights += exp(parts[part + dim + 1u] - most) * parts[part + dim];
    }
    for (var d = at; d < dim; d += 64u) {
        var sum = 0.0;
        for (var i = 0u; i < count; i++) {
            let part = first + i * stride;
            sum += exp(parts[part + dim + 1u] - most) * parts[part + d];
        }
        out[group.x * dim + d] = sum / weights;
    }
}
