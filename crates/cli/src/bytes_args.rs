//! What the byte-level commands take.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use lexigraft_decode::SamplerOptions;
use lexigraft_decode::bytes::{Beam, ByteGenerationOptions, Estimand};

use crate::args::ModelArgs;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EstimandArg {
    /// The tokenizations that the tokenizer itself writes.
    Canonical,
    /// All tokenizations; exact for a few bytes, else with --beam.
    All,
}

/// Which tokenizations count.
#[derive(Debug, Args)]
pub struct EstimandArgs {
    #[arg(long, value_enum, default_value = "canonical")]
    pub estimand: EstimandArg,
    /// With --estimand all: keep this many of the likeliest tokenizations.
    #[arg(long, value_name = "WIDTH")]
    pub beam: Option<usize>,
}

impl EstimandArgs {
    pub fn estimand(&self) -> Estimand {
        match self.estimand {
            EstimandArg::Canonical => Estimand::Canonical,
            EstimandArg::All => Estimand::All {
                beam: self.beam.map(Beam::new),
            },
        }
    }
}

#[derive(Debug, Args)]
pub struct NextByteArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub estimand: EstimandArgs,
    /// The text before the byte.
    #[arg(long, value_name = "TEXT", conflicts_with = "prefix_hex")]
    pub prefix: Option<String>,
    /// The same as hexadecimal bytes; may end inside a character.
    #[arg(long, value_name = "HEX")]
    pub prefix_hex: Option<String>,
    /// Print one JSON object; `log_probs` has 256 bytes and the end of the text, null for never.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct ScoreBytesArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub estimand: EstimandArgs,
    /// The bytes to score.
    #[arg(long, value_name = "TEXT", required_unless_present = "hex")]
    pub text: Option<String>,
    /// The same as hexadecimal bytes.
    #[arg(long, value_name = "HEX", conflicts_with = "text")]
    pub hex: Option<String>,
    /// Bytes before them that are read and not scored.
    #[arg(long, value_name = "HEX", default_value = "")]
    pub prefix_hex: String,
    /// Print one JSON object; in nats, null for never.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MethodArg {
    /// Byte by byte.
    Exact,
    /// Token by token, after a token sequence that covers the prompt, chosen by its exact
    /// probability.
    Cover,
    /// Token by token, after the prompt's tokens as they are.
    Plain,
    /// Token by token; the prompt's last token is chosen again.
    Healing,
    /// Token by token; the prompt's last tokens (--back) are chosen again.
    Alignment,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CombineArg {
    /// The mean of the probabilities.
    Mixture,
    /// The mean of the log-probabilities.
    Product,
    /// The model plus --alpha times the difference of two others.
    Proxy,
}

#[derive(Debug, Args)]
pub struct GenerateBytesArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub estimand: EstimandArgs,
    /// The text to continue; it may end inside a word.
    #[arg(long, required_unless_present = "prompt_hex")]
    pub prompt: Option<String>,
    /// The same as hexadecimal bytes.
    #[arg(long, value_name = "HEX", conflicts_with = "prompt")]
    pub prompt_hex: Option<String>,
    /// What stands after the text: fill in between, with a model that was trained for it.
    #[arg(long, value_name = "TEXT")]
    pub suffix: Option<String>,
    #[arg(long, value_enum, default_value = "exact")]
    pub method: MethodArg,
    /// Tokens that alignment chooses again.
    #[arg(long, value_name = "TOKENS", default_value_t = 3)]
    pub back: usize,
    /// Another model to combine with, whatever its tokenizer; may be given several times.
    #[arg(long, value_name = "FILE|DIR")]
    pub with: Vec<PathBuf>,
    /// How; proxy takes an expert and an anti-expert (--with twice).
    #[arg(long, value_enum, default_value = "mixture", requires = "with")]
    pub combine: CombineArg,
    /// Weight of the difference in proxy tuning.
    #[arg(long, default_value_t = 1.0)]
    pub alpha: f64,
    /// What the generated text must match as a whole.
    #[arg(long, value_name = "PATTERN")]
    pub regex: Option<String>,
    /// A file with a grammar, in llguidance's variant of Lark, that the generated text must follow.
    #[cfg(feature = "grammar")]
    #[arg(long, value_name = "FILE")]
    pub grammar: Option<PathBuf>,
    /// A file with a JSON schema that the generated text must satisfy.
    #[cfg(feature = "grammar")]
    #[arg(long, value_name = "FILE")]
    pub json_schema: Option<PathBuf>,
    /// Most bytes to generate.
    #[arg(long, default_value_t = ByteGenerationOptions::default().max_bytes)]
    pub max_bytes: usize,
    /// 0 always takes the likeliest byte.
    #[arg(long, default_value_t = SamplerOptions::default().temperature)]
    pub temperature: f32,
    /// Keep the k likeliest bytes; 0 is off.
    #[arg(long, default_value_t = 0)]
    pub top_k: usize,
    /// Keep the likeliest bytes that hold this probability; 1 is off.
    #[arg(long, default_value_t = SamplerOptions::default().top_p)]
    pub top_p: f32,
    /// Keep bytes at least this share as likely as the likeliest; 0 is off.
    #[arg(long, default_value_t = 0.0)]
    pub min_p: f32,
    /// Repeat a run; drawn and reported when absent.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Share of the probability that need not be looked into when bytes are drawn with a
    /// temperature or filter; at 0 the log-probabilities of drawn bytes are exact too.
    #[arg(long, default_value_t = ByteGenerationOptions::default().tolerance)]
    pub tolerance: f64,
    /// Generate any bytes, not only valid UTF-8.
    #[arg(long)]
    pub raw: bool,
    /// Print one JSON object instead of streaming.
    #[arg(long)]
    pub json: bool,
}

impl GenerateBytesArgs {
    pub fn options(&self) -> ByteGenerationOptions {
        ByteGenerationOptions {
            max_bytes: self.max_bytes,
            sampler: SamplerOptions {
                repetition_penalty: 1.0,
                temperature: self.temperature,
                top_k: self.top_k,
                top_p: self.top_p,
                min_p: self.min_p,
                seed: self.seed,
            },
            utf8: !self.raw,
            tolerance: self.tolerance,
        }
    }
}

#[derive(Debug, Args)]
pub struct BytesEvalArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    /// UTF-8 files that passages are cut from: prose (.md, .txt) and code (any other).
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Passages, half of them prose where there is enough of both.
    #[arg(long, default_value_t = 200)]
    pub passages: usize,
    /// Tokens before the cut.
    #[arg(long, default_value_t = 32)]
    pub tokens: usize,
    /// Passages for the beam's divergence.
    #[arg(long, default_value_t = 16)]
    pub beam_passages: usize,
    /// Texts for the clock.
    #[arg(long, default_value_t = 8)]
    pub speed_passages: usize,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}
