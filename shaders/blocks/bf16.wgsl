// BF16: quants[i p[TOTAL] + k] holds elements 8 i..8 i + 8 of chunk k, the upper halves of singles,
// i in 0..4.

struct Chunk {
    a: vec4<u32>,
    b: vec4<u32>,
    c: vec4<u32>,
    d: vec4<u32>,
}

fn load(k: u32) -> Chunk {
    let total = p[TOTAL];
    return Chunk(quants[k], quants[total + k], quants[2u * total + k], quants[3u * total + k]);
}

fn halves(a: u32, b: u32) -> vec4<f32> {
    let low = vec2<u32>(a, b) << vec2<u32>(16u);
    let high = vec2<u32>(a, b) & vec2<u32>(0xffff0000u);
    return bitcast<vec4<f32>>(vec4<u32>(low.x, high.x, low.y, high.y));
}

fn low(chunk: Chunk) -> mat4x4<f32> {
    return mat4x4<f32>(
        halves(chunk.a.x, chunk.a.y),
        halves(chunk.a.z, chunk.a.w),
        halves(chunk.b.x, chunk.b.y),
        halves(chunk.b.z, chunk.b.w),
    );
}

fn high(chunk: Chunk) -> mat4x4<f32> {
    return mat4x4<f32>(
        halves(chunk.c.x, chunk.c.y),
        halves(chunk.c.z, chunk.c.w),
        halves(chunk.d.x, chunk.d.y),
        halves(chunk.d.z, chunk.d.w),
    );
}
