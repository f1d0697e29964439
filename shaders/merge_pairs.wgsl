// Which output each token becomes part of when the p[MERGES] sources that are most similar to their
// targets join them: first the leading tokens, then the other sources, then the targets.
//
// best    [sources] u32
// similar [sources] f32
// goes    u32, [tokens] from p[TO] on; before the end of this kernel it holds flags
// Workgroup: 256 invocations, one of them in all.
// Needs nothing beyond WebGPU's default limits.

const TOKENS: u32 = 0u;
const LEADING: u32 = 1u;
const MERGES: u32 = 2u;
const TO: u32 = 3u;

@group(0) @binding(0) var<storage, read> p: array<u32>;
@group(0) @binding(1) var<storage, read> best: array<u32>;
@group(0) @binding(2) var<storage, read> similar: array<f32>;
@group(0) @binding(3) var<storage, read_write> flags: array<u32>;
@group(0) @binding(4) var<storage, read_write> goes: array<u32>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) at: u32) {
    let leading = p[LEADING];
    let reducible = p[TOKENS] - leading;
    let sources = reducible / 2u;
    let to = p[TO];
    for (var source = at; source < sources; source += 256u) {
        let own = similar[source];
        var ahead = 0u;
        for (var other = 0u; other < sources; other++) {
            let value = similar[other];
            if value > own || (value == own && other < source) {
                ahead++;
            }
        }
        flags[source] = select(0u, 1u, ahead < p[MERGES]);
    }
    storageBarrier();
    let first_target = leading + sources - p[MERGES];
    for (var token = at; token < leading; token += 256u) {
        goes[to + token] = token;
    }
    for (var number = at; number < reducible - sources; number += 256u) {
        goes[to + leading + 2u * number] = first_target + number;
    }
    for (var source = at; source < sources; source += 256u) {
        var output = first_target + best[source];
        if flags[source] == 0u {
            output = leading + source;
            for (var other = 0u; other < source; other++) {
                output -= flags[other];
            }
        }
        goes[to + leading + 1u + 2u * source] = output;
    }
}
