// Rows of a quantised matrix: out[i] = W[ids[p[SKIP] + i]], for ids in p[BASE]..p[BASE] + p[ROWS].
//
// out     [ids, 32 p[CHUNKS]] f32
// ids     u32; ids of other shards are left alone
// quants, words   the matrix in one of the formats of blocks/, whose text follows this one
// Features: WORDS as in matvec.wgsl
// Workgroup: 64 invocations, a chunk each; grid.x over chunks, grid.y over ids.
// Needs nothing beyond WebGPU's default limits.

const TOTAL: u32 = 0u;
const CHUNKS: u32 = 1u;
const ROWS: u32 = 2u;
const BASE: u32 = 3u;
const SKIP: u32 = 4u;

@group(0) @binding(0) var<storage, read> p: array<u32>;
@group(0) @binding(1) var<storage, read> quants: array<vec4<u32>>;
//#if WORDS
@group(0) @binding(2) var<storage, read> words: array<u32>;
//#endif
@group(0) @binding(3) var<storage, read> ids: array<u32>;
@group(0) @binding(4) var<storage, read_write> out: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) at: u32,
) {
    let chunks = p[CHUNKS];
    let c = group.x * 64u + at;
    let id = ids[p[SKIP] + group.y];
    if c >= chunks || id < p[BASE] || id - p[BASE] >= p[ROWS] {
        return;
    }
    let row = id - p[BASE];
    let chunk = load(((row >> 4u) * chunks + c) * 16u + (row & 15u));
    let a = low(chunk);
    let b = high(chunk);
    let place = (group.y * chunks + c) * 8u;
    out[place] = a[0];
    out[place + 1u] = a[1];
    out[place + 2u] = a[2];
    out[place + 3u] = a[3];
    out[place + 4u] = b[0];
    out[place + 5u] = b[1];
    out[place + 6u] = b[2];
    out[place + 7u] = b[3];
}
