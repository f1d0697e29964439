use crate::VisionError;
use crate::reduce::select::{argmax, complement, gather, ranking, row, top_k};

/// SparseVLM (arXiv 2410.04417): text tokens that relate to the picture rate the image tokens; the
/// best stay, and the best of the dropped are recycled as a few clusters.
#[derive(Debug, Clone, Copy)]
pub struct SparseVlm {
    /// Share of the dropped tokens that is recycled; 0.3 in the paper.
    pub recycle: f32,
    /// Clusters that the recycled tokens become.
    pub clusters: usize,
    /// Neighbours in the density estimate.
    pub neighbours: usize,
}

/// What stays and what is recycled.
#[derive(Debug, Clone, PartialEq)]
pub struct Recycled {
    /// Sorted indices of the tokens that stay.
    pub kept: Vec<usize>,
    /// Members of each cluster, sorted; a cluster's token is the sum of its members.
    pub clusters: Vec<Vec<usize>>,
}

impl SparseVlm {
    /// `attention` is `[text, image]`, averaged over the heads; `raters` are rows of it.
    /// `vision` is `[image, width]`.
    ///
    /// # Errors
    /// `invalid-argument` when `keep` exceeds the tokens there are or no rater is given.
    pub fn select(
        &self,
        attention: &[f32],
        raters: &[usize],
        vision: &[f32],
        width: usize,
        keep: usize,
    ) -> Result<Recycled, VisionError> {
        let n = vision.len() / width.max(1);
        if keep > n || raters.is_empty() || raters.iter().any(|&r| (r + 1) * n > attention.len()) {
            return Err(VisionError::InvalidArgument(format!(
                "{keep} of {n} tokens cannot be kept by {} raters",
                raters.len()
            )));
        }
        let mut scores = vec![0f32; n];
        for &rater in raters {
            let line = row(attention, rater, n);
            scores.iter_mut().zip(line).for_each(|(sum, a)| *sum += a);
        }
        let kept = top_k(&scores, keep);
        let dropped = complement(&kept, n);
        let count = (self.recycle.clamp(0.0, 1.0) * dropped.len() as f32) as usize;
        let dropped_scores: Vec<f32> = dropped
            .iter()
            .map(|&index| scores.get(index).copied().unwrap_or_default())
            .collect();
        let recycled: Vec<usize> = top_k(&dropped_scores, count)
            .into_iter()
            .filter_map(|at| dropped.get(at).copied())
            .collect();
        let rows = gather(vision, &recycled, width);
        let labels = density_peaks(&rows, width, self.clusters, self.neighbours);
        let mut clusters = vec![Vec::new(); labels.iter().max().map_or(0, |most| most + 1)];
        for (&token, &label) in recycled.iter().zip(&labels) {
            if let Some(cluster) = clusters.get_mut(label) {
                cluster.push(token);
            }
        }
        Ok(Recycled { kept, clusters })
    }
}

/// Text tokens that relate to the picture more than the average text token does: the mean over the
/// image tokens of `softmax(V Tᵀ)` over the text, above its own mean.
///
/// `vision` is `[n, width]`, `text` `[m, width]`. Returns sorted indices; all when none is above.
pub fn raters(vision: &[f32], text: &[f32], width: usize) -> Vec<usize> {
    let m = text.len() / width.max(1);
    let mut relevance = vec![0f32; m];
    for token in vision.chunks_exact(width.max(1)) {
        let logits: Vec<f32> = (0..m)
            .map(|word| {
                let line = row(text, word, width);
                token.iter().zip(line).map(|(a, b)| a * b).sum()
            })
            .collect();
        let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let total: f32 = logits.iter().map(|logit| (logit - most).exp()).sum();
        for (sum, logit) in relevance.iter_mut().zip(&logits) {
            *sum += (logit - most).exp() / total;
        }
    }
    let mean = relevance.iter().sum::<f32>() / m.max(1) as f32;
    let above: Vec<usize> = (0..m)
        .filter(|&word| relevance.get(word).is_some_and(|&score| score > mean))
        .collect();
    if above.is_empty() {
        (0..m).collect()
    } else {
        above
    }
}

/// Density-peak clustering over the nearest neighbours (DPC-kNN, doi 10.1016/j.knosys.2016.02.001):
/// centres are dense and far from anything denser; the rest go to the nearest centre. Returns the
/// cluster of each row of `[n, width]`; clusters are numbered by the order of their centres' ranks.
pub fn density_peaks(rows: &[f32], width: usize, clusters: usize, neighbours: usize) -> Vec<usize> {
    let n = rows.len() / width.max(1);
    let distance = |a: usize, b: usize| -> f32 {
        let pairs = row(rows, a, width).iter().zip(row(rows, b, width));
        pairs.map(|(x, y)| (x - y) * (x - y)).sum::<f32>().sqrt()
    };
    let density: Vec<f32> = (0..n)
        .map(|token| {
            let mut squares: Vec<f32> = (0..n)
                .filter(|&other| other != token)
                .map(|other| distance(token, other).powi(2))
                .collect();
            squares.sort_by(f32::total_cmp);
            squares.truncate(neighbours.max(1));
            let mean = squares.iter().sum::<f32>() / squares.len().max(1) as f32;
            (-mean).exp()
        })
        .collect();
    let at = |token: usize| density.get(token).copied().unwrap_or_default();
    let peaks: Vec<f32> = (0..n)
        .map(|token| {
            // Among equally dense tokens the lower index is the denser one.
            let denser = (0..n).filter(|&other| {
                at(other) > at(token) || (at(other) == at(token) && other < token)
            });
            let nearest = denser
                .map(|other| distance(token, other))
                .fold(f32::INFINITY, f32::min);
            let reach = if nearest.is_finite() {
                nearest
            } else {
                (0..n)
                    .map(|other| distance(token, other))
                    .fold(0.0, f32::max)
            };
            reach * at(token)
        })
        .collect();
    let mut centres = ranking(&peaks);
    centres.truncate(clusters.max(1));
    (0..n)
        .map(|token| {
            // A centre is in its own cluster even when another lies on the same spot.
            centres
                .iter()
                .position(|&centre| centre == token)
                .or_else(|| argmax(centres.iter().map(|&centre| -distance(token, centre))))
                .unwrap_or(0)
        })
        .collect()
}
