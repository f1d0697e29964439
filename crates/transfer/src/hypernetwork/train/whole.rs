//! The frozen model's own loss on text in the tokens of another tokenizer, through all its blocks.
//!
//! What the kept states of the teacher cannot teach: that a token which was read comes up again.
//! The model's induction heads find it by its input row and say it by its output row, and whether
//! the two fit is seen by running them.

use std::collections::HashMap;

use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::TrainError;
use super::block::Frame;
use super::context::{Predictor, values};
use super::frozen::FrozenModel;
use super::network::Rows;
use super::sides::Side;
use super::target::Source;

/// What a pass over texts leaves for later steps that move output rows alone: the last states change
/// slowly, and what the shared tokens have of the normaliser is known once they are.
pub struct Kept {
    /// Normalised last states, `[places, hidden]`.
    states: Tensor<2>,
    /// Log of the summed exponentials of the shared tokens' logits, `[places, 1]`.
    shared: Tensor<2>,
    /// The next token at each place: its id where it is new, else its logit.
    next: Vec<Result<u32, f32>>,
}

/// The new tokens that a normaliser has: those of a batch, and some that stand for the others.
struct Candidates {
    place: HashMap<u32, usize>,
    ids: Vec<u32>,
    /// Log of how many each stands for.
    weights: Vec<f32>,
}

impl Candidates {
    fn new(side: &Side<'_>, batch: impl Iterator<Item = u32>, rng: &mut ChaCha8Rng) -> Self {
        let mut place: HashMap<u32, usize> = HashMap::new();
        let mut ids: Vec<u32> = Vec::new();
        for id in batch {
            if side.target.pieces(id).is_some() && !place.contains_key(&id) {
                place.insert(id, ids.len());
                ids.push(id);
            }
        }
        let mut weights = vec![0f32; ids.len()];
        for stratum in &side.strata {
            let known = stratum
                .ids
                .iter()
                .filter(|id| place.contains_key(id))
                .count();
            let before = ids.len();
            for _ in 0..stratum.draws {
                let drawn = rng.random_range(0..stratum.ids.len().max(1));
                if let Some(&id) = stratum.ids.get(drawn)
                    && !place.contains_key(&id)
                {
                    place.insert(id, ids.len());
                    ids.push(id);
                }
            }
            let absent = stratum.size.saturating_sub(known) as f32;
            let drawn = (ids.len() - before).max(1) as f32;
            weights.resize(ids.len(), (absent / drawn).max(1.0).ln());
        }
        Self {
            place,
            ids,
            weights,
        }
    }
}

/// The mean loss in nats over the tokens of `texts` but the first of each, as a tensor, and what a
/// [`replay`] of it needs.
///
/// The new tokens of the batch are all in the normaliser, and the strata stand for the others.
pub fn loss(
    predictor: &dyn Predictor,
    model: &FrozenModel,
    side: &Side<'_>,
    texts: &[&str],
    rng: &mut ChaCha8Rng,
    device: &Device,
) -> Result<(Tensor<1>, Kept), TrainError> {
    let (hidden, target) = (model.sizes.hidden, side.target);
    let encoded: Vec<Vec<u32>> = texts
        .iter()
        .map(|text| target.tokenizer.encode(text, false))
        .collect::<Result<_, _>>()?;
    let of_batch = encoded.iter().flatten().copied();
    let candidates = Candidates::new(side, of_batch, rng);
    let new = candidates.ids.len();
    let Rows { input, output } = predictor.rows(&candidates.ids);

    // New rows first, then copies of the shared ones of the batch.
    let mut copied: HashMap<u32, usize> = HashMap::new();
    let mut copies: Vec<f32> = Vec::new();
    let longest = encoded.iter().map(Vec::len).max().unwrap_or(1);
    let mut index: Vec<i32> = Vec::with_capacity(texts.len() * longest);
    let (mut states, mut labels, mut next) = (Vec::new(), Vec::new(), Vec::new());
    for (row, ids) in encoded.iter().enumerate() {
        for (position, &id) in ids.iter().enumerate() {
            let slot = match &target.sources[id as usize] {
                Source::Pieces(_) => candidates.place[&id],
                Source::Shared(id) => {
                    let next = new + copied.len();
                    *copied.entry(*id).or_insert_with(|| {
                        copies.extend_from_slice(model.row(*id));
                        next
                    })
                }
            };
            index.push(slot as i32);
            if position > 0 {
                states.push((row * longest + position - 1) as i32);
                labels.push(slot as i32);
                next.push(target.pieces(id).map(|_| id).ok_or(0.0));
            }
        }
        index.resize((row + 1) * longest, 0);
    }
    let ints = |values: Vec<i32>| {
        let len = values.len();
        Tensor::<1, Int>::from_data(TensorData::new(values, [len]), device)
    };
    let copies = TensorData::new(copies, [copied.len(), hidden]);
    let copies = Tensor::<2>::from_data(copies, device);
    let table = Tensor::cat(vec![input, copies.clone()], 0);
    let x = table
        .select(0, ints(index))
        .reshape([texts.len(), longest, hidden]);
    let frame = Frame::new(model.sizes, longest, device);
    let x = model.run(x, 0..model.blocks.len(), &frame);
    let x = x.reshape([texts.len() * longest, hidden]);
    let x = model.normed(x.select(0, ints(states)));
    let heads = Tensor::cat(vec![output.clone(), copies], 0).select(0, ints(labels));
    let label = (x.clone() * heads).sum_dim(1);
    let of_shared = x.clone().matmul(side.shared.clone());
    let highest = of_shared.clone().detach().max_dim(1);
    let of_shared = (of_shared - highest.clone()).exp().sum_dim(1).log() + highest;
    for (next, logit) in next.iter_mut().zip(values(label.clone().inner())) {
        if let Err(known) = next {
            *known = logit;
        }
    }
    let kept = Kept {
        states: x.clone().inner(),
        shared: of_shared.clone().inner(),
        next,
    };
    let total = total(x, output, &candidates.weights, of_shared, device);
    Ok(((total - label).mean(), kept))
}

/// The same loss over states that were kept: of output rows alone.
pub fn replay(
    predictor: &dyn Predictor,
    side: &Side<'_>,
    kept: &Kept,
    rng: &mut ChaCha8Rng,
    device: &Device,
) -> Tensor<1> {
    let of_batch = kept.next.iter().filter_map(|next| next.ok());
    let candidates = Candidates::new(side, of_batch, rng);
    let Rows { output, .. } = predictor.rows(&candidates.ids);
    let places = kept.next.len();
    // A row of noughts where the next token is a shared one, whose logit is known.
    let index = kept.next.iter().map(|next| match next {
        Ok(id) => candidates.place[id] as i32 + 1,
        Err(_) => 0,
    });
    let index = TensorData::new(index.collect(), [places]);
    let index = Tensor::<1, Int>::from_data(index, device);
    let known = kept.next.iter().map(|next| next.err().unwrap_or(0.0));
    let known = TensorData::new(known.collect(), [places, 1]);
    let known = Tensor::<2>::from_data(known, device);
    // Of the plain kind, so that a graph begins at the rows.
    let on = |tensor: &Tensor<2>| {
        let shape = tensor.dims();
        Tensor::<2>::from_data(TensorData::new(values(tensor.clone()), shape), device)
    };
    let states = on(&kept.states);
    let none = Tensor::<2>::zeros([1, states.dims()[1]], device);
    let heads = Tensor::cat(vec![none, output.clone()], 0).select(0, index);
    let label = (states.clone() * heads).sum_dim(1) + known;
    let total = total(
        states,
        output,
        &candidates.weights,
        on(&kept.shared),
        device,
    );
    (total - label).mean()
}

/// The log of the normaliser: of the shared tokens' part, `[places, 1]`, and the new ones' rows.
fn total(
    states: Tensor<2>,
    output: Tensor<2>,
    weights: &[f32],
    of_shared: Tensor<2>,
    device: &Device,
) -> Tensor<2> {
    let weights = TensorData::new(weights.to_vec(), [1, weights.len()]);
    let weights = Tensor::<2>::from_data(weights, device);
    let all = Tensor::cat(
        vec![states.matmul(output.transpose()) + weights, of_shared],
        1,
    );
    let highest = all.clone().detach().max_dim(1);
    (all - highest.clone()).exp().sum_dim(1).log() + highest
}
