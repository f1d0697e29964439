// Q5_K: as Q4_K, and words[k] holds the fifth bits of chunk k (bit i of element i).

struct Chunk {
    q: vec4<u32>,
    fifth: u32,
    dm: vec2<f32>,
}

fn load(k: u32) -> Chunk {
    let header = quants[p[TOTAL] + superblock(k)];
    return Chunk(quants[k], words[k], group_scale(header, (k >> 4u) & 7u));
}

fn low(chunk: Chunk) -> mat4x4<f32> {
    return fives_part(chunk.q, chunk.fifth, chunk.dm.x, vec4<f32>(chunk.dm.y));
}

fn high(chunk: Chunk) -> mat4x4<f32> {
    let q = chunk.q >> vec4<u32>(4u);
    return fives_part(q, chunk.fifth >> 16u, chunk.dm.x, vec4<f32>(chunk.dm.y));
}
