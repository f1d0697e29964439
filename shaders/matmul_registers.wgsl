// Product of a matrix of singles with many vectors, out[t] = W x[t], for devices that have nothing
// faster than registers: software runs invocations as lanes of a SIMD register, and every load from
// a buffer or from workgroup memory costs it as much as eight multiplications. So an invocation
// keeps EACH rows by TOKENS vectors of sums, and a load serves a whole row or column of them.
//
// out     [tokens, p[STRIDE]] f32, columns p[FIRST]..p[FIRST] + p[ROWS] are written
// x       [tokens, 32 p[CHUNKS]] f32
// quants  the matrix as in blocks/f32.wgsl, whose text follows this one
// Features: BIAS      plus bias, as long as a row of out
//           GELU      then x Φ(x) of that (arXiv 1606.08415)
//           RESIDUAL  plus residual, shaped as out
// Constants: EACH rows an invocation, one in each of as many tiles of 16; TOKENS vectors.
// Workgroup: 16 invocations, 16 EACH rows, TOKENS vectors; grid.x over rows, grid.y over vectors.
// Needs nothing beyond WebGPU's default limits.
//
// Lines between `//#each r EACH` and `//#end` are repeated with $r = 0, 1 .. EACH - 1: software
// devices do not unroll loops, and an array that a loop indexes is memory to them.

const TOTAL: u32 = 0u;
const CHUNKS: u32 = 1u;
const ROWS: u32 = 2u;
const COUNT: u32 = 3u;
const STRIDE: u32 = 4u;
const FIRST: u32 = 5u;

@group(0) @binding(0) var<storage, read> p: array<u32>;
@group(0) @binding(1) var<storage, read> quants: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
//#if BIAS
@group(0) @binding(4) var<storage, read> bias: array<f32>;
//#endif
//#if RESIDUAL
@group(0) @binding(5) var<storage, read> residual: array<f32>;
//#endif

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

fn first_chunk(row: u32) -> u32 {
    return (row >> 4u) * p[CHUNKS] * 16u + (row & 15u);
}

// What comes after the product, for one element of it.
fn finish(t: u32, of_row: u32, product: f32) {
    if t >= p[COUNT] || of_row >= p[ROWS] {
        return;
    }
    var sum = product;
    let place = t * p[STRIDE] + p[FIRST] + of_row;
//#if BIAS
    sum += bias[p[FIRST] + of_row];
//#endif
//#if GELU
    sum = gelu(sum);
//#endif
//#if RESIDUAL
    sum += residual[place];
//#endif
    out[place] = sum;
}

@compute @workgroup_size(16)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) at: u32,
) {
    let total = p[TOTAL];
    let chunks = p[CHUNKS];
    let rows = p[ROWS];
    let count = p[COUNT];
    let token = group.y * TOKENS;
    let row = group.x * 16u * EACH + at;

    // Rows and vectors that fill up the last workgroup repeat the last one and are not written.
//#each r EACH
    let first_$r = first_chunk(min(row + $ru * 16u, rows - 1u));
//#each t TOKENS
    var sum_$r_$t = 0.0;
//#end
//#end
//#each t TOKENS
    let from_$t = min(token + $tu, count - 1u) * chunks * 8u;
//#end
    for (var c = 0u; c < chunks; c++) {
        for (var i = 0u; i < 8u; i++) {
//#each t TOKENS
            let x_$t = x[from_$t + c * 8u + i];
//#end
//#each r EACH
            let quad_$r = bitcast<vec4<f32>>(quants[i * total + first_$r + c * 16u]);
//#each t TOKENS
            sum_$r_$t += dot(quad_$r, x_$t);
//#end
//#end
        }
    }
//#each r EACH
//#each t TOKENS
    finish(token + $tu, row + $ru * 16u, sum_$r_$t);
//#end
//#end
}
