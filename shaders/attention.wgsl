// Grouped-query attention (arXiv 2305.13245) with an online softmax: no matrix of scores is kept
// (arXiv 2205.14135).
//
// queries [pictures * tokens, p[QUERY_ROW]] f32, the heads first in each row
// keys, values  f32; element i of position j of key head h is at p[KEYS] (p[VALUES] for values) +
//         h p[HEAD] + j p[ROW] + i: a cache, or rows of a fused projection
// out     [pictures * tokens, heads head_dim] f32
// Features: CAUSAL  token t is at position step[0] + t and sees positions up to its own; without
//           it every token sees all tokens
//           PARTS  the positions are shared among p[PARTS] workgroups (flash decoding), of
//           p[SPAN] positions each; out is [parts, tokens, heads, head_dim + 2] then: sums of
//           values that are not yet divided, the sum of weights and the largest score, for
//           attention_merge.wgsl
// Constants: QUERIES tokens a workgroup; STEPS = ceil(head_dim / 64), at most 4.
// Workgroup: 64 invocations; grid.x over heads, grid.y over tokens in groups of QUERIES, grid.z
// over parts or, without that feature, pictures: batches whose tokens do not see each other.
// Invocation j first scores position j of a tile of 64, then gathers element j (and
// j + 64 ..) of the output. Memory: 256 QUERIES (1 + STEPS) bytes and a little.
// Needs nothing beyond WebGPU's default limits.

const HEADS: u32 = 0u;
const GROUP: u32 = 1u;
const DIM: u32 = 2u;
const COUNT: u32 = 3u;
const SPAN: u32 = 4u;
const QUERY_ROW: u32 = 5u;
const KEYS: u32 = 6u;
const VALUES: u32 = 7u;
const HEAD: u32 = 8u;
const ROW: u32 = 9u;
const LOWEST: f32 = -1e30;

@group(0) @binding(0) var<storage, read> p: array<u32>;
//#if CAUSAL
@group(0) @binding(1) var<storage, read> step: array<u32>;
//#endif
@group(0) @binding(2) var<storage, read> queries: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> keys: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> values: array<f32>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;

var<workgroup> query: array<vec4<f32>, QUERIES * STEPS * 16u>;
var<workgroup> weight: array<f32, QUERIES * 64u>;
var<workgroup> largest: array<f32, QUERIES>;
var<workgroup> decay: array<f32, QUERIES>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) at: u32,
) {
    let heads = p[HEADS];
    let dim = p[DIM];
    let quads = dim / 4u;
    let count = p[COUNT];
    let head = group.x;
    let token = group.y * QUERIES;
    let of_keys = p[KEYS] + (head / p[GROUP]) * p[HEAD];
    let of_values = p[VALUES] + (head / p[GROUP]) * p[HEAD];
    let line = p[ROW];
    let scale = inverseSqrt(f32(dim));
//#if PARTS
    let before = 0u;
//#else
    let before = group.z * count;
//#endif

    for (var i = at; i < QUERIES * quads; i += 64u) {
        let t = before + min(token + i / quads, count - 1u);
        query[i] = queries[t * (p[QUERY_ROW] / 4u) + head * quads + i % quads] * scale;
    }
    if at < QUERIES {
        largest[at] = LOWEST;
    }
    workgroupBarrier();

    // The last position that a query of this workgroup sees, exclusive.
//#if CAUSAL
    let start = step[0];
    let seen = start + min(token + QUERIES, count);
//#else
    let seen = count;
//#endif
//#if PARTS
    let begin = group.z * p[SPAN];
    let end = min(seen, begin + p[SPAN]);
//#else
    let begin = 0u;
    let end = seen;
//#endif

    var sums: array<f32, QUERIES * STEPS>;
    var weights: array<f32, QUERIES>;
    for (var q = 0u; q < QUERIES; q++) {
        weights[q] = 0.0;
        for (var s = 0u; s < STEPS; s++) {
            sums[q * STEPS + s] = 0.0;
        }
    }
    for (var tile = begin; tile < end; tile += 64u) {
        var scores: array<f32, QUERIES>;
        for (var q = 0u; q < QUERIES; q++) {
            scores[q] = 0.0;
        }
        let position = tile + at;
        let from0 = (of_keys + (before + min(position, end - 1u)) * line) / 4u;
        for (var k = 0u; k < quads; k++) {
            let key = keys[from0 + k];
            for (var q = 0u; q < QUERIES; q++) {
                scores[q] += dot(key, query[q * quads + k]);
            }
        }
        for (var q = 0u; q < QUERIES; q++) {
//#if CAUSAL
            let hidden = position >= end || position > start + token + q;
//#else
            let hidden = position >= end;
//#endif
            scores[q] = select(scores[q], LOWEST, hidden);
            weight[q * 64u + at] = scores[q];
        }
        workgroupBarrier();
        if at < QUERIES {
            var most = largest[at];
            for (var j = 0u; j < 64u; j++) {
                most = max(most, weight[at * 64u + j]);
            }
            decay[at] = exp(largest[at] - most);
            largest[at] = most;
        }
        workgroupBarrier();
        for (var q = 0u; q < QUERIES; q++) {
            let hidden = scores[q] <= LOWEST;
            weight[q * 64u + at] = select(exp(scores[q] - largest[q]), 0.0, hidden);
        }
        workgroupBarrier();
        for (var q = 0u; q < QUERIES; q++) {
            weights[q] *= decay[q];
            for (var s = 0u; s < STEPS; s++) {
                sums[q * STEPS + s] *= decay[q];
            }
        }
        let width = min(end - tile, 64u);
        for (var j = 0u; j < width; j++) {
            let from1 = of_values + (before + tile + j) * line;
            for (var s = 0u; s < STEPS; s++) {
                let value = values[from1 + min(s * 64u + at, dim - 1u)];
                for (var q = 0u; q < QUERIES; q++) {
                    sums[q * STEPS + s] += weight[q * 64u + j] * value;
                }
            }
            for (var q = 0u; q < QUERIES; q++) {
                weights[q] += weight[q * 64u + j];
            }
        }
        workgroupBarrier();
    }

    for (var q = 0u; q < QUERIES; q++) {
        if token + q >= count {
            break;
        }
//#if PARTS
        let place = ((group.z * count + token + q) * heads + head) * (dim + 2u);
        if at == 0u {
            out[place + dim] = weights[q];
            out[place + dim + 1u] = largest[q];
        }
        let divisor = 1.0;
//#else
        let place = ((before + token + q) * heads + head) * dim;
        let divisor = weights[q];
//#endif
        for (var s = 0u; s < STEPS; s++) {
            let i = s * 64u + at;
            if i < dim {
                out[place + i] = sums[q * STEPS + s] / divisor;
            }
        }
    }
}
