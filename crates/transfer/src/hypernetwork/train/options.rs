//! How a run of training goes, and what it says of itself.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// How a run goes.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where checkpoints, the log and what the model read are kept.
    pub folder: PathBuf,
    /// Blocks of the model that the pieces go through.
    pub layers: usize,
    /// Forced splits for the ridge regression.
    pub ridge_splits: usize,
    /// Ridge as a share of the mean eigenvalue.
    pub ridge: f64,
    /// Windows of 128 tokens that the frozen model reads.
    pub windows: usize,
    /// Stop reading after this many seconds, with the windows there are.
    pub read_seconds: f64,
    /// The block whose states are matched.
    pub middle: usize,
    /// Seconds of training; the rate follows the clock, so that a busy machine gets a whole
    /// schedule.
    pub seconds: f64,
    pub rate: f64,
    pub input_weight: f64,
    pub output_weight: f64,
    pub split_weight: f64,
    /// How often a shared token of a batch is taken for a new one.
    pub pretence: f64,
    /// Every how many steps the input loss is taken, which costs the most.
    pub input_every: usize,
    /// Seconds of training by the loss of the whole model, after that of the head.
    pub polish_seconds: f64,
    pub polish_rate: f64,
    pub polish_split_weight: f64,
    /// Strings that get a row of their own, and its rate: what the first step moves an element by.
    pub memory: usize,
    pub memory_rate: f64,
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            folder: PathBuf::from("hypernetwork"),
            layers: 2,
            ridge_splits: 24_000,
            ridge: 0.03,
            windows: 500,
            read_seconds: f64::INFINITY,
            middle: 4,
            seconds: 1200.0,
            rate: 4e-4,
            input_weight: 1.0,
            output_weight: 0.3,
            split_weight: 0.3,
            pretence: 0.3,
            input_every: 4,
            polish_seconds: 1800.0,
            polish_rate: 2e-4,
            polish_split_weight: 0.05,
            memory: 6000,
            memory_rate: 0.02,
            seed: 5,
        }
    }
}

/// Which part of a run is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Ridge,
    Reading,
    Features,
    Training,
    Polishing,
}

/// One line of the log.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct LogLine {
    pub step: usize,
    pub seconds: f64,
    /// Running mean of the input loss.
    pub input: f64,
    /// Running mean of the output loss, in nats a token.
    pub output: f64,
    /// Of windows that are not trained on.
    pub held_output: f64,
    /// The same of the tokens that end where a source token ends.
    #[serde(default)]
    pub held_whole: f64,
    /// What the frozen model itself loses over those, with its own tokens.
    #[serde(default)]
    pub ideal: f64,
    /// The input loss of those windows with the first tokenizer.
    #[serde(default)]
    pub held_input: f64,
    /// Cosine of predicted and true rows of held-out tokens.
    pub cosine: f64,
    /// Running mean of the loss of the whole model, in nats a token.
    #[serde(default)]
    pub model: f64,
    /// The same of windows that are not trained on.
    #[serde(default)]
    pub held_model: f64,
}

/// Called with the phase, the share of it that is done, and a new line of the log.
pub type Progress<'a> = &'a mut (dyn FnMut(Phase, f64, Option<&LogLine>) + Send);
