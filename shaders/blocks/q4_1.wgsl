// Q4_1: quants[k] holds the 32 nibbles of chunk k (lower ones 0..16, upper ones 16..32);
// words[k] its scale d (lower half) and minimum m. Element = q d + m.

struct Chunk {
    q: vec4<u32>,
    d: f32,
    m: f32,
}

fn load(k: u32) -> Chunk {
    let dm = words[k];
    return Chunk(quants[k], half_value(dm & 0xffffu), half_value(dm >> 16u));
}

fn part(q: vec4<u32>, d: f32, m: vec4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(
        nibbles(q.x) * d + m,
        nibbles(q.y) * d + m,
        nibbles(q.z) * d + m,
        nibbles(q.w) * d + m,
    );
}

fn low(chunk: Chunk) -> mat4x4<f32> {
    return part(chunk.q, chunk.d, vec4<f32>(chunk.m));
}

fn high(chunk: Chunk) -> mat4x4<f32> {
    return part(chunk.q >> vec4<u32>(4u), chunk.d, vec4<f32>(chunk.m));
}
