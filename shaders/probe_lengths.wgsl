// How far apart a projection put the two probes of each token, added up over the directions.
//
// rows    [2 count, p[WIDTH]] f32, what probe_rows.wgsl wrote, projected
// sums    [count] f32; not read when p[FIRST] is 1
// Workgroup: 64 invocations, one token; grid.x over tokens. Memory: 256 bytes.
// Needs nothing beyond WebGPU's default limits.

const COUNT: u32 = 0u;
const WIDTH: u32 = 1u;
const FIRST: u32 = 2u;

@group(0) @binding(0) var<storage, read> p: array<u32>;
@group(0) @binding(1) var<storage, read> rows: array<f32>;
@group(0) @binding(2) var<storage, read_write> sums: array<f32>;

var<workgroup> squares: array<f32, 64>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) at: u32,
) {
    let width = p[WIDTH];
    let ahead = group.x * width;
    let back = (p[COUNT] + group.x) * width;
    var square = 0.0;
    for (var i = at; i < width; i += 64u) {
        let apart = rows[ahead + i] - rows[back + i];
        square += apart * apart;
    }
    squares[at] = square;
    workgroupBarrier();
    for (var reach = 32u; reach > 0u; reach >>= 1u) {
        if at < reach {
            squares[at] += squares[at + reach];
        }
        workgroupBarrier();
    }
    if at == 0u {
        var sum = sqrt(squares[0]);
        if p[FIRST] == 0u {
            sum += sums[group.x];
        }
        sums[group.x] = sum;
    }
}
