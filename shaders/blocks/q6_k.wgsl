// Q6_K: quants[k] holds the lower four bits of chunk k (lower nibbles 0..16, upper ones 16..32);
// words[2 k] and words[2 k + 1] the upper two bits of its elements 0..16 and 16..32; then, for all
// chunks, two signed bytes: the scales of its halves; then the scales d of the superblocks as
// halves. Element = (d scale) (q - 32).

struct Chunk {
    q: vec4<u32>,
    high: vec2<u32>,
    d: vec2<f32>,
}

fn load(k: u32) -> Chunk {
    let total = p[TOTAL];
    let pair = words[2u * total + (k >> 1u)] >> ((k & 1u) * 16u);
    let scales = vec2<i32>(bitcast<i32>(pair)) << vec2<u32>(24u, 16u);
    // Two words of upper bits and half a word of scales a chunk, counted in halves.
    let d = half_at(5u * total + superblock(k));
    let high = vec2<u32>(words[2u * k], words[2u * k + 1u]);
    return Chunk(quants[k], high, d * vec2<f32>(scales >> vec2<u32>(24u)));
}

fn sixes(word: u32, upper: u32) -> vec4<f32> {
    let four = (vec4<u32>(word) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(15u);
    let two = ((vec4<u32>(upper) >> vec4<u32>(0u, 2u, 4u, 6u)) & vec4<u32>(3u)) << vec4<u32>(4u);
    return vec4<f32>(four | two);
}

fn part(q: vec4<u32>, upper: u32, d: f32) -> mat4x4<f32> {
    let m = vec4<f32>(-32.0 * d);
    return mat4x4<f32>(
        sixes(q.x, upper) * d + m,
        sixes(q.y, upper >> 8u) * d + m,
        sixes(q.z, upper >> 16u) * d + m,
        sixes(q.w, upper >> 24u) * d + m,
    );
}

fn low(chunk: Chunk) -> mat4x4<f32> {
    return part(chunk.q, chunk.high.x, chunk.d.x);
}

fn high(chunk: Chunk) -> mat4x4<f32> {
    return part(chunk.q >> vec4<u32>(4u), chunk.high.y, chunk.d.y);
}
