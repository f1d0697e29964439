//! Resizing by the mean over each output pixel's area, as OpenCV's `INTER_AREA` shrinks.

use image::RgbImage;

/// Shrinks to `width` x `height`, neither larger than the picture's own.
pub(super) fn shrink(pixels: &RgbImage, width: u32, height: u32) -> RgbImage {
    let columns = spans(pixels.width(), width);
    let rows = spans(pixels.height(), height);
    let row_bytes = pixels.width() as usize * 3;
    let source = pixels.as_raw();
    let mut out = Vec::with_capacity(columns.len() * rows.len() * 3);
    let mut line = vec![0f32; row_bytes];
    for row in &rows {
        line.fill(0.0);
        for &(y, weight) in row {
            let bytes = source.get(y * row_bytes..(y + 1) * row_bytes);
            for (sum, &byte) in line.iter_mut().zip(bytes.unwrap_or_default()) {
                *sum += weight * f32::from(byte);
            }
        }
        for column in &columns {
            for channel in 0..3 {
                let value: f32 = column
                    .iter()
                    .map(|&(x, weight)| {
                        weight * line.get(x * 3 + channel).copied().unwrap_or_default()
                    })
                    .sum();
                out.push(value.round_ties_even().clamp(0.0, 255.0) as u8);
            }
        }
    }
    RgbImage::from_raw(width, height, out).unwrap_or_else(|| RgbImage::new(width, height))
}

/// For each output the inputs that its area touches and the share of each; shares sum to one.
fn spans(from: u32, to: u32) -> Vec<Vec<(usize, f32)>> {
    let scale = f64::from(from) / f64::from(to);
    (0..to)
        .map(|index| {
            let start = f64::from(index) * scale;
            let end = (start + scale).min(f64::from(from));
            (start.floor() as u32..(end.ceil() as u32).min(from))
                .map(|input| {
                    let overlap = end.min(f64::from(input) + 1.0) - start.max(f64::from(input));
                    (input as usize, (overlap / (end - start)) as f32)
                })
                .filter(|&(_, share)| share > 0.0)
                .collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_sum_to_one_and_cover_every_pixel_equally() {
        for (from, to) in [(10, 3), (512, 224), (224, 224), (7, 7), (100, 1)] {
            let mut used = vec![0f32; from as usize];
            for span in spans(from, to) {
                let sum: f32 = span.iter().map(|(_, share)| share).sum();
                assert!((sum - 1.0).abs() < 1e-5);
                span.iter().for_each(|&(input, share)| used[input] += share);
            }
            let expected = to as f32 / from as f32;
            assert!(used.iter().all(|share| (share - expected).abs() < 1e-4));
        }
    }

    #[test]
    fn a_whole_factor_is_the_mean_of_each_block() {
        let pixels = RgbImage::from_fn(4, 2, |x, y| image::Rgb([(x * 10 + y * 4) as u8, 7, 255]));
        let small = shrink(&pixels, 2, 1);
        assert_eq!(small.as_raw(), &[7, 7, 255, 27, 7, 255]);
    }
}
