// Shared by all block formats: bytes, nibbles and halves of 32-bit words.
//
// A format file gives `Chunk`, `load`, `low` and `high`. A chunk is 32 consecutive elements of one
// row; `low` returns its elements 0..16 and `high` 16..32, four to a column, as the checkpoint's
// dequantisation has them. Chunks lie in tiles of 16 rows: chunk `c` of row `r` of a matrix with
// `chunks` chunks a row is number `((r / 16) * chunks + c) * 16 + r % 16`, so that neighbouring
// invocations, which take neighbouring rows, read neighbouring words.

fn nibbles(word: u32) -> vec4<f32> {
    return vec4<f32>((vec4<u32>(word) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(15u));
}

fn bytes_signed(word: u32) -> vec4<f32> {
    let shifted = vec4<i32>(bitcast<i32>(word)) << vec4<u32>(24u, 16u, 8u, 0u);
    return vec4<f32>(shifted >> vec4<u32>(24u));
}

// One half, exactly. `unpack2x16float` may take subnormal halves for zero, and scales are often
// subnormal. Infinities and NaNs do not reach the device.
fn half_value(half: u32) -> f32 {
    let magnitude = half & 0x7fffu;
    let normal = bitcast<f32>((magnitude << 13u) + 0x38000000u);
    let subnormal = f32(magnitude) * 5.9604644775390625e-8;
    let value = select(normal, subnormal, magnitude < 0x400u);
    return select(value, -value, (half & 0x8000u) != 0u);
}
