//! One picture through a vision transformer, dense or reduced.

use burn::tensor::{Tensor, TensorData};
use lexigraft_models::device::read_f32;
use lexigraft_models::vision::{Attended, Vit, VitBlock};
use web_time::Instant;

use crate::VisionError;
use crate::macs::{self, BlockTokens};
use crate::picture::Preprocessed;
use crate::reduce::{Reduction, Schedule, TokenReducer, TokenView};
use crate::source_map::SourceMap;

/// Bounds the memory of a method that probes the model: an MLP's inner rows are four times as wide.
const PROBES_AT_A_TIME: usize = 2048;

/// A method and its schedule.
#[derive(Debug, Clone, Copy)]
pub struct Reduce<'a> {
    pub method: &'a dyn TokenReducer,
    pub schedule: &'a Schedule,
}

/// What a picture became.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The embedding: CLS after the final norm, `[hidden]`.
    pub cls: Vec<f32>,
    /// Final hidden states of all patches, unmerged, `[patches, hidden]`.
    pub patches: Vec<f32>,
    /// Patches a side, `(rows, columns)`.
    pub grid: (usize, usize),
    /// Saliency of each pixel, `[height, width]`, where the model has a decoder.
    pub heat: Option<Vec<f32>>,
    pub height: usize,
    pub width: usize,
    /// Tokens of each block before and after reduction.
    pub tokens: Vec<BlockTokens>,
    /// Multiply-accumulates of the blocks by [`macs::total`].
    pub macs: u64,
    pub dense_macs: u64,
    pub map: SourceMap,
    /// The blocks with matching, merging and the final norm, in milliseconds.
    pub backbone_ms: f64,
    /// All of it, from pixels to saliency.
    pub total_ms: f64,
}

/// Runs a preprocessed picture.
///
/// # Errors
/// As [`see_values`].
pub async fn see(
    model: &Vit,
    picture: &Preprocessed,
    reduce: Option<Reduce<'_>>,
) -> Result<Seen, VisionError> {
    see_values(model, &picture.values, picture.size, picture.size, reduce).await
}

/// Runs a picture given as `[3, height, width]`, normalised.
///
/// # Errors
/// `invalid-argument` for another length or a size that the model does not take, a schedule that
/// does not fit the model, and what the method and the device report.
pub async fn see_values(
    model: &Vit,
    values: &[f32],
    height: usize,
    width: usize,
    reduce: Option<Reduce<'_>>,
) -> Result<Seen, VisionError> {
    if Some(values.len()) != height.checked_mul(width).and_then(|n| n.checked_mul(3)) {
        return Err(VisionError::InvalidArgument(format!(
            "{} values are no picture of 3 x {height} x {width}",
            values.len()
        )));
    }
    let started = Instant::now();
    let config = model.config();
    let grid = config.patches(height, width)?;
    let (patches, hidden) = (grid.0 * grid.1, config.hidden_size);
    let leading = config.leading_tokens();
    let blocks = config.num_hidden_layers;
    let pixels = Tensor::<4>::from_data(
        TensorData::new(values.to_vec(), [1, 3, height, width]),
        model.device().burn(),
    );
    let mut run = Run {
        model,
        x: model.embed(pixels)?,
        leading,
        grid,
        sizes: vec![1.0; leading + patches],
        positions: (0..leading)
            .map(|_| None)
            .chain((0..patches as u32).map(Some))
            .collect(),
        map: SourceMap::new(patches, leading, hidden),
        tokens: Vec::with_capacity(blocks),
    };
    match reduce {
        None => run.dense(),
        Some(reduce) => run.reduced(reduce).await?,
    }
    let final_states = read_f32(model.finish(run.x.clone())).await?;
    let cls = final_states.get(..hidden).unwrap_or_default().to_vec();
    let unmerged = run.unmerged(&final_states).await?;
    let backbone_ms = milliseconds(started);
    let heat = match model.saliency() {
        None => None,
        Some(decoder) => {
            let tokens = Tensor::<3>::from_data(
                TensorData::new(unmerged.clone(), [1, patches, hidden]),
                model.device().burn(),
            );
            let map = decoder.forward(tokens, grid, (height, width))?;
            Some(read_f32(map).await?)
        }
    };
    Ok(Seen {
        cls,
        patches: unmerged,
        grid,
        heat,
        height,
        width,
        macs: macs::total(&run.tokens, hidden),
        dense_macs: macs::total(&macs::dense(blocks, leading + patches), hidden),
        tokens: run.tokens,
        map: run.map,
        backbone_ms,
        total_ms: milliseconds(started),
    })
}

/// The state between blocks.
struct Run<'m> {
    model: &'m Vit,
    /// `[1, tokens, hidden]`.
    x: Tensor<3>,
    leading: usize,
    grid: (usize, usize),
    sizes: Vec<f32>,
    positions: Vec<Option<u32>>,
    map: SourceMap,
    tokens: Vec<BlockTokens>,
}

impl Run<'_> {
    fn dense(&mut self) {
        let [_, tokens, _] = self.x.dims();
        for block in self.model.blocks() {
            let attended = block.attend(self.x.clone(), None);
            self.x = block.feed_forward(attended.hidden);
        }
        self.tokens = macs::dense(self.model.blocks().len(), tokens);
    }

    async fn reduced(&mut self, reduce: Reduce<'_>) -> Result<(), VisionError> {
        let blocks = self.model.blocks();
        let [_, before, hidden] = self.x.dims();
        let patches = before - self.leading;
        let steps = reduce
            .schedule
            .plan(blocks.len(), patches, self.leading, hidden)?;
        for (layer, (block, step)) in blocks.iter().zip(steps).enumerate() {
            let [_, before, _] = self.x.dims();
            let log_sizes = (reduce.method.proportional_attention()
                && self.sizes.iter().any(|&size| size != 1.0))
            .then(|| {
                let logs: Vec<f32> = self.sizes.iter().map(|size| size.ln()).collect();
                Tensor::<2>::from_data(
                    TensorData::new(logs, [1, before]),
                    self.model.device().burn(),
                )
            });
            let attended = block.attend(self.x.clone(), log_sizes);
            let reducible = before - self.leading;
            let keep = step.keep(reducible)?;
            self.x = if keep == reducible {
                attended.hidden
            } else {
                self.reduce_block(reduce.method, block, attended, layer, keep)
                    .await?
            };
            let [_, after, _] = self.x.dims();
            self.tokens.push(BlockTokens { before, after });
            self.x = block.feed_forward(self.x.clone());
        }
        Ok(())
    }

    /// Reads what the method judges by, reduces on the host and uploads what is left.
    async fn reduce_block(
        &mut self,
        method: &dyn TokenReducer,
        block: &VitBlock,
        attended: Attended,
        layer: usize,
        keep: usize,
    ) -> Result<Tensor<3>, VisionError> {
        let [_, tokens, hidden] = attended.hidden.dims();
        let key_width = attended.keys.dims()[3];
        let device = self.model.device().burn();
        let states = read_f32(attended.hidden).await?;
        let keys = read_f32(attended.keys.mean_dim(1)).await?;
        let cls_attention = read_f32(attended.cls_attention.mean_dim(1)).await?;
        let features = states.get(self.leading * hidden..).unwrap_or_default();
        let projected = match method.probes(features, hidden) {
            Some(rows) => Some(self.project(block, &rows, hidden).await?),
            None => None,
        };
        let view = TokenView {
            layer,
            leading: self.leading,
            hidden: &states,
            width: hidden,
            keys: &keys,
            key_width,
            cls_attention: &cls_attention,
            sizes: &self.sizes,
            positions: &self.positions,
            grid: self.grid,
            projected: projected.as_deref(),
        };
        let reduction: Reduction = method.reduce(&view, keep)?;
        reduction.check(tokens)?;
        self.map.follow(&reduction, &states, layer);
        self.sizes = reduction.sizes(&self.sizes);
        self.positions = reduction.positions(&self.positions);
        let reduced = reduction.apply(&states, hidden);
        Ok(Tensor::from_data(
            TensorData::new(reduced, [1, reduction.outputs(), hidden]),
            device,
        ))
    }

    /// The block's MLP over any number of rows, some at a time.
    async fn project(
        &self,
        block: &VitBlock,
        rows: &[f32],
        hidden: usize,
    ) -> Result<Vec<f32>, VisionError> {
        let mut out = Vec::with_capacity(rows.len());
        for part in rows.chunks(PROBES_AT_A_TIME * hidden) {
            let count = part.len() / hidden;
            let tensor = Tensor::<2>::from_data(
                TensorData::new(part.to_vec(), [count, hidden]),
                self.model.device().burn(),
            );
            out.extend(read_f32(block.mlp(tensor)).await?);
        }
        Ok(out)
    }

    /// Final states of all patches: those of dropped ones are their last, through the final norm.
    async fn unmerged(&self, final_states: &[f32]) -> Result<Vec<f32>, VisionError> {
        use crate::source_map::Fate;
        let mut out = self.map.unmerge(final_states);
        let dropped = self
            .map
            .fates()
            .iter()
            .any(|fate| matches!(fate, Fate::Dropped(_)));
        if !dropped {
            return Ok(out);
        }
        let [_, _, hidden] = self.x.dims();
        let count = out.len() / hidden.max(1);
        let last = Tensor::<3>::from_data(
            TensorData::new(out.clone(), [1, count, hidden]),
            self.model.device().burn(),
        );
        let normed = read_f32(self.model.finish(last)).await?;
        let rows = out
            .chunks_exact_mut(hidden.max(1))
            .zip(normed.chunks_exact(hidden.max(1)));
        for ((out, normed), fate) in rows.zip(self.map.fates()) {
            if matches!(fate, Fate::Dropped(_)) {
                out.copy_from_slice(normed);
            }
        }
        Ok(out)
    }
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}
