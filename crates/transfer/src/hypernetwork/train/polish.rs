//! The last part of a run: head and memory against the loss of the whole frozen model.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use burn::tensor::{Device, Tensor};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::memory::Memory;
use super::network::Network;
use super::options::{LogLine, Phase, Progress};
use super::recalled::{Gradients, Known, Recalled};
use super::run::Trainer;
use super::sides::{Side, Streams, sides};
use super::splits::{Split, Splitter};
use super::step::{Optimiser, rate};
use super::whole::{self, Kept};
use super::{TrainError, in_two_threads, regression, store};

/// Windows of a batch, half of them for each thread.
const BATCH: usize = 4;
/// Windows whose loss is told, none of which is trained on: dealt out to the tokenizers, so that as
/// many texts as possible have a say.
const HELD: usize = 24;
const SPLITS: usize = 6000;
const SPLIT_BATCH: usize = 64;
/// Seconds between checkpoints.
const REPORT: f64 = 400.0;
/// Steps on output rows alone after each step, and the half batches that they are taken from.
const REPLAYS: usize = 2;
const KEPT: usize = 64;
/// Steps in which the rates rise.
const WARM_UP: f64 = 20.0;

/// What stays the same in the loop.
struct Setting<'a> {
    trainer: &'a Trainer,
    sides: Vec<Side<'a>>,
    known: Known,
    /// Splits that go on being asked, and their features.
    splits: Vec<Split>,
    asked: Known,
    /// The network without its weights, on the tracked device.
    plain: Network,
    tracked: Device,
    held: Vec<String>,
}

/// What is trained.
struct State {
    head: Vec<Tensor<2>>,
    optimiser: Optimiser,
    memory: Memory,
    /// Half batches, with the number of their tokenizer.
    past: VecDeque<(usize, Kept)>,
}

impl Trainer {
    /// Trains head and memory by the loss of the whole frozen model on the texts; a checkpoint in
    /// the folder is gone on from.
    ///
    /// # Errors
    /// `io`, `bad-checkpoint`; `invalid-argument` for texts that are too short.
    pub fn polish(
        &mut self,
        texts: &[(String, f64)],
        progress: Progress<'_>,
    ) -> Result<(), TrainError> {
        progress(Phase::Features, 0.0, None);
        std::fs::create_dir_all(&self.options.folder)?;
        let columns = self.network.head().dims()[1];
        let mut memory = Memory::choose(columns, self.options.memory, &self.targets, texts)?;
        let mut optimiser = Optimiser::new(1, 0.0);
        let path = self.file("polished.safetensors");
        let mut before = 0.0;
        if path.exists() {
            before = store::load(&mut self.network, &mut optimiser, &path, &self.device)?;
            self.memory = store::load_memory(columns, &path)?;
        } else {
            self.network.fold(&self.bias);
        }
        memory.take_over(&self.memory)?;
        self.bias = Default::default();
        let mut rng = ChaCha8Rng::seed_from_u64(self.options.seed ^ before as u64);
        let seed = self.options.seed;
        let (mut streams, held) = Streams::new(&self.source, texts, HELD, seed, &mut rng)?;
        let mut state = State {
            head: vec![self.network.head().clone()],
            optimiser,
            memory,
            past: VecDeque::new(),
        };
        let setting = Setting::new(self, &streams, held, &state.memory, &mut rng)?;
        let seconds = self.options.polish_seconds;
        let begin = Instant::now();
        let (mut running, mut next_report) = (0.0, 0.0);
        for step in 0.. {
            let elapsed = before + begin.elapsed().as_secs_f64();
            let last = elapsed > seconds;
            if elapsed - before >= next_report || last {
                let line = LogLine {
                    step,
                    seconds: elapsed,
                    model: running,
                    held_model: setting.held_loss(&state)?,
                    ..LogLine::default()
                };
                let mut network = self.network.clone();
                network.set_head(state.head[0].clone());
                let (memory, optimiser) = (Some(&state.memory), Some(&state.optimiser));
                store::save(&network, memory, optimiser, elapsed, &path)?;
                progress(Phase::Polishing, (elapsed / seconds).min(1.0), Some(&line));
                next_report = begin.elapsed().as_secs_f64() + REPORT;
            }
            if last {
                break;
            }
            let batch = streams.draw(BATCH, &mut rng);
            let which = rng.random_range(0..setting.sides.len());
            let warm = ((step + 1) as f64 / WARM_UP).min(1.0);
            let place = (elapsed / seconds * 10_000.0) as usize;
            let rates = [self.options.polish_rate, self.options.memory_rate]
                .map(|peak| rate(peak, place, 0, 10_000) * warm);
            let told = setting.step(&mut state, which, &batch, rates, &mut rng)?;
            running += (1.0 / (step + 1) as f64).max(0.02) * (told - running);
            for _ in 0..REPLAYS {
                setting.replay(&mut state, rates, &mut rng);
            }
        }
        drop(setting);
        self.network.set_head(state.head.remove(0));
        self.memory = state.memory;
        Ok(())
    }
}

impl<'a> Setting<'a> {
    fn new(
        trainer: &'a Trainer,
        streams: &Streams,
        held: Vec<String>,
        memory: &Memory,
        rng: &mut ChaCha8Rng,
    ) -> Result<Self, TrainError> {
        let (pieces, sides) = sides(trainer, streams, &held, rng)?;
        let tokens: Vec<(u32, &[u32])> = (0u32..).zip(pieces.iter().map(Vec::as_slice)).collect();
        let splitter = Splitter::new(&trainer.vocabulary)?;
        let splits: Vec<Split> = (0..SPLITS).map(|_| splitter.draw(rng)).collect();
        Ok(Self {
            known: Known {
                table: trainer.table(&tokens),
                slots: pieces.iter().map(|pieces| memory.slot(pieces)).collect(),
            },
            asked: Known {
                table: trainer.split_table(&splits),
                slots: Vec::new(),
            },
            splits,
            sides,
            plain: trainer.network.without_parameters(),
            tracked: trainer.device.clone().autodiff(),
            held,
            trainer,
        })
    }

    fn tracked(&'a self, state: &'a State, side: &'a Side<'a>) -> Recalled<'a> {
        let head = state.head[0].clone();
        let (network, memory) = (&self.plain, &state.memory);
        Recalled::new(&self.known, network, memory, side, head, &self.tracked).tracked()
    }

    /// The loss over the windows that are not trained on, each in the tokens of one tokenizer, as a
    /// mean over these.
    fn held_loss(&self, state: &State) -> Result<f64, TrainError> {
        let device = &self.trainer.device;
        let count = self.sides.len();
        // Of few windows, some tokenizers have none.
        let dealt = count.min(self.held.len());
        let loss = |(at, side): (usize, &Side<'_>)| -> Result<f64, TrainError> {
            let texts = self.held.iter().skip(at).step_by(count);
            let texts: Vec<&str> = texts.map(String::as_str).collect();
            let mut rng = ChaCha8Rng::seed_from_u64(99);
            let (network, head) = (&self.trainer.network, state.head[0].clone());
            let predictor = Recalled::new(&self.known, network, &state.memory, side, head, device);
            let model = &self.trainer.model;
            let (loss, _) = whole::loss(&predictor, model, side, &texts, &mut rng, device)?;
            Ok(f64::from(loss.into_scalar::<f32>()))
        };
        let all: Vec<_> = self.sides.iter().take(dealt).enumerate().collect();
        let (left, right) = all.split_at(dealt / 2);
        let sum =
            |sides: &[(usize, &Side<'_>)]| sides.iter().copied().map(loss).sum::<Result<f64, _>>();
        let (left, right) = in_two_threads(|| sum(left), || sum(right));
        Ok((left? + right?) / dealt as f64)
    }

    /// One step on a batch; returns its loss.
    fn step(
        &self,
        state: &mut State,
        which: usize,
        batch: &[String],
        rates: [f64; 2],
        rng: &mut ChaCha8Rng,
    ) -> Result<f64, TrainError> {
        let part = |texts: &[String], seed: u64| {
            let (side, mut rng) = (&self.sides[which], ChaCha8Rng::seed_from_u64(seed));
            let predictor = self.tracked(state, side);
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let (model, device) = (&self.trainer.model, &self.tracked);
            let (loss, kept) = whole::loss(&predictor, model, side, &texts, &mut rng, device)?;
            let told = f64::from(loss.clone().inner().into_scalar::<f32>());
            let splits = self.splits(predictor.head(), &mut rng);
            Ok::<_, TrainError>((told, kept, predictor.gradients(loss + splits)))
        };
        let seeds: [u64; 2] = [rng.random(), rng.random()];
        let (left, right) = batch.split_at(batch.len() / 2);
        let (left, right) = in_two_threads(|| part(left, seeds[0]), || part(right, seeds[1]));
        let ((left, of_left, gradients), (right, of_right, others)) = (left?, right?);
        self.take(state, [gradients, others], rates);
        state.past.extend([(which, of_left), (which, of_right)]);
        while state.past.len() > KEPT {
            state.past.pop_front();
        }
        Ok((left + right) / 2.0)
    }

    /// One step on output rows alone.
    fn replay(&self, state: &mut State, rates: [f64; 2], rng: &mut ChaCha8Rng) {
        let part = |seed: u64| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let (which, kept) = &state.past[rng.random_range(0..state.past.len())];
            let side = &self.sides[*which];
            let predictor = self.tracked(state, side);
            let loss = whole::replay(&predictor, side, kept, &mut rng, &self.tracked);
            predictor.gradients(loss)
        };
        let seeds: [u64; 2] = [rng.random(), rng.random()];
        let (left, right) = in_two_threads(|| part(seeds[0]), || part(seeds[1]));
        self.take(state, [left, right], rates);
    }

    /// The regression of known rows, weighed.
    fn splits(&self, head: &Tensor<2>, rng: &mut ChaCha8Rng) -> Tensor<1> {
        let picks: Vec<u32> = (0..SPLIT_BATCH)
            .map(|_| rng.random_range(0..self.splits.len() as u32))
            .collect();
        let table = &self.asked.table;
        let rows = table.rows(&self.plain, head, &picks, None, &self.tracked);
        let group: Vec<&Split> = picks.iter().map(|&at| &self.splits[at as usize]).collect();
        let wanted = regression::targets(&self.trainer.model, &group, &self.tracked);
        let weight = self.trainer.options.polish_split_weight / SPLIT_BATCH as f64;
        regression::row_loss(rows.input, wanted, &self.plain.spread).mul_scalar(weight)
    }

    /// Moves head and memory by the gradients of two threads.
    fn take(&self, state: &mut State, gradients: [Gradients; 2], rates: [f64; 2]) {
        let columns = state.memory.columns;
        let mut sums: HashMap<usize, Vec<f32>> = HashMap::new();
        let mut heads: Option<Tensor<2>> = None;
        for Gradients { head, slots, rows } in gradients {
            heads = match (heads, head) {
                (Some(a), Some(b)) => Some(a + b),
                (a, b) => a.or(b),
            };
            for (slot, row) in slots.iter().zip(rows.chunks_exact(columns)) {
                let Some(slot) = slot else {
                    continue;
                };
                let sum = sums.entry(*slot).or_insert_with(|| vec![0.0; columns]);
                sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
            }
        }
        if let Some(heads) = heads {
            let gradient = heads.mul_scalar(0.5);
            state
                .optimiser
                .step(&mut state.head, vec![gradient], rates[0]);
        }
        let hidden = self.trainer.model.sizes.hidden;
        state.memory.step(&sums, hidden, rates[1] as f32);
    }
}
