// The first of the largest elements of each row: out[row] = argmax x[row].
//
// x       [rows, p[WIDTH]] f32; NaN is never it
// out     [rows] u32; 0xffffffff where no element is a finite number
// Workgroup: 256 invocations, one row; grid.x over rows. Memory: 2 KiB.
// Needs nothing beyond WebGPU's default limits.

const WIDTH: u32 = 0u;
const NONE: u32 = 0xffffffffu;

@group(0) @binding(0) var<storage, read> p: array<u32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<u32>;

var<workgroup> best: array<f32, 256>;
var<workgroup> place: array<u32, 256>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) at: u32,
) {
    let width = p[WIDTH];
    let base = group.x * width;
    var most = -3.4028234e38;
    var found = NONE;
    for (var i = at; i < width; i += 256u) {
        let value = x[base + i];
        if value > most {
            most = value;
            found = i;
        }
    }
    best[at] = most;
    place[at] = found;
    workgroupBarrier();
    for (var reach = 128u; reach > 0u; reach >>= 1u) {
        if at < reach {
            let other = best[at + reach];
            let where_other = place[at + reach];
            if other > best[at] || (other == best[at] && where_other < place[at]) {
                best[at] = other;
                place[at] = where_other;
            }
        }
        workgroupBarrier();
    }
    if at == 0u {
        out[group.x] = place[0];
    }
}
