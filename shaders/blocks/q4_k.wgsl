// Q4_K: quants[k] holds the 32 nibbles of chunk k, which is one group (lower ones 0..16, upper
// ones 16..32); after those of all p[TOTAL] chunks come the headers of the superblocks, 16 bytes
// each. Element = (d scale) q - dmin min.

struct Chunk {
    q: vec4<u32>,
    dm: vec2<f32>,
}

fn load(k: u32) -> Chunk {
    let header = quants[p[TOTAL] + superblock(k)];
    return Chunk(quants[k], group_scale(header, (k >> 4u) & 7u));
}

fn part(q: vec4<u32>, dm: vec2<f32>) -> mat4x4<f32> {
    let m = vec4<f32>(dm.y);
    return mat4x4<f32>(
        nibbles(q.x) * dm.x + m,
        nibbles(q.y) * dm.x + m,
        nibbles(q.z) * dm.x + m,
        nibbles(q.w) * dm.x + m,
    );
}

fn low(chunk: Chunk) -> mat4x4<f32> {
    return part(chunk.q, chunk.dm);
}

fn high(chunk: Chunk) -> mat4x4<f32> {
    return part(chunk.q >> vec4<u32>(4u), chunk.dm);
}
