// Q5_0: quants[k] holds the 32 nibbles of chunk k, words[k] their fifth bits (bit i of element i);
// after the fifth bits of all p[TOTAL] chunks, words holds the scales d as halves.
// Element = (q - 16) d.

struct Chunk {
    q: vec4<u32>,
    fifth: u32,
    d: f32,
}

fn load(k: u32) -> Chunk {
    return Chunk(quants[k], words[k], half_at(2u * p[TOTAL] + k));
}

fn low(chunk: Chunk) -> mat4x4<f32> {
    return fives_part(chunk.q, chunk.fifth, chunk.d, vec4<f32>(-16.0 * chunk.d));
}

fn high(chunk: Chunk) -> mat4x4<f32> {
    let q = chunk.q >> vec4<u32>(4u);
    return fives_part(q, chunk.fifth >> 16u, chunk.d, vec4<f32>(-16.0 * chunk.d));
}
