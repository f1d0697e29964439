// p[MERGES] times the cheapest pair of tokens becomes one, at the place of the lower; costs of
// unions follow from those of their parts (Lance and Williams 1967). Among equal costs the pair with
// the lower first, then the lower second token merges.
//
// sizes   [tokens] f32
// costs   [n, n] f32, n = reducible tokens; used up. 3e38 stands for none.
// whole   [n] f32, sizes of the unions so far
// near    [n] u32, the cheapest of the later tokens, and least [n] f32, its cost
// label   [n] u32, the lowest token of each token's union
// goes    u32, [tokens] from p[TO] on: the output that each token becomes part of
// Workgroup: 256 invocations, one of them in all. Memory: 2 KiB.
// Needs nothing beyond WebGPU's default limits.

const TOKENS: u32 = 0u;
const LEADING: u32 = 1u;
const MERGES: u32 = 2u;
const TO: u32 = 3u;
const NONE: f32 = 3e38;
// Of hidden states that are no numbers: they merge last, and the count stays what was asked for.
const MOST: f32 = 1e30;

@group(0) @binding(0) var<storage, read> p: array<u32>;
@group(0) @binding(1) var<storage, read> sizes: array<f32>;
@group(0) @binding(2) var<storage, read_write> costs: array<f32>;
// One buffer for the four lists: whole, near, least and label; singles lie in it as their bits.
@group(0) @binding(3) var<storage, read_write> lists: array<u32>;
@group(0) @binding(4) var<storage, read_write> goes: array<u32>;

var<workgroup> most: array<f32, 256>;
var<workgroup> place: array<u32, 256>;

fn single(index: u32) -> f32 {
    return bitcast<f32>(lists[index]);
}

/// The cheapest later token of token `i`, into near and least.
fn look(i: u32, n: u32) {
    var low = NONE;
    var found = i;
    for (var j = i + 1u; j < n; j++) {
        let cost = costs[i * n + j];
        if cost < low {
            low = cost;
            found = j;
        }
    }
    lists[n + i] = found;
    lists[2u * n + i] = bitcast<u32>(low);
}

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) at: u32) {
    let leading = p[LEADING];
    let n = p[TOKENS] - leading;
    for (var i = at; i < n; i += 256u) {
        lists[i] = bitcast<u32>(sizes[leading + i]);
        lists[3u * n + i] = i;
        look(i, n);
    }
    storageBarrier();
    for (var turn = 0u; turn < p[MERGES]; turn++) {
        var low = NONE;
        var found = 0u;
        for (var i = at; i < n; i += 256u) {
            let cost = single(2u * n + i);
            if cost < low {
                low = cost;
                found = i;
            }
        }
        most[at] = low;
        place[at] = found;
        workgroupBarrier();
        for (var reach = 128u; reach > 0u; reach >>= 1u) {
            if at < reach {
                let other = most[at + reach];
                let where_other = place[at + reach];
                if other < most[at] || (other == most[at] && where_other < place[at]) {
                    most[at] = other;
                    place[at] = where_other;
                }
            }
            workgroupBarrier();
        }
        let kept = place[0];
        let cost = most[0];
        let gone = lists[n + kept];
        let size_kept = single(kept);
        let size_gone = single(gone);
        storageBarrier();
        workgroupBarrier();
        for (var j = at; j < n; j += 256u) {
            let from_kept = costs[kept * n + j];
            let from_gone = costs[gone * n + j];
            // Neither of the two, and not gone before.
            if j != kept && j != gone && from_kept < NONE {
                let size = single(j);
                let sum = (size_kept + size) * from_kept + (size_gone + size) * from_gone;
                let merged = (sum - size * cost) / (size_kept + size_gone + size);
                let bounded = select(MOST, merged, merged < MOST);
                costs[kept * n + j] = bounded;
                costs[j * n + kept] = bounded;
            }
            costs[gone * n + j] = NONE;
            costs[j * n + gone] = NONE;
            if lists[3u * n + j] == gone {
                lists[3u * n + j] = kept;
            }
        }
        storageBarrier();
        if at == 0u {
            lists[kept] = bitcast<u32>(size_kept + size_gone);
        }
        for (var i = at; i <= gone; i += 256u) {
            let other = lists[n + i];
            let least = single(2u * n + i);
            let merged = costs[i * n + kept];
            if i == kept || i == gone || other == kept || other == gone {
                look(i, n);
            } else if i < kept && (merged < least || (merged == least && kept < other)) {
                lists[n + i] = kept;
                lists[2u * n + i] = bitcast<u32>(merged);
            }
        }
        storageBarrier();
    }
    let to = p[TO];
    for (var token = at; token < leading; token += 256u) {
        goes[to + token] = token;
    }
    for (var i = at; i < n; i += 256u) {
        let lowest = lists[3u * n + i];
        var output = leading;
        for (var j = 0u; j < lowest; j++) {
            output += select(0u, 1u, lists[3u * n + j] == j);
        }
        goes[to + leading + i] = output;
    }
}
