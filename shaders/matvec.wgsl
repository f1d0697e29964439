// Product of a quantised matrix with a few vectors: out[t] = W x[t] for t in 0..TOKENS.
//
// out     [tokens, p[STRIDE]] f32, columns p[FIRST]..p[FIRST] + p[ROWS] are written
// x       [tokens, 32 p[CHUNKS]] f32
// quants, words   the matrix in one of the formats of blocks/, whose text follows this one
// Features: NORM      x is normalised first: x gain / sqrt(mean(x²) + eps); one token
//           SWIGLU    rows 0..p[ROWS] are gates, the next p[ROWS] their partners:
//                     out = silu(gate) partner
//           BIAS      plus bias, as long as a row of out
//           GELU      then x Φ(x) of that (arXiv 1606.08415)
//           RESIDUAL  plus residual, shaped as out
//           SPLIT     LANES invocations share a row; without it one does
//           WORDS     the format has words beside its quants
// Constants: LANES invocations a row, EACH rows an invocation (one in each of as many tiles of 16
// rows), TILES times 16 such rows side by side; TOKENS vectors.
// Workgroup: 16 TILES LANES invocations, 16 TILES EACH rows, TOKENS vectors; grid.x over rows,
// grid.y over vectors. Memory: 4 WORKGROUP (EACH TOKENS + 1) bytes with SPLIT, half as much again
// with SWIGLU, plus 12 KiB with NORM.
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
const EPS: u32 = 6u;

const WIDTH: u32 = 16u * TILES;
const WORKGROUP: u32 = WIDTH * LANES;
const SUMS: u32 = EACH * TOKENS;

@group(0) @binding(0) var<storage, read> p: array<u32>;
@group(0) @binding(1) var<storage, read> quants: array<vec4<u32>>;
//#if WORDS
@group(0) @binding(2) var<storage, read> words: array<u32>;
//#endif
@group(0) @binding(3) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;
//#if NORM
@group(0) @binding(5) var<storage, read> gain: array<vec4<f32>>;
//#endif
//#if BIAS
@group(0) @binding(6) var<storage, read> bias: array<f32>;
//#endif
//#if RESIDUAL
@group(0) @binding(7) var<storage, read> residual: array<f32>;
//#endif

//#if NORM
// x gain, of at most 3072 elements, and each invocation's share of the sum of squares.
var<workgroup> scaled: array<vec4<f32>, 768>;
var<workgroup> squares: array<f32, WORKGROUP>;
//#endif
//#if SPLIT
var<workgroup> partial: array<f32, WORKGROUP * SUMS>;
//#if SWIGLU
var<workgroup> partner: array<f32, WORKGROUP * SUMS>;
//#endif
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

fn total_of(v: vec4<f32>) -> f32 {
    return (v.x + v.y) + (v.z + v.w);
}

fn first_chunk(row: u32) -> u32 {
    return (row >> 4u) * p[CHUNKS] * 16u + (row & 15u);
}

// What comes after the product, for one element of it.
fn finish(t: u32, of_row: u32, product: f32, partner_product: f32) {
    if t >= p[COUNT] || of_row >= p[ROWS] {
        return;
    }
    var sum = product;
//#if SWIGLU
    // Beyond 80 the quotient is zero anyway, and an overflow is not defined.
    sum = sum / (1.0 + exp(min(-sum, 80.0))) * partner_product;
//#endif
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

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) at: u32,
) {
    let chunks = p[CHUNKS];
    let rows = p[ROWS];
    let count = p[COUNT];
    let token = group.y * TOKENS;
    let column = group.x * WIDTH + at % WIDTH;
    // The invocation's rows are this one and every 16th after it.
    let row = (column >> 4u) * 16u * EACH + (column & 15u);
//#if SPLIT
    let lane = at / WIDTH;
//#else
    let lane = 0u;
//#endif

//#if NORM
    var square = 0.0;
    for (var i = at; i < chunks * 8u; i += WORKGROUP) {
        let v = x[i];
        square += dot(v, v);
        scaled[i] = v * gain[i];
    }
    squares[at] = square;
    workgroupBarrier();
//#endif

    // Rows that fill up the last workgroup repeat the last row and are not written.
//#each r EACH
    let row_$r = min(row + $ru * 16u, rows - 1u);
    let first_$r = first_chunk(row_$r);
//#if SWIGLU
    let second_$r = first_chunk(row_$r + rows);
//#endif
//#each t TOKENS
    var sum_$r_$t = vec4<f32>(0.0);
//#if SWIGLU
    var other_$r_$t = vec4<f32>(0.0);
//#endif
//#end
//#end
//#each t TOKENS
//#if NORM
    let from_$t = 0u;
//#else
    let from_$t = min(token + $tu, count - 1u) * chunks * 8u;
//#endif
//#end
    for (var c = lane; c < chunks; c += LANES) {
//#each t TOKENS
//#each k 8
//#if NORM
        let x_$t_$k = scaled[from_$t + c * 8u + $ku];
//#else
        let x_$t_$k = x[from_$t + c * 8u + $ku];
//#endif
//#end
//#end
//#each r EACH
        {
            let chunk = load(first_$r + c * 16u);
            let a = low(chunk);
            let b = high(chunk);
//#each t TOKENS
            sum_$r_$t += (a[0] * x_$t_0 + a[1] * x_$t_1) + (a[2] * x_$t_2 + a[3] * x_$t_3)
                + (b[0] * x_$t_4 + b[1] * x_$t_5) + (b[2] * x_$t_6 + b[3] * x_$t_7);
//#end
        }
//#if SWIGLU
        {
            let chunk = load(second_$r + c * 16u);
            let a = low(chunk);
            let b = high(chunk);
//#each t TOKENS
            other_$r_$t += (a[0] * x_$t_0 + a[1] * x_$t_1) + (a[2] * x_$t_2 + a[3] * x_$t_3)
                + (b[0] * x_$t_4 + b[1] * x_$t_5) + (b[2] * x_$t_6 + b[3] * x_$t_7);
//#end
        }
//#endif
//#end
    }

//#if SPLIT
//#each r EACH
//#each t TOKENS
    partial[($ru * TOKENS + $tu) * WORKGROUP + at] = total_of(sum_$r_$t);
//#if SWIGLU
    partner[($ru * TOKENS + $tu) * WORKGROUP + at] = total_of(other_$r_$t);
//#endif
//#end
//#end
    workgroupBarrier();
    if at >= WIDTH {
        return;
    }
//#endif
//#if NORM
    var mean = 0.0;
    for (var i = 0u; i < WORKGROUP; i++) {
        mean += squares[i];
    }
    let scale = inverseSqrt(mean / f32(chunks * 32u) + bitcast<f32>(p[EPS]));
//#else
    let scale = 1.0;
//#endif
//#if SPLIT
    for (var i = 0u; i < SUMS; i++) {
        var sum = 0.0;
        var other = 0.0;
        for (var l = 0u; l < LANES; l++) {
            sum += partial[i * WORKGROUP + l * WIDTH + at];
//#if SWIGLU
            other += partner[i * WORKGROUP + l * WIDTH + at];
//#endif
        }
        finish(token + i % TOKENS, row + i / TOKENS * 16u, sum * scale, other * scale);
    }
//#else
//#each r EACH
//#each t TOKENS
//#if SWIGLU
    finish(
        token + $tu,
        row + $ru * 16u,
        total_of(sum_$r_$t) * scale,
        total_of(other_$r_$t) * scale,
    );
//#else
    finish(token + $tu, row + $ru * 16u, total_of(sum_$r_$t) * scale, 0.0);
//#endif
//#end
//#end
//#endif
}
