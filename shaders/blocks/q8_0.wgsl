// Q8_0: quants[k] holds elements 0..16 of chunk k as signed bytes, quants[p[TOTAL] + k] elements
// 16..32; words holds its scale d as half k. Element = q d.

struct Chunk {
    q: vec4<u32>,
    r: vec4<u32>,
    d: f32,
}

fn load(k: u32) -> Chunk {
    return Chunk(quants[k], quants[p[TOTAL] + k], half_at(k));
}

fn part(q: vec4<u32>, d: f32) -> mat4x4<f32> {
    return mat4x4<f32>(
        bytes_signed(q.x) * d,
        bytes_signed(q.y) * d,
        bytes_signed(q.z) * d,
        bytes_signed(q.w) * d,
    );
}

fn low(chunk: Chunk) -> mat4x4<f32> {
    return part(chunk.q, chunk.d);
}

fn high(chunk: Chunk) -> mat4x4<f32> {
    return part(chunk.r, chunk.d);
}
