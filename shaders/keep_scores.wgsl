// Which tokens behind the leading ones have the p[KEEP] largest scores; among equals the lower index
// is kept.
//
// scores  [p[PARTS], tokens] f32; a token's score is the sum of its parts
// sums    [reducible] f32, used up
// flags   [reducible] u32: 1 for those that are kept
// Features: LEAST  the smallest scores instead
// Workgroup: 256 invocations, one of them in all.
// Needs nothing beyond WebGPU's default limits.

const TOKENS: u32 = 0u;
const LEADING: u32 = 1u;
const KEEP: u32 = 2u;
const PARTS: u32 = 3u;

@group(0) @binding(0) var<storage, read> p: array<u32>;
@group(0) @binding(1) var<storage, read> scores: array<f32>;
@group(0) @binding(2) var<storage, read_write> sums: array<f32>;
@group(0) @binding(3) var<storage, read_write> flags: array<u32>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) at: u32) {
    let tokens = p[TOKENS];
    let n = tokens - p[LEADING];
    for (var i = at; i < n; i += 256u) {
        var sum = 0.0;
        for (var part = 0u; part < p[PARTS]; part++) {
            sum += scores[part * tokens + p[LEADING] + i];
        }
//#if LEAST
        sum = -sum;
//#endif
        // What is no number is the least.
        sums[i] = select(-1e30, sum, sum > -1e30);
    }
    storageBarrier();
    for (var i = at; i < n; i += 256u) {
        let own = sums[i];
        var ahead = 0u;
        for (var other = 0u; other < n; other++) {
            let value = sums[other];
            if value > own || (value == own && other < i) {
                ahead++;
            }
        }
        flags[i] = select(0u, 1u, ahead < p[KEEP]);
    }
}
