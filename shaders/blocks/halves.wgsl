// Half number `index` of the words beside the quants.

fn half_at(index: u32) -> f32 {
    return half_value((words[index >> 1u] >> ((index & 1u) * 16u)) & 0xffffu);
}
