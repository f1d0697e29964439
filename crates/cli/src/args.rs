//! What the command line takes.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use lexigraft_decode::{GenerationOptions, SamplerOptions};
use lexigraft_models::DeviceKind;
use lexigraft_transfer::Method;
use lexigraft_vision::picture::Crop;

use crate::bytes_args::{BytesEvalArgs, GenerateBytesArgs, NextByteArgs, ScoreBytesArgs};
use crate::dynamic_args::DynamicArgs;
use crate::graft_args::{AidArgs, GraftArgs, GraftEvalArgs, TokenizerArgs};
use crate::hypernet::HypernetCommand;

/// Small transformers on this machine, as in the browser: generate, tokenize, score, embed.
#[derive(Debug, Parser)]
#[command(name = "lexigraft", version, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Continue a prompt, or answer a message with --chat.
    #[command(after_help = "Examples:
  lexigraft generate --model SmolLM2-135M-Instruct.Q4_1.gguf --prompt \"The capital of France is\"
  lexigraft generate --model M.gguf --prompt \"What is gravity?\" --chat
  lexigraft generate --model M.gguf --prompt \"Once\" --temperature 0 --max-tokens 48 --json")]
    Generate(GenerateArgs),
    /// Show the token ids of a text.
    #[command(after_help = "Examples:
  lexigraft tokenize --model SmolLM2-135M-Instruct.Q4_1.gguf --text \"Hello, world!\"
  lexigraft tokenize --model tokenizer.json --text \"Hello\" --json")]
    Tokenize(TokenizeArgs),
    /// Measure how well a model predicts a text, in bits per byte.
    #[command(after_help = "Example:
  lexigraft score --model SmolLM2-135M-Instruct.Q4_1.gguf --text-file README.md --json")]
    Score(ScoreArgs),
    /// Put a model under another tokenizer, without training.
    #[command(after_help = "Examples:
  lexigraft graft --model M.gguf --tokenizer llama3/ --out grafted/
  lexigraft graft --model M.gguf --tokenizer gemma3/ --method fvt+first-piece --out grafted/ --format safetensors")]
    Graft(GraftArgs),
    /// Train or measure a hypernetwork, which makes rows for grafted tokens.
    #[command(subcommand)]
    Hypernet(HypernetCommand),
    /// Give the distribution of the byte after a text that may end anywhere.
    #[command(after_help = "Examples:
  lexigraft next-byte --model SmolLM2-135M-Instruct.Q4_1.gguf --prefix \"The capital of Fra\"
  lexigraft next-byte --model M.gguf --prefix-hex 54686520 --estimand all --beam 8 --json")]
    NextByte(NextByteArgs),
    /// Measure how likely a model finds each byte of a text.
    #[command(after_help = "Example:
  lexigraft score-bytes --model SmolLM2-135M-Instruct.Q4_1.gguf --hex 48656c6c6f --json")]
    ScoreBytes(ScoreBytesArgs),
    /// Continue a prompt byte by byte, wherever it was cut; with constraints, or several models.
    #[command(after_help = "Examples:
  lexigraft generate-bytes --model SmolLM2-135M-Instruct.Q4_1.gguf --prompt \"The capital of Fra\" --temperature 0
  lexigraft generate-bytes --model M.gguf --prompt \"Born on \" --regex \"[0-9]{4}-[0-9]{2}-[0-9]{2}\"
  lexigraft generate-bytes --model A.gguf --with B.gguf --combine product --prompt \"Once\"")]
    GenerateBytes(GenerateBytesArgs),
    /// Measure byte-level decoding against plain prompting, token healing and token alignment.
    #[command(after_help = "Example:
  lexigraft bytes-eval --model SmolLM2-135M-Instruct.Q4_1.gguf README.md docs/*.md crates/text/src/*.rs")]
    BytesEval(BytesEvalArgs),
    /// Compare methods of grafting in bits per byte over slices of text.
    #[command(after_help = "Example:
  lexigraft graft-eval --model M.gguf --tokenizer llama3/ --tokenizer qwen3/ --method fvt --method mean --texts texts/")]
    GraftEval(GraftEvalArgs),
    /// Look at a tokenizer: its vocabulary, its cost in several languages, its overlap with others.
    #[command(after_help = "Example:
  lexigraft tokenizer report llama3/ --texts texts/ --with M.gguf")]
    Tokenizer(TokenizerArgs),
    /// Shorten prompts by joining their most frequent pairs of tokens, and measure what it costs.
    #[command(after_help = "Examples:
  lexigraft dynamic --model M.gguf --hypernetwork hypernetwork.safetensors --text-file german.txt
  lexigraft dynamic --model M.gguf --text-file a.txt --text-file b.txt --merges 0,24,all --windows 4 --json")]
    Dynamic(DynamicArgs),
    /// Turn a text into one vector with a BERT-family encoder.
    #[command(after_help = "Example:
  lexigraft embed --model all-MiniLM-L6-v2/ --text \"The cat sits outside\" --json")]
    Embed(EmbedArgs),
    /// Embed a picture and find what is salient in it, with fewer tokens if asked to.
    #[command(after_help = "Examples:
  lexigraft see --model vit_s_focus.onnx --image cat.jpg
  lexigraft see --model vit_s_focus.onnx --image cat.jpg --reduce ward:r=16 --json
  lexigraft see --model vit_s_focus.onnx --image cat.jpg --size 518 --reduce evit:keep=0.7,layers=3/6/9
Methods: ward, tome, tome-plain (r=, inflect=, macs=); evit, evit-fuse, divprune, zoo-prune, cdpruner,
visionzip, prumerge, holov, correlation, vqtoken, random, lowest (keep=, layers=, macs=, seed=)")]
    See(SeeArgs),
    /// Measure token reduction methods against the dense run over pictures.
    #[command(after_help = "Example:
  lexigraft see-eval --model vit_s_focus.onnx photographs/ --reduce ward:r=16 --reduce random:keep=0.7")]
    SeeEval(SeeEvalArgs),
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Device {
    /// The processor.
    Cpu,
    /// A GPU through Vulkan, Metal or DX12.
    Wgpu,
}

impl From<Device> for DeviceKind {
    fn from(device: Device) -> Self {
        match device {
            Device::Cpu => Self::Cpu,
            Device::Wgpu => Self::Wgpu,
        }
    }
}

/// What runs a model.
#[derive(Debug, Clone, Copy, Args)]
pub struct DeviceArgs {
    /// What runs the model.
    #[arg(long, value_enum, default_value = "cpu")]
    pub device: Device,
    /// Threads of the CPU device; all that the machine has unless told otherwise.
    #[arg(long, value_name = "COUNT")]
    pub threads: Option<NonZeroUsize>,
}

/// Where a model is and what runs it.
#[derive(Debug, Args)]
pub struct ModelArgs {
    /// A .gguf file, a .safetensors file with its JSON files beside it, or their folder.
    #[arg(long, value_name = "FILE|DIR")]
    pub model: PathBuf,
    #[command(flatten)]
    pub device: DeviceArgs,
    /// Use at most this many tokens of context, to save memory.
    #[arg(long, value_name = "TOKENS")]
    pub context_length: Option<usize>,
}

#[derive(Debug, Args)]
pub struct GenerateArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    /// The text to continue.
    #[arg(long)]
    pub prompt: String,
    /// Treat the prompt as a user's message and apply the model's chat template.
    #[arg(long)]
    pub chat: bool,
    /// A system message for --chat.
    #[arg(long, requires = "chat")]
    pub system: Option<String>,
    /// Most tokens to generate.
    #[arg(long, default_value_t = GenerationOptions::default().max_tokens)]
    pub max_tokens: usize,
    /// 0 always takes the likeliest token.
    #[arg(long, default_value_t = SamplerOptions::default().temperature)]
    pub temperature: f32,
    /// Keep the k likeliest tokens; 0 is off.
    #[arg(long, default_value_t = SamplerOptions::default().top_k)]
    pub top_k: usize,
    /// Keep the likeliest tokens that hold this probability; 1 is off.
    #[arg(long, default_value_t = SamplerOptions::default().top_p)]
    pub top_p: f32,
    /// Keep tokens at least this share as likely as the likeliest; 0 is off.
    #[arg(long, default_value_t = SamplerOptions::default().min_p)]
    pub min_p: f32,
    /// Above 1, tokens seen before become less likely.
    #[arg(long, default_value_t = SamplerOptions::default().repetition_penalty)]
    pub repetition_penalty: f32,
    /// Repeat a run; drawn and reported when absent.
    #[arg(long)]
    pub seed: Option<u64>,
    /// End at this text; may be given several times.
    #[arg(long)]
    pub stop: Vec<String>,
    /// With temperature 0 on a graphics card: tokens to choose there before asking which, 1 to 16.
    #[arg(long)]
    pub lookahead: Option<usize>,
    /// Print one JSON object instead of streaming text.
    #[arg(long)]
    pub json: bool,
    /// With --json: the log-probability of each generated token.
    #[arg(long, requires = "json")]
    pub log_probs: bool,
}

impl GenerateArgs {
    pub fn options(&self) -> GenerationOptions {
        GenerationOptions {
            max_tokens: self.max_tokens,
            sampler: SamplerOptions {
                repetition_penalty: self.repetition_penalty,
                temperature: self.temperature,
                top_k: self.top_k,
                top_p: self.top_p,
                min_p: self.min_p,
                seed: self.seed,
            },
            stop: self.stop.clone(),
            log_probs: self.log_probs,
            // A chat template writes its special tokens itself.
            add_special: !self.chat,
            lookahead: self.lookahead,
        }
    }
}

#[derive(Debug, Args)]
pub struct TokenizeArgs {
    /// A .gguf file, a tokenizer.json, or a folder that holds one.
    #[arg(long, value_name = "FILE|DIR")]
    pub model: PathBuf,
    #[arg(long)]
    pub text: String,
    /// Leave out the special tokens that the tokenizer puts around a text.
    #[arg(long)]
    pub no_special: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct ScoreArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    /// A UTF-8 text file.
    #[arg(long, value_name = "FILE")]
    pub text_file: PathBuf,
    /// Score under another tokenizer: how its rows are made, such as fvt.
    #[arg(long, value_name = "METHOD", requires = "tokenizer")]
    pub graft: Option<Method>,
    /// The tokenizer.json to graft, or a folder that holds one.
    #[arg(long, value_name = "FILE|DIR", requires = "graft")]
    pub tokenizer: Option<PathBuf>,
    #[command(flatten)]
    pub aids: AidArgs,
    /// Print one JSON object; `token_nll` is in nats, the first token is not scored.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct EmbedArgs {
    /// A folder with model.safetensors, config.json and tokenizer.json.
    #[arg(long, value_name = "DIR")]
    pub model: PathBuf,
    #[command(flatten)]
    pub device: DeviceArgs,
    #[arg(long)]
    pub text: String,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum CropArg {
    /// The square in the middle.
    Center,
    /// All of it, black where nothing is.
    Pad,
}

impl From<CropArg> for Crop {
    fn from(crop: CropArg) -> Self {
        match crop {
            CropArg::Center => Self::Center,
            CropArg::Pad => Self::Pad,
        }
    }
}

#[derive(Debug, Args)]
pub struct SeeArgs {
    /// An .onnx or .safetensors file with a vision transformer, or its folder.
    #[arg(long, value_name = "FILE|DIR")]
    pub model: PathBuf,
    #[arg(long, value_enum, default_value = "cpu")]
    pub device: Device,
    /// A PNG, JPEG, WebP or GIF file.
    #[arg(long, value_name = "FILE", required_unless_present = "raw_input")]
    pub image: Option<PathBuf>,
    /// 3 x size x size little-endian f32 values, fed as they are.
    #[arg(long, value_name = "FILE", conflicts_with = "image")]
    pub raw_input: Option<PathBuf>,
    /// Pixels a side; a multiple of the model's patch.
    #[arg(long, default_value_t = 224)]
    pub size: usize,
    /// How the picture becomes square.
    #[arg(long, value_enum, default_value = "center")]
    pub crop: CropArg,
    /// A reduction method and its settings, such as ward:r=16.
    #[arg(long, value_name = "METHOD[:KEY=VALUE,…]")]
    pub reduce: Option<String>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct SeeEvalArgs {
    /// An .onnx or .safetensors file with a vision transformer, or its folder.
    #[arg(long, value_name = "FILE|DIR")]
    pub model: PathBuf,
    #[arg(long, value_enum, default_value = "cpu")]
    pub device: Device,
    /// Pictures, or folders of them.
    #[arg(required = true, value_name = "FILE|DIR")]
    pub images: Vec<PathBuf>,
    #[arg(long, default_value_t = 224)]
    pub size: usize,
    #[arg(long, value_enum, default_value = "center")]
    pub crop: CropArg,
    /// A method to measure; may be given several times. The documented table when absent.
    #[arg(long, value_name = "METHOD[:KEY=VALUE,…]")]
    pub reduce: Vec<String>,
    /// Runs of each picture for the clock.
    #[arg(long, default_value_t = 1)]
    pub repeats: usize,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}
