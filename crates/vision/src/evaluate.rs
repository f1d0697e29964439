//! Reduction methods against the dense run over a set of pictures.

use lexigraft_models::vision::Vit;
use serde::Serialize;

use crate::VisionError;
use crate::metrics::{
    Summary, cosine, intersection_over_union, mean_absolute_error, mean_row_cosine, median,
    own_image_retrieval, region,
};
use crate::picture::Preprocessed;
use crate::reduce::parse_reduce;
use crate::see::{Reduce, Seen, see};

/// The rows of the table in `docs/see.md`.
pub const TABLE: &[&str] = &[
    "ward:r=8",
    "ward:r=16",
    "ward:r=20",
    "tome:r=4",
    "tome:r=8",
    "tome:r=16",
    "tome:r=20",
    "tome-plain:r=8",
    "evit:keep=0.7",
    "evit-fuse:keep=0.7",
    "divprune:keep=0.7",
    "cdpruner:keep=0.7",
    "visionzip:keep=0.7",
    "prumerge:keep=0.7",
    "holov:keep=0.7",
    "correlation:keep=0.7",
    "vqtoken:keep=0.7",
    "random:keep=0.7",
    "lowest:keep=0.7",
];

/// A named picture, ready for the model.
#[derive(Debug)]
pub struct Sample {
    pub name: String,
    pub picture: Preprocessed,
}

/// One method over all pictures.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// As given, such as `tome:r=16`.
    pub reduce: String,
    /// Multiply-accumulates of the blocks as a share of the dense run's, mean.
    pub macs: f64,
    /// The same for the part that grows with the square of the tokens.
    pub attention_macs: f64,
    /// Tokens after the last block, mean.
    pub final_tokens: f64,
    pub cls_cosine: Summary,
    /// Mean over the patches after unmerging.
    pub patch_cosine: Summary,
    pub heat_error: Option<Summary>,
    pub region_iou: Option<Summary>,
    /// Share of pictures whose reduced embedding is nearest to their own dense one.
    pub retrieval: f64,
    /// Milliseconds of the blocks with matching and gathers: median and extremes.
    pub median_ms: f64,
    pub ms: Summary,
    /// Dense milliseconds over these, medians of runs that alternate.
    pub speedup: f64,
    /// CLS cosine of each picture, in their order.
    pub per_picture: Vec<f64>,
}

/// What the dense run took and how all methods compare with it.
#[derive(Debug, Clone, Serialize)]
pub struct Table {
    pub pictures: Vec<String>,
    pub size: usize,
    pub device: String,
    pub dense_ms: f64,
    pub dense_ms_range: Summary,
    pub rows: Vec<Row>,
}

/// Runs every picture densely and with each of `reduces` (the text form of
/// [`parse_reduce`]), alternating, `repeats` times for the clock. `progress` gets the number of
/// pictures done.
///
/// # Errors
/// As [`see`], `unknown-method`, and `invalid-argument` for no pictures.
pub async fn evaluate(
    model: &Vit,
    samples: &[Sample],
    reduces: &[String],
    repeats: usize,
    mut progress: impl FnMut(usize),
) -> Result<Table, VisionError> {
    let Some(first) = samples.first() else {
        return Err(VisionError::InvalidArgument(
            "there are no pictures to evaluate with".to_owned(),
        ));
    };
    let size = first.picture.size;
    let methods = reduces
        .iter()
        .map(|text| parse_reduce(text))
        .collect::<Result<Vec<_>, _>>()?;
    let mut tallies: Vec<Tally> = reduces.iter().map(|_| Tally::default()).collect();
    let (mut dense_embeddings, mut dense_ms) = (Vec::new(), Vec::new());
    for (done, sample) in samples.iter().enumerate() {
        let mut dense = see(model, &sample.picture, None).await?;
        for round in 0..repeats.max(1) {
            if round > 0 || done == 0 {
                // The very first run warms up and does not count.
                dense = see(model, &sample.picture, None).await?;
            }
            dense_ms.push(dense.backbone_ms);
            for (tally, (method, schedule)) in tallies.iter_mut().zip(&methods) {
                let reduce = Reduce {
                    method: method.as_ref(),
                    schedule,
                };
                let seen = see(model, &sample.picture, Some(reduce)).await?;
                tally.ms.push(seen.backbone_ms);
                if round == 0 {
                    tally.add(&dense, &seen);
                }
            }
        }
        dense_embeddings.push(dense.cls);
        progress(done + 1);
    }
    let dense_median = median(&dense_ms);
    let rows = reduces
        .iter()
        .zip(tallies)
        .map(|(reduce, tally)| tally.row(reduce, &dense_embeddings, dense_median))
        .collect();
    Ok(Table {
        pictures: samples.iter().map(|sample| sample.name.clone()).collect(),
        size,
        device: model.device().adapter().to_owned(),
        dense_ms: dense_median,
        dense_ms_range: Summary::of(&dense_ms),
        rows,
    })
}

#[derive(Default)]
struct Tally {
    macs: Vec<f64>,
    attention_macs: Vec<f64>,
    final_tokens: Vec<f64>,
    cls: Vec<f64>,
    patches: Vec<f64>,
    heat: Vec<f64>,
    regions: Vec<f64>,
    embeddings: Vec<Vec<f32>>,
    ms: Vec<f64>,
}

impl Tally {
    fn add(&mut self, dense: &Seen, seen: &Seen) {
        let width = dense.patches.len() / (dense.grid.0 * dense.grid.1).max(1);
        self.macs.push(seen.macs as f64 / dense.macs.max(1) as f64);
        let attention = |seen: &Seen| crate::macs::attention(&seen.tokens, width) as f64;
        self.attention_macs
            .push(attention(seen) / attention(dense).max(1.0));
        let last = seen.tokens.last().map_or(0, |tokens| tokens.after);
        self.final_tokens.push(last as f64);
        self.cls.push(cosine(&dense.cls, &seen.cls));
        self.patches
            .push(mean_row_cosine(&dense.patches, &seen.patches, width));
        if let (Some(a), Some(b)) = (&dense.heat, &seen.heat) {
            self.heat.push(mean_absolute_error(a, b));
            self.regions
                .push(intersection_over_union(&region(a), &region(b)));
        }
        self.embeddings.push(seen.cls.clone());
    }

    fn row(self, reduce: &str, dense: &[Vec<f32>], dense_ms: f64) -> Row {
        let median_ms = median(&self.ms);
        let some = |values: &[f64]| (!values.is_empty()).then(|| Summary::of(values));
        Row {
            reduce: reduce.to_owned(),
            macs: Summary::of(&self.macs).mean,
            attention_macs: Summary::of(&self.attention_macs).mean,
            final_tokens: Summary::of(&self.final_tokens).mean,
            cls_cosine: Summary::of(&self.cls),
            patch_cosine: Summary::of(&self.patches),
            heat_error: some(&self.heat),
            region_iou: some(&self.regions),
            retrieval: own_image_retrieval(dense, &self.embeddings),
            median_ms,
            ms: Summary::of(&self.ms),
            speedup: if median_ms > 0.0 {
                dense_ms / median_ms
            } else {
                0.0
            },
            per_picture: self.cls,
        }
    }
}

impl Table {
    /// The table as Markdown.
    pub fn markdown(&self) -> String {
        let mut out = format!(
            "{} pictures at {} px on {}; dense blocks {:.0} ms ({:.0} to {:.0}).\n\n",
            self.pictures.len(),
            self.size,
            self.device,
            self.dense_ms,
            self.dense_ms_range.min,
            self.dense_ms_range.max
        );
        out.push_str(
            "| method | MACs | attention MACs | final tokens | CLS cosine mean / min | patch cosine | heat MAE | region IoU | retrieval | ms (range) | speed-up |\n|---|---|---|---|---|---|---|---|---|---|---|\n",
        );
        for row in &self.rows {
            let optional = |summary: &Option<Summary>| {
                summary.map_or("–".to_owned(), |summary| format!("{:.3}", summary.mean))
            };
            out.push_str(&format!(
                "| `{}` | {:.3} | {:.3} | {:.0} | {:.4} / {:.4} | {:.4} | {} | {} | {:.2} | {:.0} ({:.0}–{:.0}) | {:.2}x |\n",
                row.reduce,
                row.macs,
                row.attention_macs,
                row.final_tokens,
                row.cls_cosine.mean,
                row.cls_cosine.min,
                row.patch_cosine.mean,
                optional(&row.heat_error),
                optional(&row.region_iou),
                row.retrieval,
                row.median_ms,
                row.ms.min,
                row.ms.max,
                row.speedup,
            ));
        }
        out
    }
}
