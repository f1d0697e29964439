use std::ops::Range;

use crate::VisionError;
use crate::reduce::select::top_k;

/// FastV (arXiv 2403.06764): the image tokens that the last query attends to most, averaged over
/// the heads, in the layer before the one that drops the rest (layer 2 and half of them in the
/// paper).
///
/// `attention` is `[heads, tokens]`, the last query's row of each head; `image` are the image
/// tokens' positions. Returns the positions of the tokens that stay, sorted: text always does, and
/// position ids do not change.
///
/// # Errors
/// `invalid-argument` when `keep` or `image` exceed the tokens there are.
pub fn fastv(
    attention: &[f32],
    tokens: usize,
    image: Range<usize>,
    keep: usize,
) -> Result<Vec<usize>, VisionError> {
    let count = image.len();
    if tokens == 0 || image.end > tokens || keep > count || !attention.len().is_multiple_of(tokens)
    {
        return Err(VisionError::InvalidArgument(format!(
            "{keep} of the image tokens {image:?} among {tokens} cannot be kept by {} attentions",
            attention.len()
        )));
    }
    let mut means = vec![0f32; count];
    for head in attention.chunks_exact(tokens) {
        let part = head.get(image.clone()).unwrap_or_default();
        means.iter_mut().zip(part).for_each(|(mean, a)| *mean += a);
    }
    let kept = top_k(&means, keep);
    let before = 0..image.start;
    let after = image.end..tokens;
    Ok(before
        .chain(kept.into_iter().map(|index| image.start + index))
        .chain(after)
        .collect())
}
