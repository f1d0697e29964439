//! What a vision transformer's kernels have to agree on.

use super::{Cases, agree, differs, wide};
use crate::KernelError;
use crate::gpu::{DROPPED, Reducing, sized_attention, twin, upsample};
use crate::ops::{ByAttention, Demands, Matching};

impl Cases<'_> {
    /// A reduction, attention by the sizes that it leaves, and the patches again.
    pub(super) async fn merging(&mut self, matching: Matching) -> Result<(), KernelError> {
        let (leading, tokens, merges) = (1, 21, 6);
        let (heads, head_dim, width) = (2, 8, 16);
        let sizes = vec![1.0; tokens];
        let x = self.numbers.floats(tokens * width);
        let qkv = self.numbers.floats(tokens * 3 * width);
        let goes = match matching {
            Matching::Bipartite => twin::bipartite(&qkv, heads, head_dim, leading, merges),
            Matching::Ward => twin::ward(&x, width, &sizes, leading, merges),
        };
        let from = self.tensor(&x, [tokens, width])?;
        let projection = self.tensor(&qkv, [tokens, 3 * width])?;
        let demands = Demands {
            reductions: 1,
            attention_by_size: true,
            restores: true,
            drops: false,
        };
        let mut merging = Reducing::begin(&from, leading, demands)?;
        let out = merging.merge(&from, &projection, heads, matching, merges)?;
        let (means, whole) = twin::means(&x, width, &sizes, &goes);
        agree("merge_rows", out.clone(), &means, 1e-5).await?;
        destinations_are(&merging, goes).await?;
        let patches = x.get(leading * width..).unwrap_or_default();
        agree(
            "merge_restore",
            merging.restore(&out)?,
            &wide(patches),
            1e-5,
        )
        .await?;
        let Some(left) = merging.sizes() else {
            return Ok(());
        };
        let qkv = qkv.get(..whole.len() * 3 * width).unwrap_or_default();
        let projection = self.tensor(qkv, [whole.len(), 3 * width])?;
        let whole: Vec<f32> = whole.iter().map(|size| *size as f32).collect();
        let expected = twin::sized_attention(qkv, heads, head_dim, &whole);
        let out = sized_attention(&projection, heads, left)?;
        agree("sized_attention", out, &expected, 1e-5).await
    }

    /// A reduction by attention, and the patches again, dropped ones too.
    pub(super) async fn keep_attended(&mut self, attended: ByAttention) -> Result<(), KernelError> {
        let (leading, tokens, keep) = (1, 21, 6);
        let (heads, head_dim, width) = (2, 8, 16);
        let x = self.numbers.floats(tokens * width);
        let qkv = self.numbers.floats(tokens * 3 * width);
        let scores = twin::cls_attention(&qkv, heads, head_dim);
        let signed: Vec<f64> = match attended {
            ByAttention::Least => scores.iter().map(|score| -score).collect(),
            _ => scores.clone(),
        };
        let goes = twin::keep_largest(&signed, leading, keep);
        let from = self.tensor(&x, [tokens, width])?;
        let projection = self.tensor(&qkv, [tokens, 3 * width])?;
        let mut keeping = Reducing::begin(&from, leading, DROPPING)?;
        let out = keeping.keep_attended(&from, &projection, heads, attended, keep)?;
        let mut expected = kept(&x, width, &goes);
        if attended == ByAttention::MostAndFused {
            expected.extend(twin::fused(&x, width, &scores, &goes));
        }
        agree("keep_fuse", out.clone(), &expected, 1e-5).await?;
        destinations_are(&keeping, goes).await?;
        let patches = x.get(leading * width..).unwrap_or_default();
        let restored = keeping.restore(&out)?;
        agree("merge_restore", restored, &wide(patches), 0.0).await
    }

    /// Reductions by diversity, alone and by how far probes of the tokens are apart.
    pub(super) async fn keep_diverse(&mut self) -> Result<(), KernelError> {
        let (leading, tokens, width, keep) = (1, 21, 16, 6);
        let x = self.numbers.floats(tokens * width);
        let direction = self.numbers.floats(width);
        let from = self.tensor(&x, [tokens, width])?;
        let mut keeping = Reducing::begin(&from, leading, DROPPING)?;
        let out = keeping.keep_diverse(&from, &from, None, keep)?;
        let goes = twin::diverse(&x, width, leading, None, keep);
        agree("max_min", out, &kept(&x, width, &goes), 0.0).await?;
        destinations_are(&keeping, goes).await?;

        let mut keeping = Reducing::begin(&from, leading, DROPPING)?;
        let directions = self.tensor(&direction, [1, width])?;
        let probes = keeping.probe(&from, &directions, 0, 0.5)?;
        let moved = |sign: f32| {
            let rows = x.iter().skip(leading * width);
            let moved = rows.zip(direction.iter().cycle());
            moved.map(|(x, u)| x + sign * 0.5 * u).collect::<Vec<f32>>()
        };
        let expected = [moved(1.0), moved(-1.0)].concat();
        agree("probe_rows", probes, &wide(&expected), 1e-6).await?;
        let rows = self.numbers.floats(2 * (tokens - leading) * width);
        let projected = self.tensor(&rows, [2 * (tokens - leading), width])?;
        let once = keeping.add_lengths(&projected, None)?;
        let twice = keeping.add_lengths(&projected, Some(once))?;
        let lengths: Vec<f64> = twin::lengths(&rows, width)
            .iter()
            .map(|length| 2.0 * length)
            .collect();
        agree("probe_lengths", twice.clone(), &lengths, 1e-5).await?;
        let weights: Vec<f32> = lengths.iter().map(|length| *length as f32).collect();
        let out = keeping.keep_diverse(&from, &from, Some(&twice), keep)?;
        let goes = twin::diverse(&x, width, leading, Some(&weights), keep);
        agree("max_min", out, &kept(&x, width, &goes), 0.0).await?;
        destinations_are(&keeping, goes).await
    }

    pub(super) async fn upsample(&mut self) -> Result<(), KernelError> {
        let (rows, columns, channels) = (3, 2, 5);
        let products = self.numbers.floats(2 * rows * columns * 16 * channels);
        let bias = self.numbers.floats(channels);
        let mut expected = vec![0.0; products.len() / 4];
        crate::cpu::upsample(&products, [rows, columns], &bias, &mut expected)?;
        let from = self.tensor(&products, [2 * rows * columns, 16 * channels])?;
        let out = upsample(&from, [rows, columns], &bias)?;
        agree("upsample", out, &wide(&expected), 1e-6).await
    }
}

/// One reduction that drops tokens.
const DROPPING: Demands = Demands {
    reductions: 1,
    attention_by_size: false,
    restores: false,
    drops: true,
};

/// Holds where tokens went to what a twin makes of the same.
async fn destinations_are(reducing: &Reducing, goes: Vec<u32>) -> Result<(), KernelError> {
    let found = reducing.destinations().await?;
    if found == [goes.as_slice()] {
        return Ok(());
    }
    Err(differs("goes", format!("{found:?}, not {goes:?}")))
}

/// The rows of `x` `[tokens, width]` that are not dropped.
fn kept(x: &[f32], width: usize, goes: &[u32]) -> Vec<f64> {
    let rows = x.chunks_exact(width.max(1)).zip(goes);
    let kept = rows.filter(|(_, output)| **output != DROPPED);
    kept.flat_map(|(row, _)| wide(row)).collect()
}
