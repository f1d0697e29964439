use super::select::{argmax, dot, min_max, normalised, row};
use super::{Reduction, TokenReducer, TokenView};
use crate::VisionError;

/// CDPruner (arXiv 2506.10967): the subset whose kernel of similarity, weighted by relevance to the
/// instruction, has the largest determinant, found greedily.
///
/// A vision transformer has no instruction: here the attention of CLS stands in for relevance,
/// which is an adaptation. With a text, use [`relevance`], [`conditional_kernel`] and
/// [`greedy_map`].
#[derive(Debug, Clone, Copy, Default)]
pub struct CdPruner;

/// Keeps relevances above zero.
const FLOOR: f32 = 1e-6;

/// Smallest gain that is divided by.
const EPS: f32 = 1e-10;

impl TokenReducer for CdPruner {
    fn name(&self) -> &'static str {
        "cdpruner"
    }

    fn reduce(&self, view: &TokenView<'_>, keep: usize) -> Result<Reduction, VisionError> {
        view.check(keep)?;
        let relevance: Vec<f32> = min_max(view.scores()).iter().map(|s| s + FLOOR).collect();
        let kernel = conditional_kernel(view.features(), view.width, &relevance);
        let mut kept = greedy_map(&kernel, view.reducible(), keep);
        kept.sort_unstable();
        Ok(Reduction::keep(view.tokens(), view.leading, &kept))
    }
}

/// Relevance of each image token to a text, from the mean of its negated cosines with the text
/// tokens as the reference code has it, scaled to 0..=1, plus a floor.
///
/// `image` is `[n, width]`, `text` `[m, width]`.
pub fn relevance(image: &[f32], text: &[f32], width: usize) -> Vec<f32> {
    let (image, text) = (normalised(image, width), normalised(text, width));
    let scores: Vec<f32> = image
        .chunks_exact(width.max(1))
        .map(|token| {
            let cosines = text
                .chunks_exact(width.max(1))
                .map(|word| -dot(token, word));
            cosines.sum::<f32>() / (text.len() / width.max(1)).max(1) as f32
        })
        .collect();
    min_max(&scores).iter().map(|score| score + FLOOR).collect()
}

/// `L = diag(q) S diag(q)` with S the cosines of the rows: `[n, n]`.
pub fn conditional_kernel(rows: &[f32], width: usize, relevance: &[f32]) -> Vec<f32> {
    let unit = normalised(rows, width);
    let n = relevance.len();
    let mut kernel = Vec::with_capacity(n * n);
    for (i, q_i) in relevance.iter().enumerate() {
        let own = row(&unit, i, width);
        kernel.extend(
            relevance
                .iter()
                .enumerate()
                .map(|(j, q_j)| q_i * dot(own, row(&unit, j, width)) * q_j),
        );
    }
    kernel
}

/// Greedy MAP inference of a determinantal point process (arXiv 1709.05135): k times the item that
/// multiplies the determinant of the chosen submatrix most. Returns the items in the order taken.
pub fn greedy_map(kernel: &[f32], n: usize, k: usize) -> Vec<usize> {
    let entry = |i: usize, j: usize| kernel.get(i * n + j).copied().unwrap_or_default();
    let mut gains: Vec<f32> = (0..n).map(|i| entry(i, i).max(EPS)).collect();
    let mut free = vec![true; n];
    // Rows of the Cholesky factor, one for each item taken.
    let mut factor: Vec<Vec<f32>> = Vec::new();
    let mut taken = Vec::with_capacity(k.min(n));
    while taken.len() < k.min(n) {
        let open = gains
            .iter()
            .zip(&free)
            .map(|(gain, free)| if *free { *gain } else { f32::NEG_INFINITY });
        let Some(item) = argmax(open) else { break };
        let root = gains.get(item).copied().unwrap_or(EPS).max(EPS).sqrt();
        let mut update = Vec::with_capacity(n);
        for index in 0..n {
            let known: f32 = factor
                .iter()
                .map(|line| {
                    line.get(index).copied().unwrap_or_default()
                        * line.get(item).copied().unwrap_or_default()
                })
                .sum();
            update.push((entry(item, index) - known) / root);
        }
        for (gain, e) in gains.iter_mut().zip(&update) {
            *gain = (*gain - e * e).max(EPS);
        }
        factor.push(update);
        if let Some(slot) = free.get_mut(item) {
            *slot = false;
        }
        taken.push(item);
    }
    taken
}
