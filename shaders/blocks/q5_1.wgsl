// Q5_1: quants[k] holds the 32 nibbles of chunk k, words[k] their fifth bits (bit i of element i);
// words[p[TOTAL] + k] the scale d (lower half) and the minimum m. Element = q d + m.

struct Chunk {
    q: vec4<u32>,
    fifth: u32,
    d: f32,
    m: f32,
}

fn load(k: u32) -> Chunk {
    let dm = words[p[TOTAL] + k];
    return Chunk(quants[k], words[k], half_value(dm & 0xffffu), half_value(dm >> 16u));
}

fn low(chunk: Chunk) -> mat4x4<f32> {
    return fives_part(chunk.q, chunk.fifth, chunk.d, vec4<f32>(chunk.m));
}

fn high(chunk: Chunk) -> mat4x4<f32> {
    let q = chunk.q >> vec4<u32>(4u);
    return fives_part(q, chunk.fifth >> 16u, chunk.d, vec4<f32>(chunk.m));
}
