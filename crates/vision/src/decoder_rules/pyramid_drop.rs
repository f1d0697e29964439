use crate::VisionError;
use crate::reduce::select::{dot, row, top_k};

/// Layers of a 32-layer decoder after which PyramidDrop halves the image tokens.
pub const PYRAMID_LAYERS: [usize; 3] = [8, 16, 24];

/// Image tokens left after each stage: a half, a quarter, an eighth of those at first, rounded down.
pub fn pyramid_counts(image_tokens: usize) -> [usize; 3] {
    [image_tokens / 2, image_tokens / 4, image_tokens / 8]
}

/// PyramidDrop (arXiv 2410.17247): ranks image tokens by the attention logits of the last
/// instruction token and keeps the best.
///
/// `query` is `[width]`, `keys` `[n, width]` of the image tokens. Returns sorted indices.
///
/// # Errors
/// `invalid-argument` when `keep` exceeds the tokens there are.
pub fn pyramid_drop(query: &[f32], keys: &[f32], keep: usize) -> Result<Vec<usize>, VisionError> {
    let width = query.len();
    let n = keys.len() / width.max(1);
    if keep > n || n * width != keys.len() {
        return Err(VisionError::InvalidArgument(format!(
            "{keep} tokens are to be kept of {} values in rows of {width}",
            keys.len()
        )));
    }
    let logits: Vec<f32> = (0..n)
        .map(|index| dot(query, row(keys, index, width)))
        .collect();
    Ok(top_k(&logits, keep))
}
