// One decode step of attention: rotates the query and the key of a new token (arXiv 2104.09864),
// writes key and value into the cache in place, and attends to all positions up to the new one
// with an online softmax (arXiv 2305.13245, 2205.14135).
//
// qkv     [heads + 2 kv_heads, head_dim] f32 of the token, which is at position step[0]
// cosines, sines  [positions, head_dim] f32 of all positions, the first half of sines negated:
//         element i turns with i + half
// keys, values  [kv_heads, capacity, head_dim] f32; position step[0] is written
// out     [heads, head_dim] f32
// Features: PARTS as in attention.wgsl, with out as there for one token
// Constants: STEPS = ceil(head_dim / 64), at most 4.
// Workgroup: 64 invocations; grid.x over heads, grid.z over parts. Invocation j first scores
// position j of a tile of 64, then gathers element j (and j + 64 ..) of the output. The new
// position is in the workgroup's own memory, so that nobody waits for its place in the cache; the
// first head of a group writes that. Memory: 512 (1 + STEPS) bytes and a little.
// Lines between `//#each` and `//#end` are repeated, see matvec.wgsl.
// head_dim must be a multiple of 8. Eight bindings: as many as WebGPU promises.

const HEADS: u32 = 0u;
const GROUP: u32 = 1u;
const DIM: u32 = 2u;
const CAPACITY: u32 = 3u;
const SPAN: u32 = 4u;
const LOWEST: f32 = -1e30;

@group(0) @binding(0) var<storage, read> p: array<u32>;
@group(0) @binding(1) var<storage, read> step: array<u32>;
@group(0) @binding(2) var<storage, read> qkv: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> cosines: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> sines: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> keys: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> values: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> out: array<f32>;

var<workgroup> query: array<vec4<f32>, STEPS * 16u>;
var<workgroup> fresh: array<vec4<f32>, STEPS * 16u>;
var<workgroup> weight: array<f32, 64>;

fn rotated(head: u32, i: u32, quads: u32) -> vec4<f32> {
    let half = quads / 2u;
    let other = select(i - half, i + half, i < half);
    let angle = step[0] * quads + i;
    return qkv[head * quads + i] * cosines[angle] + qkv[head * quads + other] * sines[angle];
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) at: u32,
) {
    let heads = p[HEADS];
    let dim = p[DIM];
    let quads = dim / 4u;
    let head = group.x;
    let kv_head = head / p[GROUP];
    let kv_heads = heads / p[GROUP];
    let start = step[0];
    // In vectors of four.
    let cache = kv_head * p[CAPACITY] * quads;
    let key_head = heads + kv_head;
    let value_head = heads + kv_heads + kv_head;
    let scale = inverseSqrt(f32(dim));
//#if PARTS
    let begin = group.z * p[SPAN];
    let end = min(start, begin + p[SPAN]);
    let newest = start - begin < p[SPAN];
//#else
    let begin = 0u;
    let end = start;
    let newest = true;
//#endif

    for (var i = at; i < quads; i += 64u) {
        query[i] = rotated(head, i, quads) * scale;
        let key = rotated(key_head, i, quads);
        fresh[i] = key;
        if newest && head % p[GROUP] == 0u {
            keys[cache + start * quads + i] = key;
            values[cache + start * quads + i] = qkv[value_head * quads + i];
        }
    }
    workgroupBarrier();

//#each s STEPS
    let place_$s = min($su * 64u + at, dim - 1u);
//#end
    var largest = LOWEST;
    var weights = 0.0;
//#each s STEPS
    var sum_$s = 0.0;
//#end
    for (var tile = begin; tile < end; tile += 64u) {
        let position = tile + at;
        let from0 = cache + min(position, end - 1u) * quads;
        var score = 0.0;
        for (var k = 0u; k < quads; k++) {
            score += dot(keys[from0 + k], query[k]);
        }
        weight[at] = select(score, LOWEST, position >= end);
        workgroupBarrier();
        let width = min(end - tile, 64u);
        var most = largest;
        for (var j = 0u; j < width; j++) {
            most = max(most, weight[j]);
        }
        workgroupBarrier();
        weight[at] = select(exp(score - most), 0.0, position >= end);
        workgroupBarrier();
        let decay = exp(largest - most);
        largest = most;
        weights *= decay;
//#each s STEPS
        sum_$s *= decay;
//#end
        for (var j = 0u; j < width; j++) {
            let w = weight[j];
            weights += w;
            let from1 = cache + (tile + j) * quads;
//#each s STEPS
            sum_$s += w * values[from1 + place_$s / 4u][place_$s % 4u];
//#end
        }
        workgroupBarrier();
    }

    if newest {
        var score = 0.0;
        for (var k = 0u; k < quads; k++) {
            score += dot(fresh[k], query[k]);
        }
        let most = max(largest, score);
        let decay = exp(largest - most);
        let w = exp(score - most);
        largest = most;
        weights = weights * decay + w;
//#each s STEPS
        sum_$s = sum_$s * decay + w * qkv[value_head * quads + place_$s / 4u][place_$s % 4u];
//#end
    }

//#if PARTS
    let place = (group.z * heads + head) * (dim + 2u);
    if at == 0u {
        out[place + dim] = weights;
        out[place + dim + 1u] = largest;
    }
    let divisor = 1.0;
//#else
    let place = head * dim;
    let divisor = weights;
//#endif
//#each s STEPS
    if $su * 64u + at < dim {
        out[place + $su * 64u + at] = sum_$s / divisor;
    }
//#end
}
