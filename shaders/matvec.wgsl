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

    var sums: array<vec4<f32>, SUMS>;
//#if SWIGLU
    var others: array<vec4<f32>, SUMS>;
//#endif
    for (var i = 0u; i < SUMS; i++) {
        sums[i] = vec4<f32>(0.0);
//#if SWIGLU
        others[i] = vec4<f32>(0.0);
//#endif
    }
    for (var c = lane; c < chunks; c += LANES) {
        var xs: array<vec4<f32>, TOKENS * 8u>;
        for (var t = 0u; t < TOKENS; t++) {
//#if NORM
            for (var k = 0u; k < 8u; k++) {
                xs[t * 8u + k] = scaled[c * 8u + k];
            }
//#else
            let from0 = (min(token + t, count - 1u) * chunks + c) * 8u;
            for (var k = 0u; k < 8u; k++) {
                xs[t * 8u + k] = x[from0 + k];
            }
//#endif
        }
        for (var r = 0u; r < EACH; r++) {
            // Rows that fill up the last workgroup repeat the last row and are not written.
            let of_row = min(row + r * 16u, rows - 1u);
            let chunk = load(first_chunk(of_row) + c * 16u);
            let a = low(chunk);
            let b = high(chunk);
            for (var t = 0u; t < TOKENS; t++) {
                let k = t * 8u;
                sums[r * TOKENS + t] += (a[0] * xs[k] + a[1] * xs[k + 1u])
                    + (a[2] * xs[k + 2u] + a[3] * xs[k + 3u])
                    + (b[0] * xs[k + 4u] + b[1] * xs[k + 5u])
                    + (b[2] * xs[k + 6u] + b[3] * xs[k + 7u]);
            }
//#if SWIGLU
            let chunk2 = load(first_chunk(of_row + rows) + c * 16u);
            let a2 = low(chunk2);
            let b2 = high(chunk2);
            for (var t = 0u; t < TOKENS; t++) {
                let k = t * 8u;
                others[r * TOKENS + t] += (a2[0] * xs[k] + a2[1] * xs[k + 1u])
                    + (a2[2] * xs[k + 2u] + a2[3] * xs[k + 3u])
                    + (b2[0] * xs[k + 4u] + b2[1] * xs[k + 5u])
                    + (b2[2] * xs[k + 6u] + b2[3] * xs[k + 7u]);
            }
//#endif
        }
    }

//#if SPLIT
    for (var i = 0u; i < SUMS; i++) {
        partial[i * WORKGROUP + at] = total_of(sums[i]);
//#if SWIGLU
        partner[i * WORKGROUP + at] = total_of(others[i]);
//#endif
    }
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
//#endif
    for (var i = 0u; i < SUMS; i++) {
        let t = token + i % TOKENS;
        let of_row = row + i / TOKENS * 16u;
        if t >= count || of_row >= rows {
            continue;
        }
//#if SPLIT
        var sum = 0.0;
        for (var l = 0u; l < LANES; l++) {
            sum += partial[i * WORKGROUP + l * WIDTH + at];
        }
//#else
        var sum = total_of(sums[i]);
//#endif
//#if NORM
        sum *= scale;
//#endif
//#if SWIGLU
//#if SPLIT
        var other = 0.0;
        for (var l = 0u; l < LANES; l++) {
            other += partner[i * WORKGROUP + l * WIDTH + at];
        }
//#else
        var other = total_of(others[i]);
//#endif
//#if NORM
        other *= scale;
//#endif
        // Beyond 80 the quotient is zero anyway, and an overflow is not defined.
        sum = sum / (1.0 + exp(min(-sum, 80.0))) * other;
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
}
