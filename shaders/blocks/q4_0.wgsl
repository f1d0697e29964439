// Q4_0: quants[k] holds the 32 nibbles of chunk k (lower ones 0..16, upper ones 16..32);
// words holds its scale d as half k. Element = (q - 8) d.

struct Chunk {
    q: vec4<u32>,
    d: f32,
}

fn load(k: u32) -> Chunk {
    return Chunk(quants[k], half_at(k));
}

fn part(q: vec4<u32>, d: f32) -> mat4x4<f32> {
    let m = vec4<f32>(-8.0 * d);
    return mat4x4<f32>(
        nibbles(q.x) * d + m,
        nibbles(q.y) * d + m,
        nibbles(q.z) * d + m,
        nibbles(q.w) * d + m,
    );
}

fn low(chunk: Chunk) -> mat4x4<f32> {
    return part(chunk.q, chunk.d);
}

fn high(chunk: Chunk) -> mat4x4<f32> {
    return part(chunk.q >> vec4<u32>(4u), chunk.d);
}
