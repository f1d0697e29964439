// Shared by Q4_K and Q5_K: scale and minimum of group `g` (0..8) of a superblock.
//
// `meta` is the first 16 bytes of the block as stored: the halves d and dmin, then twelve bytes
// with sixteen six-bit numbers (see the checkpoint crate's `superblock.rs`). Superblocks are
// numbered like chunks, in tiles of 16 rows.

fn group_scale(header: vec4<u32>, g: u32) -> vec2<f32> {
    let shift = (g & 3u) * 8u;
    let a = header.y >> shift;
    let b = header.z >> shift;
    let c = header.w >> shift;
    let scale = select((c & 15u) | (((a >> 6u) & 3u) << 4u), a & 63u, g < 4u);
    let minimum = select(((c >> 4u) & 15u) | (((b >> 6u) & 3u) << 4u), b & 63u, g < 4u);
    let d = half_value(header.x & 0xffffu);
    let dmin = half_value(header.x >> 16u);
    return vec2<f32>(d * f32(scale), -dmin * f32(minimum));
}

// The superblock of chunk `k`.
fn superblock(k: u32) -> u32 {
    let lane = k & 15u;
    return ((k >> 4u) / 8u) * 16u + lane;
}
