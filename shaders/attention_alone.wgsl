// Attention of every token to every other with an online softmax (arXiv 2205.14135), for software
// devices: an invocation answers its queries alone. It shares nothing and waits for nobody, since
// a barrier makes software stop and resume every invocation of the workgroup, and all of them read
// the same key at the same time, which is one load.
//
// queries, keys, values  [pictures * tokens, p[ROW]] f32, the heads first in each row, keys p[KEYS] and values
//         p[VALUES] after them; tokens of different pictures do not see each other
// out     [pictures * tokens, heads head_dim] f32
// sizes   [pictures * tokens] f32, with the feature SIZES: how often each key counts
// Constants: QUADS = head_dim / 4, at most 16; QUERIES an invocation.
// Workgroup: 8 invocations; grid.x over heads, grid.y over tokens in groups of 8 QUERIES,
// grid.z over pictures.
// Needs nothing beyond WebGPU's default limits.

const HEADS: u32 = 0u;
const COUNT: u32 = 1u;
const ROW: u32 = 2u;
const KEYS: u32 = 3u;
const VALUES: u32 = 4u;

@group(0) @binding(0) var<storage, read> p: array<u32>;
@group(0) @binding(1) var<storage, read> qkv: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4<f32>>;
//#if SIZES
@group(0) @binding(3) var<storage, read> sizes: array<f32>;
//#endif

@compute @workgroup_size(8)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) at: u32,
) {
    let head = group.x;
    let count = p[COUNT];
    let line = p[ROW] / 4u;
    let token = group.y * 8u * QUERIES + at;
    let scale = inverseSqrt(f32(4u * QUADS));
    let before = group.z * count;
//#each q QUERIES
    // Queries that fill up the last workgroup repeat the last one and are not written.
    let from_$q = (before + min(token + $qu * 8u, count - 1u)) * line + head * QUADS;
    var largest_$q = -1e30;
    var weights_$q = 0.0;
//#each k QUADS
    let query_$q_$k = qkv[from_$q + $ku] * scale;
    var sum_$q_$k = vec4<f32>(0.0);
//#end
//#end
    var key = before * line + p[KEYS] / 4u + head * QUADS;
    var value = before * line + p[VALUES] / 4u + head * QUADS;
    for (var j = 0u; j < count; j++) {
//#if SIZES
        let begin = log(sizes[before + j]);
//#else
        let begin = 0.0;
//#endif
//#each q QUERIES
        var score_$q = begin;
//#end
//#each k QUADS
        let key_$k = qkv[key + $ku];
//#each q QUERIES
        score_$q += dot(query_$q_$k, key_$k);
//#end
//#end
//#each q QUERIES
        let most_$q = max(largest_$q, score_$q);
        let decay_$q = exp(largest_$q - most_$q);
        let weight_$q = exp(score_$q - most_$q);
        largest_$q = most_$q;
        weights_$q = weights_$q * decay_$q + weight_$q;
//#end
//#each k QUADS
        let value_$k = qkv[value + $ku];
//#each q QUERIES
        sum_$q_$k = sum_$q_$k * decay_$q + value_$k * weight_$q;
//#end
//#end
        key += line;
        value += line;
    }
//#each q QUERIES
    if token + $qu * 8u < count {
        let place = ((before + token + $qu * 8u) * p[HEADS] + head) * QUADS;
//#each k QUADS
        out[place + $ku] = sum_$q_$k / weights_$q;
//#end
    }
//#end
}
