// The tokens of each output as a chain: for outputs the first token, for tokens the next one.
//
// goes    u32, [tokens] from p[TO] on: the output that each token becomes part of; 0xffffffff when it
//         is dropped
// links   [2 tokens] u32: first tokens, then next ones; 0xffffffff ends a chain
// Workgroup: 64 invocations, a token each; grid.x over tokens.
// Needs nothing beyond WebGPU's default limits.

const TOKENS: u32 = 0u;
const TO: u32 = 1u;
const NONE: u32 = 0xffffffffu;

@group(0) @binding(0) var<storage, read> p: array<u32>;
@group(0) @binding(1) var<storage, read> goes: array<u32>;
@group(0) @binding(2) var<storage, read_write> links: array<u32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) at: u32,
) {
    let tokens = p[TOKENS];
    let token = group.x * 64u + at;
    if token >= tokens {
        return;
    }
    let to = p[TO];
    let output = goes[to + token];
    if output == NONE {
        return;
    }
    var first = true;
    for (var other = 0u; other < token; other++) {
        if goes[to + other] == output {
            first = false;
        }
    }
    var next = NONE;
    for (var other = tokens; other > token + 1u; other--) {
        if goes[to + other - 1u] == output {
            next = other - 1u;
        }
    }
    if first {
        links[output] = token;
    }
    links[tokens + token] = next;
}
