// The p[K] largest elements of each slice of 1024, the largest first; of equal ones the one with the
// smaller id. Run again over what it wrote, it ends with those of the whole.
//
// x       the first time [p[COUNT]] f32 bits, whose ids are their places; NaN is never among them
//         with PAIRS what this shader wrote, [p[COUNT]] pairs of key and id
// out     [slices, p[K]] pairs of key and id. Keys are in the order of the elements: their bits, the
//         sign turned, and all bits of negative ones. Key 0 and id 0xffffffff where there is nothing.
// Workgroup: 256 invocations, one slice, sorted in workgroup memory; grid.x over slices.
// Memory: 8 KiB. p[K] is at most 128. Needs nothing beyond WebGPU's default limits.

const COUNT: u32 = 0u;
const K: u32 = 1u;
const SLICE: u32 = 1024u;

@group(0) @binding(0) var<storage, read> p: array<u32>;
//#if PAIRS
@group(0) @binding(1) var<storage, read> x: array<vec2<u32>>;
//#else
@group(0) @binding(1) var<storage, read> x: array<u32>;
//#endif
@group(0) @binding(2) var<storage, read_write> out: array<vec2<u32>>;

var<workgroup> pairs: array<vec2<u32>, SLICE>;

fn element(i: u32) -> vec2<u32> {
    if i >= p[COUNT] {
        return vec2<u32>(0u, 0xffffffffu);
    }
//#if PAIRS
    return x[i];
//#else
    let bits = x[i];
    if (bits & 0x7fffffffu) > 0x7f800000u {
        return vec2<u32>(0u, 0xffffffffu);
    }
    return vec2<u32>(select(bits | 0x80000000u, ~bits, (bits & 0x80000000u) != 0u), i);
//#endif
}

// Whether a comes before b.
fn before(a: vec2<u32>, b: vec2<u32>) -> bool {
    return a.x > b.x || (a.x == b.x && a.y < b.y);
}

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) at: u32,
) {
    for (var i = at; i < SLICE; i += 256u) {
        pairs[i] = element(group.x * SLICE + i);
    }
    workgroupBarrier();
    // A bitonic sort (Batcher 1968).
    for (var run = 2u; run <= SLICE; run <<= 1u) {
        for (var reach = run >> 1u; reach > 0u; reach >>= 1u) {
            for (var i = at; i < SLICE / 2u; i += 256u) {
                let low = 2u * reach * (i / reach) + i % reach;
                let a = pairs[low];
                let b = pairs[low + reach];
                let falling = (low & run) == 0u;
                if before(b, a) == falling {
                    pairs[low] = b;
                    pairs[low + reach] = a;
                }
            }
            workgroupBarrier();
        }
    }
    for (var i = at; i < p[K]; i += 256u) {
        out[group.x * p[K] + i] = pairs[i];
    }
}
