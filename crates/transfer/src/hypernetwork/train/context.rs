//! The frozen model's own states as the teacher.
//!
//! A text is read once by the frozen model with its own tokens. With the tokens of another
//! tokenizer, the state after a few blocks should be the same wherever both segmentations end a
//! token: that trains input rows, through those blocks alone (after AweDist, arXiv 2505.20133).
//! And from the teacher's last states the next token of the other tokenizer should be likely: that
//! trains output rows, without the model.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use burn::tensor::{Device, Int, Tensor, TensorData};
use half::f16;
use lexigraft_text::Tokenizer;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::TrainError;
use super::block::Frame;
use super::frozen::FrozenModel;
use super::network::{Rows, gather};
use super::target::{Source, Target};

/// One window of text as the frozen model read it.
#[derive(Debug, Clone)]
pub struct Window {
    pub text: String,
    /// End of each source token in bytes.
    pub ends: Vec<u32>,
    /// States after the matched block, `[tokens, hidden]`.
    pub middle: Vec<f16>,
    /// Normalised last states.
    pub last: Vec<f16>,
    /// For each target: log of the summed exponentials of the shared tokens' logits, by token.
    pub shared: Vec<Vec<f32>>,
}

/// Windows of at most `tokens` source tokens over the texts, without a character cut.
pub fn windows(
    tokenizer: &Tokenizer,
    text: &str,
    tokens: usize,
) -> Result<Vec<(String, Vec<u32>)>, TrainError> {
    let ids = tokenizer.encode(text, false)?;
    let mut found = Vec::new();
    for ids in ids.chunks(tokens) {
        let bytes: Vec<u8> = ids
            .iter()
            .flat_map(|&id| tokenizer.token_bytes(id).unwrap_or_default())
            .copied()
            .collect();
        if ids.len() < 16 {
            continue;
        }
        if let Ok(text) = String::from_utf8(bytes) {
            found.push((text, ids.to_vec()));
        }
    }
    Ok(found)
}

/// Values of half precision, as singles.
pub(super) fn widen(values: &[f16]) -> impl Iterator<Item = f32> + '_ {
    values.iter().map(|x| x.to_f32())
}

/// Reads windows with the frozen model.
///
/// All of `batch` are padded to the longest at their ends, which a causal model does not notice.
pub fn read(
    model: &FrozenModel,
    tokenizer: &Tokenizer,
    batch: &[(String, Vec<u32>)],
    middle: usize,
    head: &Tensor<2>,
    masks: &[Tensor<2>],
    device: &Device,
) -> Vec<Window> {
    let hidden = model.sizes.hidden;
    let longest = batch.iter().map(|(_, ids)| ids.len()).max().unwrap_or(0);
    let padded: Vec<Vec<u32>> = batch
        .iter()
        .map(|(_, ids)| {
            let mut ids = ids.clone();
            ids.resize(longest, 0);
            ids
        })
        .collect();
    let ids: Vec<&[u32]> = padded.iter().map(Vec::as_slice).collect();
    let frame = Frame::new(model.sizes, longest, device);
    let x = gather(&model.rows, hidden, &ids, device);
    let at_middle = model.run(x, 0..middle, &frame);
    let layers = model.blocks.len();
    let at_end = model.run(at_middle.clone(), middle..layers, &frame);
    let last = model.normed(at_end.reshape([batch.len() * longest, hidden]));
    let shared: Vec<Vec<f32>> = {
        // The largest logit is near that of the likeliest token; singles have room for the rest.
        let logits = last.clone().matmul(head.clone());
        let highest = logits.clone().max_dim(1);
        let terms = (logits - highest.clone()).exp();
        masks
            .iter()
            .map(|mask| {
                let sum = terms.clone().matmul(mask.clone()).add_scalar(1e-12).log();
                values(sum + highest.clone())
            })
            .collect()
    };
    let (at_middle, last) = (values(at_middle), values(last));
    let narrow = |values: &[f32]| values.iter().map(|&x| f16::from_f32(x)).collect::<Vec<_>>();
    batch
        .iter()
        .enumerate()
        .map(|(row, (text, ids))| {
            let states = row * longest * hidden..(row * longest + ids.len()) * hidden;
            let mut end = 0;
            Window {
                text: text.clone(),
                ends: ids
                    .iter()
                    .map(|&id| {
                        end += tokenizer.token_bytes(id).map_or(0, <[u8]>::len) as u32;
                        end
                    })
                    .collect(),
                middle: narrow(&at_middle[states.clone()]),
                last: narrow(&last[states]),
                shared: shared
                    .iter()
                    .map(|sums| sums[row * longest..row * longest + ids.len()].to_vec())
                    .collect(),
            }
        })
        .collect()
}

pub fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec::<f32>().unwrap_or_default()
}

/// Added to the id of a shared token that is taken for a new one.
pub const PRETENDED: u32 = 1 << 31;

/// What the objective weighs.
#[derive(Debug, Clone)]
pub struct Objective {
    /// The block whose states are matched.
    pub middle: usize,
    /// Spread of each dimension of those states, `[1, hidden]`.
    pub middle_spread: Tensor<2>,
    /// New tokens drawn beside those of the batch, to stand for all that are not.
    pub negatives: Arc<[Stratum; 2]>,
    /// Shared tokens that can be taken for new ones, since they were taken apart, and how often they
    /// are.
    pub pretended: Arc<HashSet<u32>>,
    pub pretence: f64,
    pub input_weight: f64,
    pub output_weight: f64,
}

/// A part of the new tokens, some of which stand for all of it.
#[derive(Debug, Clone, Default)]
pub struct Stratum {
    /// What is drawn from, each once.
    pub ids: Vec<u32>,
    /// How many tokens they stand for.
    pub size: usize,
    /// How many are drawn.
    pub draws: usize,
}

/// Losses of a share of a batch, each a mean.
#[derive(Debug, Clone, Copy, Default)]
pub struct Losses {
    pub input: f64,
    pub output: f64,
    /// The output loss of the tokens that end where a source token ends too.
    pub whole: f64,
}

/// Makes the rows of new tokens of a target in a graph.
pub trait Predictor {
    /// Rows of `ids`, in their order.
    fn rows(&self, ids: &[u32]) -> Rows;
}

/// The losses of windows read with the tokens of `target`, number `which` of the caches: each a
/// mean, and their weighted sum as a tensor.
pub fn loss(
    predictor: &dyn Predictor,
    model: &FrozenModel,
    objective: &Objective,
    (target, which): (&Target, usize),
    windows: &[&Window],
    rng: &mut ChaCha8Rng,
    device: &Device,
) -> Result<(Losses, Tensor<1>), TrainError> {
    let hidden = model.sizes.hidden;
    let encoded: Vec<Vec<u32>> = windows
        .iter()
        .map(|window| target.tokenizer.encode(&window.text, false))
        .collect::<Result<_, _>>()?;

    // Every new token of the batch, and some others that stand for all the rest.
    let mut place: HashMap<u32, usize> = HashMap::new();
    let mut ids: Vec<u32> = Vec::new();
    let add = |id: u32, ids: &mut Vec<u32>, place: &mut HashMap<u32, usize>| {
        let is_new = matches!(target.sources.get(id as usize), Some(Source::Pieces(_)));
        if is_new && !place.contains_key(&id) {
            place.insert(id, ids.len());
            ids.push(id);
        }
    };
    for &id in encoded.iter().flatten() {
        add(id, &mut ids, &mut place);
    }
    // Some of the shared tokens as if they were new: their places are known as well as any.
    let mut pretended: HashMap<u32, usize> = HashMap::new();
    let mut passed: HashSet<u32> = HashSet::new();
    for &id in encoded.iter().flatten() {
        if let Source::Shared(source) = target.sources[id as usize]
            && objective.pretence > 0.0
            && objective.pretended.contains(&source)
            && passed.insert(source)
            && rng.random::<f64>() < objective.pretence
        {
            pretended.insert(source, ids.len());
            ids.push(PRETENDED | source);
        }
    }
    let mut weights = vec![0f32; ids.len()];
    let present: HashSet<u32> = ids.iter().copied().collect();
    for stratum in objective.negatives.iter() {
        let before = ids.len();
        for _ in 0..stratum.draws {
            if let Some(&id) = stratum
                .ids
                .get(rng.random_range(0..stratum.ids.len().max(1)))
            {
                add(id, &mut ids, &mut place);
            }
        }
        let known = stratum.ids.iter().filter(|id| present.contains(id)).count();
        let absent = stratum.size.saturating_sub(known) as f32;
        let drawn = (ids.len() - before).max(1) as f32;
        weights.resize(ids.len(), (absent / drawn).max(1.0).ln());
    }
    let new = ids.len();
    let Rows {
        input: inputs,
        output: outputs,
    } = predictor.rows(&ids);

    // Input rows: new ones first, then copies of the shared ones.
    let mut copied: HashMap<u32, usize> = HashMap::new();
    let mut copies: Vec<f32> = Vec::new();
    let longest = encoded.iter().map(Vec::len).max().unwrap_or(1);
    let mut index: Vec<i32> = Vec::with_capacity(windows.len() * longest);
    let mut matched: Vec<i32> = Vec::new();
    let mut wanted: Vec<f32> = Vec::new();
    let mut contexts: Vec<f32> = Vec::new();
    let mut sums: Vec<f32> = Vec::new();
    let mut labels: Vec<i32> = Vec::new();
    let mut fixed: Vec<f32> = Vec::new();
    let mut is_whole: Vec<bool> = Vec::new();
    for (row, (window, ids)) in windows.iter().zip(&encoded).enumerate() {
        let mut end = 0u32;
        let mut at = 0usize;
        let mut before: Option<usize> = None;
        for (position, &id) in ids.iter().enumerate() {
            let is_counted = before.is_some();
            let made = match &target.sources[id as usize] {
                Source::Pieces(_) => Some(place[&id]),
                Source::Shared(id) => pretended.get(id).copied(),
            };
            let slot = match (&target.sources[id as usize], made) {
                (Source::Shared(id), None) => {
                    let next = new + copied.len();
                    *copied.entry(*id).or_insert_with(|| {
                        copies.extend_from_slice(model.row(*id));
                        next
                    })
                }
                (_, made) => made.unwrap_or_default(),
            };
            index.push(slot as i32);
            // The state before this token, where a source token ended there.
            if let Some(place) = before {
                let states = &window.last[place * hidden..(place + 1) * hidden];
                contexts.extend(widen(states));
                sums.push(window.shared[which][place]);
                match &target.sources[id as usize] {
                    Source::Shared(id) if made.is_none() => {
                        labels.push(0);
                        let logit = widen(states).zip(model.row(*id)).map(|(a, b)| a * b).sum();
                        fixed.push(logit);
                    }
                    _ => {
                        labels.push(slot as i32);
                        fixed.push(f32::NAN);
                    }
                }
            }
            let bytes = target.tokenizer.token_bytes(id).map_or(0, <[u8]>::len);
            end += bytes as u32;
            while window.ends.get(at).is_some_and(|&e| e < end) {
                at += 1;
            }
            before = (window.ends.get(at) == Some(&end)).then_some(at);
            if is_counted {
                is_whole.push(before.is_some());
            }
            if let Some(place) = before.filter(|_| position > 0) {
                matched.push((row * longest + position) as i32);
                wanted.extend(widen(&window.middle[place * hidden..(place + 1) * hidden]));
            }
        }
        index.resize((row + 1) * longest, 0);
    }
    let ints = |values: Vec<i32>| {
        let len = values.len();
        Tensor::<1, Int>::from_data(TensorData::new(values, [len]), device)
    };
    let matrix = |values: Vec<f32>, columns: usize| {
        let rows = values.len() / columns;
        Tensor::<2>::from_data(TensorData::new(values, [rows, columns]), device)
    };

    // Input rows, through the first blocks.
    let input_loss = if objective.input_weight > 0.0 {
        let table = if copies.is_empty() {
            inputs
        } else {
            Tensor::cat(vec![inputs, matrix(copies, hidden)], 0)
        };
        let x = table
            .select(0, ints(index))
            .reshape([windows.len(), longest, hidden]);
        let frame = Frame::new(model.sizes, longest, device);
        let states = model.run(x, 0..objective.middle, &frame);
        let states = states
            .reshape([windows.len() * longest, hidden])
            .select(0, ints(matched));
        let spread = objective.middle_spread.clone();
        let difference = (states - matrix(wanted, hidden)) / spread;
        (difference.clone() * difference).mean()
    } else {
        Tensor::zeros([1], device)
    };

    // Output rows, from the teacher's last states.
    let examples = labels.len();
    let contexts = matrix(contexts, hidden);
    if !pretended.is_empty() {
        let rows = pretended.keys().flat_map(|&id| model.row(id));
        let rows = matrix(rows.copied().collect(), hidden);
        let logits = values(contexts.clone().inner().matmul(rows.inner().transpose()));
        let places = logits.chunks_exact(pretended.len());
        for (sum, logits) in sums.iter_mut().zip(places) {
            let gone: f32 = logits.iter().map(|logit| (logit - *sum).exp()).sum();
            *sum += (1.0 - gone.min(0.999)).ln();
        }
    }
    let logits = contexts.matmul(outputs.transpose());
    let is_new: Vec<f32> = fixed
        .iter()
        .map(|x| if x.is_nan() { 1.0 } else { 0.0 })
        .collect();
    let fixed: Vec<f32> = fixed
        .iter()
        .map(|x| if x.is_nan() { 0.0 } else { *x })
        .collect();
    let label_index = Tensor::<2, Int>::from_data(TensorData::new(labels, [examples, 1]), device);
    let label = logits.clone().gather(1, label_index) * matrix(is_new, 1) + matrix(fixed, 1);
    let all = Tensor::cat(vec![logits + matrix(weights, new), matrix(sums, 1)], 1);
    let highest = all.clone().detach().max_dim(1);
    let total = (all - highest.clone()).exp().sum_dim(1).log() + highest;
    let output_losses = total - label;
    let whole: Vec<f32> = values(output_losses.clone().inner())
        .into_iter()
        .zip(&is_whole)
        .filter_map(|(loss, is_whole)| is_whole.then_some(loss))
        .collect();
    let output_loss = output_losses.mean();

    let losses = Losses {
        input: f64::from(input_loss.clone().inner().into_scalar::<f32>()),
        output: f64::from(output_loss.clone().inner().into_scalar::<f32>()),
        whole: f64::from(whole.iter().sum::<f32>()) / whole.len().max(1) as f64,
    };
    let loss = input_loss.mul_scalar(objective.input_weight)
        + output_loss.mul_scalar(objective.output_weight);
    Ok((losses, loss))
}
