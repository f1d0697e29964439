// The gathering half of a transposed convolution 4x4 with stride 2 and padding 1, with ReLU: an
// output pixel is the sum of four of the products of its neighbours with the sixteen places of the
// kernel, and a bias.
//
// products [pictures, p[ROWS], p[COLUMNS], 16, p[CHANNELS]] f32, kernel row by kernel row
// bias    [p[CHANNELS]] f32
// out     [pictures, 2 p[ROWS], 2 p[COLUMNS], p[CHANNELS]] f32
// Workgroup: 64 invocations, one output pixel; grid.x over the columns, grid.y over the rows and
// grid.z over the pictures of the output.
// Needs nothing beyond WebGPU's default limits.

const ROWS: u32 = 0u;
const COLUMNS: u32 = 1u;
const CHANNELS: u32 = 2u;

@group(0) @binding(0) var<storage, read> p: array<u32>;
@group(0) @binding(1) var<storage, read> products: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) at: u32,
) {
    let rows = p[ROWS];
    let columns = p[COLUMNS];
    let channels = p[CHANNELS];
    let x = group.x;
    let y = group.y;
    let place = ((group.z * 2u * rows + y) * 2u * columns + x) * channels;
    for (var channel = at; channel < channels; channel += 64u) {
        var sum = bias[channel];
        // Output 2 m takes kernel rows 1 and 3 at inputs m and m - 1, output 2 m + 1 rows 2 and 0 at
        // m and m + 1; inputs count from one here, so that none is below zero.
        for (var down = 0u; down < 2u; down++) {
            let from_y = y / 2u + 1u + select(0u - down, down, y % 2u == 1u);
            let kernel_y = select(1u + 2u * down, 2u - 2u * down, y % 2u == 1u);
            for (var right = 0u; right < 2u; right++) {
                let from_x = x / 2u + 1u + select(0u - right, right, x % 2u == 1u);
                let kernel_x = select(1u + 2u * right, 2u - 2u * right, x % 2u == 1u);
                if from_y >= 1u && from_y <= rows && from_x >= 1u && from_x <= columns {
                    let pixel = (group.z * rows + from_y - 1u) * columns + from_x - 1u;
                    sum += products[(pixel * 16u + kernel_y * 4u + kernel_x) * channels + channel];
                }
            }
        }
        out[place + channel] = max(sum, 0.0);
    }
}
