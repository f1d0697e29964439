// F32: quants[i p[TOTAL] + k] holds elements 4 i..4 i + 4 of chunk k, i in 0..8.

struct Chunk {
    a: mat4x4<f32>,
    b: mat4x4<f32>,
}

fn quad(k: u32, i: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>(quants[i * p[TOTAL] + k]);
}

fn load(k: u32) -> Chunk {
    return Chunk(
        mat4x4<f32>(quad(k, 0u), quad(k, 1u), quad(k, 2u), quad(k, 3u)),
        mat4x4<f32>(quad(k, 4u), quad(k, 5u), quad(k, 6u), quad(k, 7u)),
    );
}

fn low(chunk: Chunk) -> mat4x4<f32> {
    return chunk.a;
}

fn high(chunk: Chunk) -> mat4x4<f32> {
    return chunk.b;
}
