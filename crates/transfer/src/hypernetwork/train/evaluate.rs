//! Bits per byte of the frozen model with predicted rows.

use std::f64::consts::LN_2;

use burn::tensor::{Device, Tensor, TensorData};

use super::TrainError;
use super::block::Frame;
use super::context::{Source, Target, values};
use super::frozen::FrozenModel;
use super::in_two_threads;
use super::network::{MAX_PIECES, Network, gather};

/// Rows of a whole vocabulary, `[vocab, hidden]` each.
pub struct Table {
    pub input: Vec<f32>,
    pub output: Vec<f32>,
}

/// Rows that one call of the network predicts.
const BATCH: usize = 512;

impl Table {
    /// The rows of the source model.
    pub fn of_model(model: &FrozenModel) -> Self {
        Self {
            input: model.rows.to_vec(),
            output: model.rows.to_vec(),
        }
    }

    /// Copies of shared rows, means of the pieces' rows for the others.
    pub fn means(model: &FrozenModel, target: &Target) -> Self {
        let hidden = model.sizes.hidden;
        let mut input = vec![0f32; target.sources.len() * hidden];
        for (row, source) in input.chunks_exact_mut(hidden).zip(&target.sources) {
            match source {
                Source::Shared(source) => row.copy_from_slice(model.row(*source)),
                Source::Pieces(pieces) => {
                    let share = 1.0 / pieces.len() as f32;
                    for &piece in pieces {
                        for (sum, x) in row.iter_mut().zip(model.row(piece)) {
                            *sum += share * x;
                        }
                    }
                }
            }
        }
        Self {
            output: input.clone(),
            input,
        }
    }

    /// Copies of shared rows, predictions for the others.
    pub fn predict(
        network: &Network,
        model: &FrozenModel,
        frames: &[Frame],
        target: &Target,
        device: &Device,
    ) -> Self {
        let hidden = model.sizes.hidden;
        let mut input = vec![0f32; target.sources.len() * hidden];
        let mut groups: Vec<Vec<usize>> = vec![Vec::new(); MAX_PIECES + 1];
        for (id, source) in target.sources.iter().enumerate() {
            match source {
                Source::Shared(source) => {
                    input[id * hidden..(id + 1) * hidden].copy_from_slice(model.row(*source));
                }
                Source::Pieces(pieces) => groups[pieces.len()].push(id),
            }
        }
        let mut output = input.clone();
        let batches: Vec<&[usize]> = groups.iter().flat_map(|ids| ids.chunks(BATCH)).collect();
        let run = |parity: usize| {
            let mine = batches.iter().skip(parity).step_by(2);
            mine.map(|ids| {
                let pieces: Vec<&[u32]> = ids
                    .iter()
                    .filter_map(|&id| match &target.sources[id] {
                        Source::Pieces(pieces) => Some(pieces.as_slice()),
                        Source::Shared(_) => None,
                    })
                    .collect();
                let frame = &frames[pieces.first().map_or(1, |p| p.len()) - 1];
                let rows = network.forward(gather(&model.rows, hidden, &pieces, device), frame);
                (*ids, values(rows.input), values(rows.output))
            })
            .collect::<Vec<_>>()
        };
        let (even, odd) = in_two_threads(|| run(0), || run(1));
        for (ids, inputs, outputs) in even.into_iter().chain(odd) {
            for (at, &id) in ids.iter().enumerate() {
                let from = at * hidden..(at + 1) * hidden;
                let to = id * hidden..(id + 1) * hidden;
                input[to.clone()].copy_from_slice(&inputs[from.clone()]);
                output[to].copy_from_slice(&outputs[from]);
            }
        }
        Self { input, output }
    }
}

/// Bits per byte of a text in `ids`, the first of which is not scored.
pub fn bits_per_byte(
    model: &FrozenModel,
    table: &Table,
    ids: &[u32],
    bytes: usize,
    device: &Device,
) -> Result<f64, TrainError> {
    let hidden = model.sizes.hidden;
    let frame = Frame::new(model.sizes, ids.len(), device);
    let x = gather(&table.input, hidden, &[ids], device);
    let x = model.run(x, 0..model.blocks.len(), &frame);
    let last = model.normed(x.reshape([ids.len(), hidden]));
    let scored = ids.len() - 1;
    let last = last.narrow(0, 0, scored);
    let states = values(last.clone());
    // Whole logits would be gigabytes: the sums over the vocabulary are gathered slab by slab.
    let slabs: Vec<&[f32]> = table.output.chunks(16_384 * hidden).collect();
    let run = |parity: usize| {
        let mut sums = vec![0f64; scored];
        for slab in slabs.iter().skip(parity).step_by(2) {
            let rows = slab.len() / hidden;
            let slab = TensorData::new(slab.to_vec(), [rows, hidden]);
            let slab = Tensor::<2>::from_data(slab, device).transpose();
            let terms = values(last.clone().matmul(slab).sub_scalar(OFFSET).exp().sum_dim(1));
            for (sum, term) in sums.iter_mut().zip(terms) {
                *sum += f64::from(term);
            }
        }
        sums
    };
    let (even, odd) = in_two_threads(|| run(0), || run(1));
    let mut nats = 0f64;
    for (position, (a, b)) in even.iter().zip(&odd).enumerate() {
        let state = &states[position * hidden..(position + 1) * hidden];
        let start = ids[position + 1] as usize * hidden;
        let row = &table.output[start..start + hidden];
        let logit: f64 = state.iter().zip(row).map(|(a, b)| f64::from(a * b)).sum();
        nats += (a + b).ln() + OFFSET - logit;
    }
    Ok(nats / LN_2 / bytes as f64)
}

/// Taken from logits before they are exponentiated; they are between -50 and 50.
const OFFSET: f64 = 15.0;
