//! A whole training run: ridge, reading, training of the head, each of which can be taken up again.

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use burn::tensor::{Device, Tensor, TensorData};
use lexigraft_checkpoint::{ByteSource, Checkpoint};
use lexigraft_text::Tokenizer;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::block::Frame;
use super::calibrate::Places;
use super::context::{self, Losses, Objective, Window};
use super::frozen::{FrozenModel, piece_vocabulary};
use super::head::{FeatureTable, HeadPredictor};
use super::memory::Memory;
use super::network::{MAX_PIECES, Network};
pub use super::options::{LogLine, Options, Phase, Progress};
use super::sampled::Sampled;
use super::splits::{Split, Splitter, held_out};
use super::step::{Optimiser, rate};
use super::target::Target;
use super::{
    TrainError, cache, ideal, in_two_threads, regression, ridge, sampled, statistics, store,
};
use crate::hypernetwork::pieces::PieceVocabulary;

/// Windows of a batch.
const BATCH: usize = 8;
/// Splits that go on being asked, and how many of them a step.
const SPLITS: usize = 6000;
const SPLIT_BATCH: usize = 256;
/// Share of the time in which tokens pretend. They are likelier than new ones, and so are their
/// biases, which the rest of the time has to mend.
const PRETENDING: f64 = 0.75;
/// Windows that biases are fitted to.
const CALIBRATED: usize = 48;
/// Seconds between checkpoints.
const REPORT: f64 = 90.0;

/// A frozen model, the tokenizers to train on, and what has been made so far.
pub struct Trainer {
    pub(super) options: Options,
    pub model: FrozenModel,
    pub(super) source: Tokenizer,
    pub(super) vocabulary: PieceVocabulary,
    pub(super) targets: Vec<Target>,
    pub network: Network,
    pub memory: Memory,
    /// By the number of pieces, in nats.
    pub bias: [f32; MAX_PIECES + 1],
    pub(super) frames: Vec<Frame>,
    pub(super) device: Device,
}

impl Trainer {
    /// # Errors
    /// `missing-tensor` and `bad-checkpoint` for a file that is no Llama model in GGUF,
    /// `invalid-argument` for no tokenizer.
    pub async fn new<S: ByteSource>(
        checkpoint: &Checkpoint<S>,
        source: Tokenizer,
        targets: Vec<(String, Tokenizer)>,
        options: Options,
    ) -> Result<Self, TrainError> {
        if targets.is_empty() {
            return Err(TrainError::Nothing("tokenizers"));
        }
        let device = Device::flex();
        let model = FrozenModel::load(checkpoint, &device).await?;
        let vocabulary = piece_vocabulary(checkpoint, &source)?;
        let targets = targets
            .into_iter()
            .map(|(name, tokenizer)| Target::new(&name, tokenizer, &vocabulary))
            .collect();
        let layers = options.layers.min(model.blocks.len());
        let blocks = model.blocks.get(..layers).unwrap_or_default();
        let none = Tensor::zeros([1, model.sizes.hidden], &device);
        let network = Network::new(model.sizes, blocks, model.spread(&device), none, &device);
        Ok(Self {
            frames: regression::frames(&model, &device),
            network,
            memory: Memory::default(),
            bias: [0.0; MAX_PIECES + 1],
            model,
            source,
            vocabulary,
            targets,
            options,
            device,
        })
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.options.folder.join(name)
    }

    /// Begins with a network that was exported, its memory too, in place of ridge and training.
    pub fn begin_with(&mut self, path: &Path) -> Result<(), TrainError> {
        (self.bias, self.memory) = store::import(&mut self.network, path, &self.device)?;
        Ok(())
    }

    /// Fits the head in closed form, unless a checkpoint is there.
    pub fn ridge(&mut self, progress: Progress<'_>) -> Result<(), TrainError> {
        std::fs::create_dir_all(&self.options.folder)?;
        progress(Phase::Ridge, 0.0, None);
        let is_there = |name| self.file(name).exists();
        if !is_there("network.safetensors") && !is_there("ridge.safetensors") {
            let splitter = Splitter::new(&self.vocabulary)?;
            let mut rng = ChaCha8Rng::seed_from_u64(self.options.seed);
            let splits: Vec<Split> = (0..self.options.ridge_splits)
                .map(|_| splitter.draw(&mut rng))
                .collect();
            let (strength, device) = (self.options.ridge, self.device.clone());
            ridge::fit(
                &mut self.network,
                &self.model,
                &self.frames,
                &splits,
                strength,
                &device,
            );
            store::save(
                &self.network,
                None,
                None,
                0.0,
                &self.file("ridge.safetensors"),
            )?;
        }
        progress(Phase::Ridge, 1.0, None);
        Ok(())
    }

    /// Has the frozen model read windows of the texts, each with its share, into files; what they
    /// hold already is not read again.
    pub fn read(
        &self,
        texts: &[(String, f64)],
        progress: Progress<'_>,
    ) -> Result<Vec<Window>, TrainError> {
        let chosen = self.choose(texts)?;
        let (hidden, device) = (self.model.sizes.hidden, &self.device);
        let rows = TensorData::new(self.model.rows.to_vec(), [self.model.vocab, hidden]);
        let head = Tensor::<2>::from_data(rows, device).transpose();
        let masks: Vec<Tensor<2>> = self
            .targets
            .iter()
            .map(|target| self.mask(target))
            .collect();
        let start = Instant::now();
        let batches: Vec<_> = chosen.chunks(4).collect();
        let progress = std::sync::Mutex::new(progress);
        let run = |parity: usize| -> Result<Vec<Window>, TrainError> {
            let path = self.file(&format!("windows-{parity}"));
            let mut windows = cache::read(&path)?;
            let known = windows.len().div_ceil(4);
            let mut file = File::options().create(true).append(true).open(&path)?;
            let mine: Vec<_> = batches.iter().skip(parity).step_by(2).collect();
            for (index, batch) in mine.iter().enumerate().skip(known) {
                if start.elapsed().as_secs_f64() > self.options.read_seconds {
                    break;
                }
                let (model, middle) = (&self.model, self.options.middle);
                let read = context::read(model, &self.source, batch, middle, &head, &masks, device);
                cache::append(&mut file, &read)?;
                windows.extend(read);
                if parity == 0
                    && let Ok(mut progress) = progress.lock()
                {
                    progress(Phase::Reading, (index + 1) as f64 / mine.len() as f64, None);
                }
            }
            Ok(windows)
        };
        let (even, odd) = in_two_threads(|| run(0), || run(1));
        Ok([even?, odd?].concat())
    }

    /// Windows of all texts, mixed.
    fn choose(&self, texts: &[(String, f64)]) -> Result<Vec<(String, Vec<u32>)>, TrainError> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.options.seed);
        let total: f64 = texts.iter().map(|(_, share)| share).sum();
        let mut chosen = Vec::new();
        for (text, share) in texts {
            let wanted = self.options.windows as f64 * share / total.max(1e-9);
            // A window is some five hundred bytes; twice as much is enough to choose from.
            let text: String = text.chars().take(wanted as usize * 1000).collect();
            let mut found = context::windows(&self.source, &text, 128)?;
            shuffle(&mut found, &mut rng);
            found.truncate(wanted as usize);
            chosen.extend(found);
        }
        shuffle(&mut chosen, &mut rng);
        if chosen.len() < 2 * BATCH {
            return Err(TrainError::Nothing("text"));
        }
        Ok(chosen)
    }

    fn mask(&self, target: &Target) -> Tensor<2> {
        let shared = target.shared(self.model.vocab);
        let mask: Vec<f32> = shared.iter().map(|&x| if x { 1.0 } else { 0.0 }).collect();
        Tensor::from_data(TensorData::new(mask, [self.model.vocab, 1]), &self.device)
    }

    pub(super) fn table(&self, tokens: &[(u32, &[u32])]) -> FeatureTable {
        FeatureTable::new(
            &self.network,
            &self.model,
            &self.frames,
            tokens,
            &self.device,
        )
    }

    /// Trains the head; a checkpoint in the folder is gone on from.
    pub fn train(
        &mut self,
        windows: Vec<Window>,
        progress: Progress<'_>,
    ) -> Result<(), TrainError> {
        let (hidden, device) = (self.model.sizes.hidden, self.device.clone());
        let tracked = device.clone().autodiff();
        // By their text, so that a run that goes on with more windows holds out the same ones.
        let (held_windows, windows): (Vec<Window>, Vec<Window>) = windows
            .into_iter()
            .partition(|window| held_out(window.text.as_bytes()));
        if held_windows.is_empty() || windows.len() < BATCH {
            return Err(TrainError::Nothing("windows"));
        }
        let statistics = statistics::of(&windows, hidden, &device);
        let mut optimiser = Optimiser::new(1, 0.0);
        let path = self.file("network.safetensors");
        let mut before = 0.0;
        if path.exists() {
            before = store::load(&mut self.network, &mut optimiser, &path, &device)?;
        } else {
            let ridge = self.file("ridge.safetensors");
            store::load(&mut self.network, &mut optimiser, &ridge, &device)?;
            self.network.bias_direction = statistics.direction.clone();
        }
        progress(Phase::Features, 0.0, None);
        let mut rng = ChaCha8Rng::seed_from_u64(self.options.seed ^ before as u64);
        let everything = [windows.as_slice(), held_windows.as_slice()].concat();
        let splitter = Splitter::new(&self.vocabulary)?;
        let apart = sampled::apart(&self.source, &everything, &splitter, &mut rng)?;
        let (tokens, sampled) = sampled::sampled(&self.targets, &everything, &apart, &mut rng)?;
        let table = self.table(&tokens);
        let pretended = Arc::new(apart.keys().copied().collect::<HashSet<u32>>());
        drop(everything);
        let splits: Vec<Split> = (0..SPLITS).map(|_| splitter.draw(&mut rng)).collect();
        let held_splits: Vec<Split> = {
            let all = Splitter::held_out_splits(&self.vocabulary);
            all.into_iter().take(600).collect()
        };
        let (split_table, held_table) = (self.split_table(&splits), self.split_table(&held_splits));
        let ideals: Vec<f64> = {
            let rows = TensorData::new(self.model.rows.to_vec(), [self.model.vocab, hidden]);
            let head = Tensor::<2>::from_data(rows, &device).transpose();
            let group: Vec<&Window> = held_windows.iter().take(24).collect();
            self.targets
                .iter()
                .map(|target| {
                    ideal::ideal(
                        &self.model,
                        &self.vocabulary,
                        target,
                        &group,
                        &head,
                        &device,
                    )
                })
                .collect::<Result<_, _>>()?
        };
        let plain = self.network.without_parameters();
        let objective = |which: usize, input_weight: f64| Objective {
            pretended: pretended.clone(),
            pretence: self.options.pretence,
            middle: self.options.middle,
            middle_spread: statistics.middle_spread.clone().autodiff(),
            negatives: sampled[which].strata.clone(),
            input_weight,
            output_weight: self.options.output_weight,
        };
        let (weights, count) = (self.options.input_weight, self.targets.len());
        let with_input: Vec<_> = (0..count).map(|which| objective(which, weights)).collect();
        let output_only: Vec<_> = (0..count).map(|which| objective(which, 0.0)).collect();
        let mut params = vec![self.network.head().clone()];
        let mut order: Vec<usize> = Vec::new();
        let mut means = Means::default();
        let begin = Instant::now();
        let mut next_report = 0.0;
        for step in 0.. {
            let elapsed = before + begin.elapsed().as_secs_f64();
            let last = elapsed > self.options.seconds;
            if elapsed - before >= next_report || last {
                next_report = elapsed - before + REPORT;
                let head = params[0].clone();
                let mut held = Losses::default();
                let mut ideal = 0.0;
                for (which, target) in self.targets.iter().enumerate() {
                    let predictor = HeadPredictor {
                        table: &table,
                        places: &sampled[which].places,
                        network: &self.network,
                        head: head.clone(),
                        device: &device,
                    };
                    let mut rng = ChaCha8Rng::seed_from_u64(99);
                    let group: Vec<&Window> = held_windows.iter().take(24).collect();
                    let (losses, _) = context::loss(
                        &predictor,
                        &self.model,
                        &Objective {
                            pretence: 0.0,
                            negatives: sampled[which].fresh.clone(),
                            ..output_only[which].clone()
                        },
                        (target, which),
                        &group,
                        &mut rng,
                        &device,
                    )?;
                    held.output += losses.output / count as f64;
                    held.whole += losses.whole / count as f64;
                    if which == 0 {
                        let states = Objective {
                            middle_spread: statistics.middle_spread.clone(),
                            pretence: 0.0,
                            ..with_input[0].clone()
                        };
                        let group = &group[..group.len().min(BATCH)];
                        let (losses, _) = context::loss(
                            &predictor,
                            &self.model,
                            &states,
                            (target, which),
                            group,
                            &mut rng,
                            &device,
                        )?;
                        held.input = losses.input;
                    }
                    ideal += ideals[which] / count as f64;
                }
                let ids: Vec<u32> = (0..held_splits.len() as u32).collect();
                let rows = held_table
                    .rows(&self.network, &head, &ids, None, &device)
                    .input;
                let group: Vec<&Split> = held_splits.iter().collect();
                let wanted = regression::targets(&self.model, &group, &device);
                let spread = || self.network.spread.clone();
                let cosines = regression::cosines(rows / spread(), wanted / spread());
                let line = LogLine {
                    step,
                    seconds: elapsed,
                    input: means.input,
                    output: means.output,
                    held_output: held.output,
                    held_whole: held.whole,
                    held_input: held.input,
                    ideal,
                    cosine: f64::from(cosines.mean().into_scalar::<f32>()),
                    ..LogLine::default()
                };
                self.network.set_head(head);
                store::save(&self.network, None, Some(&optimiser), elapsed, &path)?;
                progress(
                    Phase::Training,
                    (elapsed / self.options.seconds).min(1.0),
                    Some(&line),
                );
            }
            if last {
                break;
            }
            while order.len() < BATCH {
                let mut next: Vec<usize> = (0..windows.len()).collect();
                shuffle(&mut next, &mut rng);
                order.extend(next);
            }
            let batch: Vec<&Window> = order.drain(..BATCH).map(|at| &windows[at]).collect();
            let which = rng.random_range(0..count);
            let takes_input = step % self.options.input_every.max(1) == 0;
            let objective = if takes_input {
                &with_input[which]
            } else {
                &output_only[which]
            };
            let pretends = elapsed < PRETENDING * self.options.seconds;
            let objective = &Objective {
                pretence: if pretends { objective.pretence } else { 0.0 },
                ..objective.clone()
            };
            let seeds: [u64; 2] = [rng.random(), rng.random()];
            let picks: Vec<u32> = (0..SPLIT_BATCH)
                .map(|_| rng.random_range(0..splits.len() as u32))
                .collect();
            let share = |part: &[&Window], picks: &[u32], seed: u64| {
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                let head = params[0].clone().autodiff().require_grad();
                let predictor = HeadPredictor {
                    table: &table,
                    places: &sampled[which].places,
                    network: &plain,
                    head: head.clone(),
                    device: &tracked,
                };
                let target = (&self.targets[which], which);
                let (losses, loss) = context::loss(
                    &predictor,
                    &self.model,
                    objective,
                    target,
                    part,
                    &mut rng,
                    &tracked,
                )?;
                let rows = split_table.rows(&plain, &head, picks, None, &tracked);
                let group: Vec<&Split> = picks.iter().map(|&at| &splits[at as usize]).collect();
                let wanted = regression::targets(&self.model, &group, &tracked);
                let weight = self.options.split_weight / picks.len() as f64;
                let split = regression::row_loss(rows.input, wanted, &plain.spread);
                let mut found = (loss + split.mul_scalar(weight)).backward();
                let gradient = head.grad_remove(&mut found);
                let gradient = gradient.unwrap_or_else(|| params[0].zeros_like());
                Ok::<_, TrainError>((losses, gradient))
            };
            let (left, right) = in_two_threads(
                || share(&batch[..BATCH / 2], &picks[..SPLIT_BATCH / 2], seeds[0]),
                || share(&batch[BATCH / 2..], &picks[SPLIT_BATCH / 2..], seeds[1]),
            );
            let ((left, gradient), (right, other)) = (left?, right?);
            means.add(
                takes_input.then_some((left.input + right.input) / 2.0),
                (left.output + right.output) / 2.0,
            );
            let place = (elapsed / self.options.seconds * 10_000.0) as usize;
            let warm = ((step + 1) as f64 / 20.0).min(1.0);
            let rate = rate(self.options.rate, place, 0, 10_000) * warm;
            let gradient = (gradient + other).mul_scalar(0.5);
            optimiser.step(&mut params, vec![gradient], rate);
        }
        let mut places = Places::default();
        let shown = windows.len().min(CALIBRATED);
        for (which, target) in self.targets.iter().enumerate() {
            let Sampled {
                places: keys,
                fresh,
                ..
            } = &sampled[which];
            let (of, from) = ((target, which), (&table, keys));
            let shown = &windows[..shown];
            places.add(&self.network, of, from, fresh.as_slice(), shown, &device)?;
        }
        self.bias = places.fit();
        Ok(())
    }

    pub(super) fn split_table(&self, splits: &[Split]) -> FeatureTable {
        let tokens: Vec<(u32, &[u32])> = (0u32..)
            .zip(splits)
            .map(|(at, split)| (at, split.pieces.as_slice()))
            .collect();
        self.table(&tokens)
    }

    /// Writes the head as the file that is loaded beside the base model.
    pub fn export(&self, base: String, base_name: &str, path: &Path) -> Result<(), TrainError> {
        store::export(
            &self.network,
            &self.memory,
            &self.bias,
            base,
            base_name,
            path,
        )
    }
}

/// Running means of the losses.
#[derive(Default)]
struct Means {
    input: f64,
    inputs: f64,
    output: f64,
    outputs: f64,
}

impl Means {
    fn add(&mut self, input: Option<f64>, output: f64) {
        if let Some(input) = input {
            self.inputs += 1.0;
            self.input += (1.0 / self.inputs).max(0.05) * (input - self.input);
        }
        self.outputs += 1.0;
        self.output += (1.0 / self.outputs).max(0.02) * (output - self.output);
    }
}

pub(super) fn shuffle<T>(items: &mut [T], rng: &mut ChaCha8Rng) {
    for at in (1..items.len()).rev() {
        items.swap(at, rng.random_range(0..=at));
    }
}
