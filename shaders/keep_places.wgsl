// The output of each token when the leading ones and those with a flag are kept, in their order.
//
// flags   [reducible] u32
// goes    u32, [tokens] from p[TO] on: the output that each token becomes; 0xffffffff when it is
//         dropped
// Workgroup: 64 invocations, a token each; grid.x over tokens.
// Needs nothing beyond WebGPU's default limits.

const TOKENS: u32 = 0u;
const LEADING: u32 = 1u;
const TO: u32 = 2u;
const NONE: u32 = 0xffffffffu;

@group(0) @binding(0) var<storage, read> p: array<u32>;
@group(0) @binding(1) var<storage, read> flags: array<u32>;
@group(0) @binding(2) var<storage, read_write> goes: array<u32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) at: u32,
) {
    let leading = p[LEADING];
    let token = group.x * 64u + at;
    if token >= p[TOKENS] {
        return;
    }
    var output = token;
    if token >= leading {
        let own = token - leading;
        output = leading;
        for (var i = 0u; i < own; i++) {
            output += flags[i];
        }
        output = select(NONE, output, flags[own] == 1u);
    }
    goes[p[TO] + token] = output;
}
