//! One picture through a vision transformer, dense or reduced.

use burn::tensor::Tensor;
use lexigraft_models::ModelError;
use lexigraft_models::device::read_f32;
use lexigraft_models::vision::{Demands, Judged, Reducing, Vit, VitBlock};
use web_time::Instant;

use crate::VisionError;
use crate::differences::Differences;
use crate::macs::{self, BlockTokens};
use crate::picture::Preprocessed;
use crate::reduce::{Asked, Reduction, Schedule, Step, TokenReducer, TokenView};
use crate::replay::replay;
use crate::source_map::{Fate, SourceMap};

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
    /// The embedding: CLS after the final norm, `[hidden]`, or its projection where the model has one.
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
    /// The fate of every patch after each block.
    pub maps: Vec<Vec<Fate>>,
    /// The blocks with matching, merging and the final norm, in milliseconds.
    pub backbone_ms: f64,
    /// Of that, choosing and merging tokens, with copies between host and device.
    pub reduce_ms: f64,
    /// All of it, from pixels to saliency. Time between the steps counts too.
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
    let config = model.config();
    let values = picture.normalised(config.channel_mean, config.channel_deviation);
    see_values(model, &values, picture.size, picture.size, reduce).await
}

/// Runs a picture given as `[3, height, width]`, normalised.
///
/// # Errors
/// As [`Seeing::begin`], [`Seeing::step`] and [`Seeing::finish`].
pub async fn see_values(
    model: &Vit,
    values: &[f32],
    height: usize,
    width: usize,
    reduce: Option<Reduce<'_>>,
) -> Result<Seen, VisionError> {
    let mut seeing = Seeing::begin(model, values, (height, width), reduce)?;
    while seeing.step().await? {}
    seeing.finish().await
}

/// A picture on its way through the blocks, one a step, so that a caller can do something else or
/// stop in between.
#[derive(Debug)]
pub struct Seeing<'m> {
    model: &'m Vit,
    method: Option<&'m dyn TokenReducer>,
    /// One a block.
    steps: Vec<Step>,
    started: Instant,
    reduce_ms: f64,
    size: (usize, usize),
    /// `[tokens, hidden]`.
    x: Tensor<2>,
    leading: usize,
    grid: (usize, usize),
    sizes: Vec<f32>,
    positions: Vec<Option<u32>>,
    map: SourceMap,
    maps: Vec<Vec<Fate>>,
    /// From the first reduction on, of methods that ask for them.
    differences: Option<Differences>,
    /// Where the device reduces by itself, from the first block on; fates and maps then come at the
    /// end.
    on_device: Option<Reducing>,
    tokens: Vec<BlockTokens>,
}

impl<'m> Seeing<'m> {
    /// Takes a picture `[3, height, width]`, normalised, to its tokens.
    ///
    /// # Errors
    /// `invalid-argument` for another length or a size that the model does not take, and for a
    /// schedule that does not fit the model.
    pub fn begin(
        model: &'m Vit,
        values: &[f32],
        (height, width): (usize, usize),
        reduce: Option<Reduce<'m>>,
    ) -> Result<Self, VisionError> {
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
        let blocks = model.blocks().len();
        let steps = match reduce {
            None => Vec::new(),
            Some(reduce) => reduce.schedule.plan(blocks, patches, leading, hidden)?,
        };
        Ok(Self {
            model,
            method: reduce.map(|reduce| reduce.method),
            steps,
            started,
            reduce_ms: 0.0,
            size: (height, width),
            x: model.embed(values, (height, width))?,
            leading,
            grid,
            sizes: vec![1.0; leading + patches],
            positions: (0..leading)
                .map(|_| None)
                .chain((0..patches as u32).map(Some))
                .collect(),
            map: SourceMap::new(patches, leading, hidden),
            maps: Vec::with_capacity(blocks),
            differences: None,
            on_device: None,
            tokens: Vec::with_capacity(blocks),
        })
    }

    /// Blocks that are done, and blocks in all.
    pub fn progress(&self) -> (usize, usize) {
        (self.tokens.len(), self.model.blocks().len())
    }

    /// Runs the next block. False when there is none left.
    ///
    /// # Errors
    /// What the method and the device report.
    pub async fn step(&mut self) -> Result<bool, VisionError> {
        let model = self.model;
        let layer = self.tokens.len();
        let Some(block) = model.blocks().get(layer) else {
            return Ok(false);
        };
        if layer == 0 {
            self.on_device = self.begin_on_device().await?;
        }
        let [before, width] = self.x.dims();
        let reducible = before - self.leading;
        let keep = match self.steps.get(layer) {
            Some(step) => step.keep(reducible)?,
            None => reducible,
        };
        if let Some(reducing) = &mut self.on_device {
            let attended = block.attend_reducing(self.x.clone(), reducing)?;
            let begun = Instant::now();
            let asked = Asked {
                layer,
                reducible,
                width,
                keep,
            };
            // A rule may have to be drawn, so only a block that reduces asks for it.
            let method = self.method.filter(|_| keep < reducible);
            self.x = match method.and_then(|method| method.rule(asked)) {
                Some(rule) => attended.reduce(reducing, block, &rule, [reducible, keep])?,
                None => attended.hidden,
            };
            self.reduce_ms += milliseconds(begun);
            let [after, _] = self.x.dims();
            self.tokens.push(BlockTokens { before, after });
            self.x = block.feed_forward(self.x.clone());
            return Ok(true);
        }
        let log_sizes = self.log_sizes();
        let log_sizes = log_sizes.as_deref();
        let attended = block.attend(self.x.clone(), before, log_sizes).await?;
        self.x = match self.method {
            Some(method) if keep < reducible => {
                let begun = Instant::now();
                let judged = attended.judged(log_sizes).await?;
                let reduced = self.reduce(method, block, judged, keep).await?;
                self.reduce_ms += milliseconds(begun);
                reduced
            }
            _ => attended.hidden,
        };
        let [after, _] = self.x.dims();
        self.tokens.push(BlockTokens { before, after });
        self.maps.push(self.map.fates().to_vec());
        self.x = block.feed_forward(self.x.clone());
        Ok(true)
    }

    /// Begins on the device, if it and the method can do without the host.
    async fn begin_on_device(&self) -> Result<Option<Reducing>, VisionError> {
        let Some(method) = self.method else {
            return Ok(None);
        };
        let [tokens, width] = self.x.dims();
        let reducible = tokens - self.leading;
        let all = Asked {
            layer: 0,
            reducible,
            width,
            keep: reducible,
        };
        let Some(rule) = method.rule(all) else {
            return Ok(None);
        };
        let demands = Demands {
            attention_by_size: method.proportional_attention(),
            restores: method.restores_differences(),
            drops: rule.drops(),
            ..Demands::default()
        };
        Ok(self.model.begin_reducing(&self.x, demands).await?)
    }

    /// The logarithms of the tokens' sizes, where the method counts them and they differ.
    fn log_sizes(&self) -> Option<Vec<f32>> {
        let counts = self.method?.proportional_attention();
        (counts && self.sizes.iter().any(|&size| size != 1.0))
            .then(|| self.sizes.iter().map(|size| size.ln()).collect())
    }

    /// Reduces on the host and uploads what is left.
    async fn reduce(
        &mut self,
        method: &dyn TokenReducer,
        block: &VitBlock,
        judged: Judged,
        keep: usize,
    ) -> Result<Tensor<2>, VisionError> {
        let hidden = self.model.config().hidden_size;
        let tokens = self.sizes.len();
        let layer = self.tokens.len();
        let features = judged.hidden.get(self.leading * hidden..);
        let projected = match method.probes(features.unwrap_or_default(), hidden) {
            Some(rows) => Some(self.project(block, &rows, hidden).await?),
            None => None,
        };
        let view = TokenView {
            layer,
            leading: self.leading,
            hidden: &judged.hidden,
            width: hidden,
            keys: &judged.keys,
            key_width: judged.head_dim,
            cls_attention: &judged.cls_attention,
            sizes: &self.sizes,
            positions: &self.positions,
            grid: self.grid,
            projected: projected.as_deref(),
        };
        let reduction: Reduction = method.reduce(&view, keep)?;
        reduction.check(tokens)?;
        let reduced = reduction.apply(&judged.hidden, hidden);
        if method.restores_differences() {
            let patches = self.map.fates().len();
            self.differences
                .get_or_insert_with(|| Differences::new(patches, hidden))
                .follow(&self.map, &reduction, &judged.hidden, &reduced);
        }
        self.map.follow(&reduction, &judged.hidden, layer);
        self.sizes = reduction.sizes(&self.sizes);
        self.positions = reduction.positions(&self.positions);
        Ok(self.model.to_device(reduced)?)
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
            let part = self.model.to_device(part.to_vec())?;
            out.extend(read_f32(block.mlp(part)).await?);
        }
        Ok(out)
    }

    /// The final norm, the patches again, and the saliency map.
    ///
    /// # Errors
    /// `invalid-argument` when blocks are left, `device-lost`.
    pub async fn finish(mut self) -> Result<Seen, VisionError> {
        let (done, blocks) = self.progress();
        if done < blocks {
            return Err(VisionError::InvalidArgument(format!(
                "only {done} of {blocks} blocks are done"
            )));
        }
        let (model, grid) = (self.model, self.grid);
        let hidden = model.config().hidden_size;
        let final_states = read_f32(model.finish(self.x.clone())).await?;
        if let Some(reducing) = &self.on_device {
            let destinations = reducing.destinations().await.map_err(ModelError::from)?;
            self.maps = replay(&mut self.map, &self.tokens, &destinations);
        }
        let cls = model.embedding(final_states.get(..hidden).unwrap_or_default());
        let patches = self.unmerged(&final_states).await?;
        let backbone_ms = milliseconds(self.started);
        let heat = match model.saliency() {
            None => None,
            Some(decoder) => Some(decoder.forward(patches.clone(), grid, self.size).await?),
        };
        Ok(Seen {
            cls,
            patches,
            grid,
            heat,
            height: self.size.0,
            width: self.size.1,
            macs: macs::total(&self.tokens, hidden),
            dense_macs: macs::total(&macs::dense(blocks, self.leading + grid.0 * grid.1), hidden),
            tokens: self.tokens,
            map: self.map,
            maps: self.maps,
            backbone_ms,
            reduce_ms: self.reduce_ms,
            total_ms: milliseconds(self.started),
        })
    }

    /// Whether the device has something of patches that their tokens do not have: what they lost, or
    /// what they were when they were dropped.
    fn follows_patches(&self) -> bool {
        let mut counts = self.tokens.iter();
        let reduced = counts.any(|counts| counts.after < counts.before);
        let restores = self
            .method
            .is_some_and(|method| method.restores_differences());
        let mut fates = self.map.fates().iter();
        let dropped = fates.any(|fate| matches!(fate, Fate::Dropped(_)));
        reduced && (restores || dropped)
    }

    /// Final states of all patches: those of dropped ones are their last, and those of a method
    /// that restores differences their token's with them, through the final norm.
    async fn unmerged(&self, final_states: &[f32]) -> Result<Vec<f32>, VisionError> {
        if let Some(reducing) = self.on_device.as_ref().filter(|_| self.follows_patches()) {
            let states = reducing.restore(&self.x).map_err(ModelError::from)?;
            return Ok(read_f32(self.model.finish(states)).await?);
        }
        if let Some(differences) = &self.differences {
            let mut states = self.map.unmerge(&read_f32(self.x.clone()).await?);
            differences.restore(&mut states);
            let states = self.model.to_device(states)?;
            return Ok(read_f32(self.model.finish(states)).await?);
        }
        let mut out = self.map.unmerge(final_states);
        let fates = self.map.fates();
        if !fates.iter().any(|fate| matches!(fate, Fate::Dropped(_))) {
            return Ok(out);
        }
        let hidden = self.model.config().hidden_size;
        let last = self.model.to_device(out.clone())?;
        let normed = read_f32(self.model.finish(last)).await?;
        let rows = out.chunks_exact_mut(hidden);
        for ((out, normed), fate) in rows.zip(normed.chunks_exact(hidden)).zip(fates) {
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
