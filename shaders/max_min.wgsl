// p[KEEP] times the token whose distance to the nearest of those taken, times its weight, is largest
// (arXiv 2503.02175, arXiv 2509.24837); among equals the lower index.
//
// distances [n, n] f32, n = p[COUNT]; 3e38 on the diagonal
// sums    [n] f32, with the feature WEIGHTS: weights, before they are scaled to 0 to 1 by the
//         smallest and the largest. The heaviest is taken first; without weights, the one that is
//         farthest from its nearest neighbour.
// near    [n] f32, used up
// flags   [n] u32: 1 for those that are taken
// Workgroup: 256 invocations, one of them in all. Memory: 2 KiB.
// Needs nothing beyond WebGPU's default limits.

const COUNT: u32 = 0u;
const KEEP: u32 = 1u;
const NONE: u32 = 0xffffffffu;

@group(0) @binding(0) var<storage, read> p: array<u32>;
@group(0) @binding(1) var<storage, read> distances: array<f32>;
//#if WEIGHTS
@group(0) @binding(2) var<storage, read> sums: array<f32>;
//#endif
@group(0) @binding(3) var<storage, read_write> near: array<f32>;
@group(0) @binding(4) var<storage, read_write> flags: array<u32>;

var<workgroup> most: array<f32, 256>;
var<workgroup> place: array<u32, 256>;

/// The place of the largest of all invocations' values, the lowest among equals.
fn largest(at: u32, value: f32, found: u32) -> u32 {
    most[at] = value;
    place[at] = found;
    workgroupBarrier();
    for (var reach = 128u; reach > 0u; reach >>= 1u) {
        if at < reach {
            let other = most[at + reach];
            let where_other = place[at + reach];
            let better = other > most[at] || (other == most[at] && where_other < place[at]);
            if where_other != NONE && (place[at] == NONE || better) {
                most[at] = other;
                place[at] = where_other;
            }
        }
        workgroupBarrier();
    }
    let chosen = place[0];
    workgroupBarrier();
    return chosen;
}

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) at: u32) {
    let n = p[COUNT];
    var low = 3e38;
    var high = -3e38;
//#if WEIGHTS
    for (var i = 0u; i < n; i++) {
        low = min(low, sums[i]);
        high = max(high, sums[i]);
    }
//#endif
    // Each invocation looks after every 256th token.
    var best = -3e38;
    var found = NONE;
    for (var i = at; i < n; i += 256u) {
        near[i] = 3e38;
        flags[i] = 0u;
//#if WEIGHTS
        let value = sums[i];
//#else
        var value = 3e38;
        for (var j = 0u; j < n; j++) {
            value = min(value, distances[i * n + j]);
        }
//#endif
        // What is no number comes last.
        let known = select(-1e30, value, value > -1e30);
        if found == NONE || known > best {
            best = known;
            found = i;
        }
    }
    var chosen = largest(at, best, found);
    for (var turn = 1u; turn <= p[KEEP]; turn++) {
        if chosen % 256u == at {
            flags[chosen] = 1u;
        }
        if turn == p[KEEP] {
            break;
        }
        best = -3e38;
        found = NONE;
        for (var i = at; i < n; i += 256u) {
            if flags[i] == 0u {
                near[i] = min(near[i], distances[chosen * n + i]);
//#if WEIGHTS
                let weight = select(1.0, (sums[i] - low) / (high - low), high > low);
//#else
                let weight = 1.0;
//#endif
                let value = weight * near[i];
                let known = select(-1e30, value, value > -1e30);
                if found == NONE || known > best {
                    best = known;
                    found = i;
                }
            }
        }
        chosen = largest(at, best, found);
    }
}
