// The first of the largest elements of each row: out[row] = argmax x[row].
//
// x       [rows, p[WIDTH]] f32; NaN is never it
// out     [rows] u32; 0xffffffff where no element is a finite number
// step    u32; the position and the id of a decode step
// Features: CHAIN  one row: the id goes to out[p[PLACE]] and becomes the id of the step, which moves
//           on by one position
// Workgroup: 256 invocations, one row; grid.x over rows. Memory: 2 KiB.
// Needs nothing beyond WebGPU's default limits.

const WIDTH: u32 = 0u;
const PLACE: u32 = 1u;
const NONE: u32 = 0xffffffffu;

@group(0) @binding(0) var<storage, read> p: array<u32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<u32>;
//#if CHAIN
@group(0) @binding(3) var<storage, read_write> step: array<u32>;
//#endif

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
//#if CHAIN
        out[p[PLACE]] = place[0];
        step[0] += 1u;
        // Whoever reads the ids back sees that there was none.
        step[1] = select(place[0], 0u, place[0] == NONE);
//#else
        out[group.x] = place[0];
//#endif
    }
}
