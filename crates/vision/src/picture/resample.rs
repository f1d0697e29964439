//! Resizing as the programs do with which models are prepared.

use super::Picture;

/// How output pixels are made of input pixels along one axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filter {
    /// Cubic convolution with `a = -0.5`, widened when shrinking, as Pillow's `BICUBIC`.
    Cubic,
    /// The mean over the output pixel's area, as OpenCV's `INTER_AREA` shrinks.
    Area,
    /// Linear between pixel centres, not widened, as OpenCV's `INTER_LINEAR` and how its
    /// `INTER_AREA` grows.
    Linear,
}

/// Inputs of an output and their weights, which sum to one.
type Taps = Vec<(usize, f32)>;

/// Resizes to `width` x `height`, along rows first; the rows between are rounded to bytes for the
/// cubic filter, as Pillow does.
pub(super) fn resize(picture: &Picture, width: usize, height: usize, filter: Filter) -> Picture {
    let columns = taps(picture.width, width, filter);
    let rows = taps(picture.height, height, filter);
    let round = |value: f32| {
        if filter == Filter::Cubic {
            (value + 0.5).floor().clamp(0.0, 255.0)
        } else {
            value
        }
    };
    // `[input rows, width, 3]`.
    let mut narrow = Vec::with_capacity(picture.height * width * 3);
    for line in picture.rgb.chunks_exact(picture.width * 3) {
        for taps in &columns {
            let mut sums = [0f32; 3];
            for &(x, weight) in taps {
                let pixel = line.get(x * 3..x * 3 + 3).unwrap_or(&[0; 3]);
                for (sum, &byte) in sums.iter_mut().zip(pixel) {
                    *sum += weight * f32::from(byte);
                }
            }
            narrow.extend(sums.map(round));
        }
    }
    let mut rgb = Vec::with_capacity(width * height * 3);
    let mut line = vec![0f32; width * 3];
    for taps in &rows {
        line.fill(0.0);
        for &(y, weight) in taps {
            let source = narrow.get(y * width * 3..(y + 1) * width * 3);
            for (sum, value) in line.iter_mut().zip(source.unwrap_or_default()) {
                *sum += weight * value;
            }
        }
        rgb.extend(line.iter().map(|value| {
            let rounded = match filter {
                Filter::Cubic => (value + 0.5).floor(),
                Filter::Area | Filter::Linear => value.round_ties_even(),
            };
            rounded.clamp(0.0, 255.0) as u8
        }));
    }
    Picture { width, height, rgb }
}

fn taps(from: usize, to: usize, filter: Filter) -> Vec<Taps> {
    let scale = from as f64 / to as f64;
    (0..to)
        .map(|index| match filter {
            Filter::Cubic => cubic_taps(from, index, scale),
            Filter::Area => area_taps(from, index, scale),
            Filter::Linear => linear_taps(from, index, scale),
        })
        .collect()
}

fn cubic_taps(from: usize, index: usize, scale: f64) -> Taps {
    let stretch = scale.max(1.0);
    let centre = (index as f64 + 0.5) * scale;
    let first = (centre - 2.0 * stretch + 0.5).max(0.0) as usize;
    let last = ((centre + 2.0 * stretch + 0.5) as usize).min(from);
    let weights: Vec<f64> = (first..last)
        .map(|input| cubic((input as f64 - centre + 0.5) / stretch))
        .collect();
    let total: f64 = weights.iter().sum();
    (first..last)
        .zip(weights)
        .map(|(input, weight)| (input, (weight / total) as f32))
        .collect()
}

fn cubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

fn area_taps(from: usize, index: usize, scale: f64) -> Taps {
    let start = index as f64 * scale;
    let end = (start + scale).min(from as f64);
    (start as usize..(end.ceil() as usize).min(from))
        .map(|input| {
            let overlap = end.min(input as f64 + 1.0) - start.max(input as f64);
            (input, (overlap / (end - start)) as f32)
        })
        .filter(|&(_, share)| share > 0.0)
        .collect()
}

fn linear_taps(from: usize, index: usize, scale: f64) -> Taps {
    let last = from.saturating_sub(1);
    let at = ((index as f64 + 0.5) * scale - 0.5).clamp(0.0, last as f64);
    let lower = at as usize;
    let share = (at - lower as f64) as f32;
    vec![(lower, 1.0 - share), ((lower + 1).min(last), share)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_sum_to_one_and_areas_cover_every_pixel_equally() {
        for filter in [Filter::Cubic, Filter::Area, Filter::Linear] {
            for (from, to) in [(10, 3), (512, 224), (224, 224), (7, 7), (100, 1), (3, 9)] {
                let mut used = vec![0f32; from];
                for taps in taps(from, to, filter) {
                    let sum: f32 = taps.iter().map(|(_, weight)| weight).sum();
                    assert!((sum - 1.0).abs() < 1e-5, "{filter:?} {from} {to}: {sum}");
                    taps.iter()
                        .for_each(|&(input, weight)| used[input] += weight);
                }
                if filter == Filter::Area {
                    let even = to as f32 / from as f32;
                    assert!(used.iter().all(|share| (share - even).abs() < 1e-4));
                }
            }
        }
    }

    #[test]
    fn its_own_size_is_untouched() {
        let rgb: Vec<u8> = (0..5 * 4 * 3).map(|i| (i * 37 % 256) as u8).collect();
        let picture = Picture {
            width: 5,
            height: 4,
            rgb,
        };
        for filter in [Filter::Cubic, Filter::Area, Filter::Linear] {
            assert_eq!(resize(&picture, 5, 4, filter), picture, "{filter:?}");
        }
    }
}
