//! FILIP late interaction (arXiv 2111.07783): how well the tokens of two sides match one by one.

use crate::reduce::select::{dot, normalised, row};

/// Mean over the unmasked tokens of `x` of the largest cosine with an unmasked token of `y`, then
/// the same the other way: `(x to y, y to x)`. A side without tokens scores zero.
///
/// `x` is `[n, width]` and `y` `[m, width]`; masks are true for tokens that count.
pub fn late_interaction(
    x: &[f32],
    x_mask: &[bool],
    y: &[f32],
    y_mask: &[bool],
    width: usize,
) -> (f32, f32) {
    let (x, y) = (normalised(x, width), normalised(y, width));
    (
        one_way(&x, x_mask, &y, y_mask, width),
        one_way(&y, y_mask, &x, x_mask, width),
    )
}

fn one_way(from: &[f32], from_mask: &[bool], to: &[f32], to_mask: &[bool], width: usize) -> f32 {
    let counted = |mask: &[bool]| -> Vec<usize> {
        (0..mask.len())
            .filter(|&index| mask.get(index) == Some(&true))
            .collect()
    };
    let (from_tokens, to_tokens) = (counted(from_mask), counted(to_mask));
    if from_tokens.is_empty() || to_tokens.is_empty() {
        return 0.0;
    }
    let sum: f32 = from_tokens
        .iter()
        .map(|&token| {
            to_tokens
                .iter()
                .map(|&other| dot(row(from, token, width), row(to, other, width)))
                .fold(f32::NEG_INFINITY, f32::max)
        })
        .sum();
    sum / from_tokens.len() as f32
}
