// Product of a quantised matrix with many vectors, in tiles: out = x Wᵀ.
//
// out     [tokens, p[STRIDE]] f32, columns p[FIRST]..p[FIRST] + p[ROWS] are written
// x       [tokens, 32 p[CHUNKS]] f32
// quants, words   the matrix in one of the formats of blocks/, whose text follows this one
// Features: BIAS, GELU, RESIDUAL, WORDS as in matvec.wgsl
// Workgroup: 128 invocations make 32 tokens by 64 rows, each invocation 4 by 4; grid.x over rows,
// grid.y over tokens. One chunk of each row and token at a time is in workgroup memory, 13.5 KiB;
// rows of nine vectors there, so that neighbours meet different banks.
// Needs nothing beyond WebGPU's default limits.

const TOTAL: u32 = 0u;
const CHUNKS: u32 = 1u;
const ROWS: u32 = 2u;
const COUNT: u32 = 3u;
const STRIDE: u32 = 4u;
const FIRST: u32 = 5u;

@group(0) @binding(0) var<storage, read> p: array<u32>;
@group(0) @binding(1) var<storage, read> quants: array<vec4<u32>>;
//#if WORDS
@group(0) @binding(2) var<storage, read> words: array<u32>;
//#endif
@group(0) @binding(3) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;
//#if BIAS
@group(0) @binding(5) var<storage, read> bias: array<f32>;
//#endif
//#if RESIDUAL
@group(0) @binding(6) var<storage, read> residual: array<f32>;
//#endif

var<workgroup> left: array<vec4<f32>, 288>;
var<workgroup> right: array<vec4<f32>, 576>;

//#if GELU
// x Φ(x), with the error function of Abramowitz and Stegun 7.1.26, right to 1.5e-7.
fn gelu(x: f32) -> f32 {
    let z = abs(x) * 0.7071067811865476;
    let t = 1.0 / (1.0 + 0.3275911 * z);
    let s = t * (0.254829592 + t * (-0.284496736
        + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
    let tail = 0.5 * s * exp(-min(z * z, 80.0));
    return x * select(1.0 - tail, tail, x < 0.0);
}
//#endif

@compute @workgroup_size(128)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) at: u32,
) {
    let chunks = p[CHUNKS];
    let rows = p[ROWS];
    let count = p[COUNT];
    let row0 = group.x * 64u;
    let token0 = group.y * 32u;

    // What this invocation brings into workgroup memory: half a chunk of one row, and elements
    // 4 (at % 8).. of tokens at / 8 and at / 8 + 16.
    let brought = at >> 1u;
    let row = min(row0 + brought, rows - 1u);
    let first = (row >> 4u) * chunks * 16u + (row & 15u);
    let place = brought * 9u + (at & 1u) * 4u;
    let quad = at & 7u;
    let token = at >> 3u;
    let from0 = min(token0 + token, count - 1u) * chunks * 8u + quad;
    let from1 = min(token0 + token + 16u, count - 1u) * chunks * 8u + quad;

    // What it computes: rows a + 16 j and tokens b + 8 i.
    let a = at & 15u;
    let b = at >> 4u;
    var sums: array<vec4<f32>, 4>;
    for (var i = 0u; i < 4u; i++) {
        sums[i] = vec4<f32>(0.0);
    }
    for (var c = 0u; c < chunks; c++) {
        left[token * 9u + quad] = x[from0 + c * 8u];
        left[(token + 16u) * 9u + quad] = x[from1 + c * 8u];
        let chunk = load(first + c * 16u);
        var values: mat4x4<f32>;
        if (at & 1u) == 0u {
            values = low(chunk);
        } else {
            values = high(chunk);
        }
        right[place] = values[0];
        right[place + 1u] = values[1];
        right[place + 2u] = values[2];
        right[place + 3u] = values[3];
        workgroupBarrier();
        for (var k = 0u; k < 8u; k++) {
            let w0 = right[a * 9u + k];
            let w1 = right[(a + 16u) * 9u + k];
            let w2 = right[(a + 32u) * 9u + k];
            let w3 = right[(a + 48u) * 9u + k];
            let x0 = left[b * 9u + k];
            let x1 = left[(b + 8u) * 9u + k];
            let x2 = left[(b + 16u) * 9u + k];
            let x3 = left[(b + 24u) * 9u + k];
            sums[0] += vec4<f32>(dot(w0, x0), dot(w1, x0), dot(w2, x0), dot(w3, x0));
            sums[1] += vec4<f32>(dot(w0, x1), dot(w1, x1), dot(w2, x1), dot(w3, x1));
            sums[2] += vec4<f32>(dot(w0, x2), dot(w1, x2), dot(w2, x2), dot(w3, x2));
            sums[3] += vec4<f32>(dot(w0, x3), dot(w1, x3), dot(w2, x3), dot(w3, x3));
        }
        workgroupBarrier();
    }
    for (var i = 0u; i < 4u; i++) {
        let t = token0 + b + 8u * i;
        let line = sums[i];
        write(t, row0 + a, line.x, count, rows);
        write(t, row0 + a + 16u, line.y, count, rows);
        write(t, row0 + a + 32u, line.z, count, rows);
        write(t, row0 + a + 48u, line.w, count, rows);
    }
}

fn write(token: u32, row: u32, value: f32, count: u32, rows: u32) {
    if token >= count || row >= rows {
        return;
    }
    let place = token * p[STRIDE] + p[FIRST] + row;
    var sum = value;
//#if BIAS
    sum += bias[p[FIRST] + row];
//#endif
//#if GELU
    sum = gelu(sum);
//#endif
//#if RESIDUAL
    sum += residual[place];
//#endif
    out[place] = sum;
}
