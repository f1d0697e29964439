// Shared by Q5_0, Q5_1 and Q5_K: four nibbles with their fifth bits, which are bits 0..4 of `fifth`.

fn fives(word: u32, fifth: u32) -> vec4<f32> {
    let four = (vec4<u32>(word) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(15u);
    let five = ((vec4<u32>(fifth) >> vec4<u32>(0u, 1u, 2u, 3u)) & vec4<u32>(1u)) << vec4<u32>(4u);
    return vec4<f32>(four | five);
}

fn fives_part(q: vec4<u32>, fifth: u32, d: f32, m: vec4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(
        fives(q.x, fifth) * d + m,
        fives(q.y, fifth >> 4u) * d + m,
        fives(q.z, fifth >> 8u) * d + m,
        fives(q.w, fifth >> 12u) * d + m,
    );
}
