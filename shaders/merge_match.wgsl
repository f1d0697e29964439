// The most similar target of each source (arXiv 2210.09461). Of the tokens behind the p[LEADING]
// first ones the second, fourth, … are sources, the others targets.
//
// units   [tokens, p[WIDTH]] f32 of length one
// best    [sources] u32, the number of the target, the lower among equals
// similar [sources] f32, the product of the two
// Workgroup: 64 invocations, one source; grid.x over sources. Memory: 512 bytes.
// Needs nothing beyond WebGPU's default limits.

const TOKENS: u32 = 0u;
const LEADING: u32 = 1u;
const WIDTH: u32 = 2u;

@group(0) @binding(0) var<storage, read> p: array<u32>;
@group(0) @binding(1) var<storage, read> units: array<f32>;
@group(0) @binding(2) var<storage, read_write> best: array<u32>;
@group(0) @binding(3) var<storage, read_write> similar: array<f32>;

var<workgroup> most: array<f32, 64>;
var<workgroup> place: array<u32, 64>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) at: u32,
) {
    let width = p[WIDTH];
    let query = (p[LEADING] + 1u + 2u * group.x) * width;
    let targets = (p[TOKENS] - p[LEADING] + 1u) / 2u;
    var high = -2.0;
    var found = 0u;
    for (var number = at; number < targets; number += 64u) {
        let key = (p[LEADING] + 2u * number) * width;
        var product = 0.0;
        for (var i = 0u; i < width; i++) {
            product += units[query + i] * units[key + i];
        }
        if product > high {
            high = product;
            found = number;
        }
    }
    most[at] = high;
    place[at] = found;
    workgroupBarrier();
    for (var reach = 32u; reach > 0u; reach >>= 1u) {
        if at < reach {
            let other = most[at + reach];
            let where_other = place[at + reach];
            if other > most[at] || (other == most[at] && where_other < place[at]) {
                most[at] = other;
                place[at] = where_other;
            }
        }
        workgroupBarrier();
    }
    if at == 0u {
        best[group.x] = place[0];
        similar[group.x] = most[0];
    }
}
