//! What a generation is asked and what it answers.

use serde::{Deserialize, Serialize};
use web_time::Duration;

use crate::SamplerOptions;

/// How a text is generated.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct GenerationOptions {
    /// Most tokens to generate.
    pub max_tokens: usize,
    #[serde(flatten)]
    pub sampler: SamplerOptions,
    /// Texts that end the generation; they are not part of the result.
    pub stop: Vec<String>,
    /// Report the log-probability of each chosen token.
    pub log_probs: bool,
    /// Put the tokenizer's special tokens (such as BOS) around the prompt.
    pub add_special: bool,
    /// How many tokens the device may choose before it is asked which, where each is the likeliest
    /// and WebGPU chooses it: at most 16. They come all at once then. `None` leaves it to the
    /// device: four on a graphics card, one in software.
    pub lookahead: Option<usize>,
}

impl Default for GenerationOptions {
    fn default() -> Self {
        Self {
            max_tokens: 128,
            sampler: SamplerOptions::default(),
            stop: Vec::new(),
            log_probs: false,
            add_special: true,
            lookahead: None,
        }
    }
}

/// Why a generation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndReason {
    /// The model chose an end token.
    StopToken,
    /// One of the stop strings came.
    StopString,
    MaxTokens,
    /// The context is full: nothing is dropped from it silently.
    Context,
}

/// What one step led to.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// A chunk of the prompt is done; counts are tokens, reused ones included.
    Prefill {
        done: usize,
        total: usize,
    },
    /// One token. The text may be empty while a character or a possible stop string is open.
    Piece {
        text: String,
        id: u32,
        /// Natural log-probability under the model, before temperature and filters.
        log_prob: Option<f32>,
    },
    End(GenerationResult),
}

#[derive(Debug, Clone, PartialEq)]
pub struct GenerationResult {
    pub reason: EndReason,
    /// Text that was held back and belongs to the result.
    pub text: String,
    pub prompt_ids: Vec<u32>,
    /// Generated tokens, an end token included.
    pub ids: Vec<u32>,
    /// The seed in use, to repeat the run.
    pub seed: u64,
    /// Prompt tokens that were still in the cache and not run again.
    pub reused_tokens: usize,
    pub prefill: Duration,
    pub decode: Duration,
}
