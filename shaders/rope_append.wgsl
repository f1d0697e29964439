// Rotates queries and keys (arXiv 2104.09864) and writes keys and values into the cache in place.
//
// qkv     [tokens, (heads + 2 kv_heads) head_dim] f32
// cos, sin  [positions, head_dim] f32 of all positions, the first half of sin negated: element i
//         turns with i + half
// queries [tokens, heads head_dim] f32, rotated
// keys, values  [kv_heads, capacity, head_dim] f32, written at positions step[0] + token
// Workgroup: 64 invocations, two elements of a head each; grid.x over the pairs of a token,
// grid.y over tokens. Eight bindings: as many as WebGPU promises.

const HEADS: u32 = 0u;
const KV_HEADS: u32 = 1u;
const HALF: u32 = 2u;
const CAPACITY: u32 = 3u;

@group(0) @binding(0) var<storage, read> p: array<u32>;
@group(0) @binding(1) var<storage, read> step: array<u32>;
@group(0) @binding(2) var<storage, read> qkv: array<f32>;
@group(0) @binding(3) var<storage, read> cosines: array<f32>;
@group(0) @binding(4) var<storage, read> sines: array<f32>;
@group(0) @binding(5) var<storage, read_write> queries: array<f32>;
@group(0) @binding(6) var<storage, read_write> keys: array<f32>;
@group(0) @binding(7) var<storage, read_write> values: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) at: u32,
) {
    let heads = p[HEADS];
    let kv_heads = p[KV_HEADS];
    let half = p[HALF];
    let width = 2u * half;
    let index = group.x * 64u + at;
    let head = index / half;
    let i = index % half;
    let token = group.y;
    if head >= heads + 2u * kv_heads {
        return;
    }
    let position = step[0] + token;
    let base = (token * (heads + 2u * kv_heads) + head) * width + i;
    var a = qkv[base];
    var b = qkv[base + half];
    if head < heads + kv_heads {
        let angle = position * width + i;
        let c = a * cosines[angle] + b * sines[angle];
        b = b * cosines[angle + half] + a * sines[angle + half];
        a = c;
    }
    if head < heads {
        let place = (token * heads + head) * width + i;
        queries[place] = a;
        queries[place + half] = b;
        return;
    }
    if head < heads + kv_heads {
        let place = ((head - heads) * p[CAPACITY] + position) * width + i;
        keys[place] = a;
        keys[place + half] = b;
    } else {
        let place = ((head - heads - kv_heads) * p[CAPACITY] + position) * width + i;
        values[place] = a;
        values[place + half] = b;
    }
}
