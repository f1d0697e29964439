// F16: quants[i p[TOTAL] + k] holds elements 8 i..8 i + 8 of chunk k as halves, i in 0..4.
// A device may take subnormal halves for zero: an error of at most 6.1e-5 |x| an element.

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
    return vec4<f32>(unpack2x16float(a), unpack2x16float(b));
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
