// What the first token attends to: softmax over all tokens of its query with their keys, divided by
// the heads, so that the sum over the heads is the mean.
//
// qkv     [tokens, 3 heads p[DIM]] f32: queries of all heads, their keys, their values
// out     [heads, tokens] f32
// Workgroup: 256 invocations, one head; grid.x over heads. Memory: 1 KiB.
// Needs nothing beyond WebGPU's default limits.

const TOKENS: u32 = 0u;
const HEADS: u32 = 1u;
const DIM: u32 = 2u;

@group(0) @binding(0) var<storage, read> p: array<u32>;
@group(0) @binding(1) var<storage, read> qkv: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

var<workgroup> parts: array<f32, 256>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) at: u32,
) {
    let tokens = p[TOKENS];
    let dim = p[DIM];
    let columns = p[HEADS] * dim;
    let query = group.x * dim;
    let place = group.x * tokens;
    let scale = inverseSqrt(f32(dim));
    var most = -1e30;
    // Each invocation comes back to the scores that it wrote.
    for (var token = at; token < tokens; token += 256u) {
        let key = token * 3u * columns + columns + query;
        var score = 0.0;
        for (var i = 0u; i < dim; i++) {
            score += qkv[query + i] * qkv[key + i];
        }
        out[place + token] = score * scale;
        most = max(most, score * scale);
    }
    parts[at] = most;
    workgroupBarrier();
    for (var reach = 128u; reach > 0u; reach >>= 1u) {
        if at < reach {
            parts[at] = max(parts[at], parts[at + reach]);
        }
        workgroupBarrier();
    }
    let largest = parts[0];
    workgroupBarrier();
    var sum = 0.0;
    for (var token = at; token < tokens; token += 256u) {
        let weight = exp(out[place + token] - largest);
        out[place + token] = weight;
        sum += weight;
    }
    parts[at] = sum;
    workgroupBarrier();
    for (var reach = 128u; reach > 0u; reach >>= 1u) {
        if at < reach {
            parts[at] += parts[at + reach];
        }
        workgroupBarrier();
    }
    let share = 1.0 / (parts[0] * f32(p[HEADS]));
    for (var token = at; token < tokens; token += 256u) {
        out[place + token] *= share;
    }
}
