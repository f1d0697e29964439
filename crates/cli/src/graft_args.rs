//! What the commands about tokenizer transfer take.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use lexigraft_transfer::Method;

use crate::args::ModelArgs;

/// What some methods need beside the model and the tokenizer.
#[derive(Debug, Clone, Default, Args)]
pub struct AidArgs {
    /// wechsel and focus: a UTF-8 text that vectors of tokens are learned from.
    #[arg(long, value_name = "FILE")]
    pub vectors_from: Option<PathBuf>,
    /// token-adapt: the folder of a BERT-family encoder.
    #[arg(long, value_name = "DIR")]
    pub encoder: Option<PathBuf>,
    /// omp: a model file whose own tokenizer is the one to be grafted.
    #[arg(long, value_name = "FILE")]
    pub donor: Option<PathBuf>,
    /// hypernetwork: what `lexigraft hypernet train` wrote for this model.
    #[arg(long, value_name = "FILE")]
    pub hypernetwork: Option<PathBuf>,
}

/// Which tokenizer is grafted.
#[derive(Debug, Args)]
pub struct TransferArgs {
    /// The tokenizer.json to graft, or a folder that holds one.
    #[arg(long, value_name = "FILE|DIR")]
    pub tokenizer: PathBuf,
    /// Graft a tokenizer that does not give text back as it was.
    #[arg(long)]
    pub lossy: bool,
    #[command(flatten)]
    pub aids: AidArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FileFormat {
    /// One file with weights as the original has them; for a model loaded from GGUF.
    Gguf,
    /// model.safetensors in half precision, with config.json and tokenizer.json.
    Safetensors,
}

#[derive(Debug, Args)]
pub struct GraftArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub transfer: TransferArgs,
    /// How new rows are made: zero, mean, fvt, wechsel, focus, token-adapt, omp or hypernetwork, each
    /// also with +first-piece.
    #[arg(long, default_value = "fvt")]
    pub method: Method,
    /// The folder to write the grafted model to; it is made if it is not there.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// The form to write it in.
    #[arg(long, value_enum, default_value = "gguf")]
    pub format: FileFormat,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct GraftEvalArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    /// Folders or files of tokenizers, each a row of the table.
    #[arg(long = "tokenizer", value_name = "FILE|DIR", required = true)]
    pub tokenizers: Vec<PathBuf>,
    /// Methods to compare; may be given several times.
    #[arg(long = "method", value_name = "METHOD", required = true)]
    pub methods: Vec<Method>,
    /// A folder with a folder of texts for each slice.
    #[arg(long, value_name = "DIR")]
    pub texts: PathBuf,
    /// Only these slices.
    #[arg(long = "slice", value_name = "NAME")]
    pub slices: Vec<String>,
    /// Read so many bytes of each slice, whole characters.
    #[arg(long, default_value_t = 20_000)]
    pub bytes: usize,
    #[command(flatten)]
    pub aids: AidArgs,
    /// Append each result to this file as a line of JSON, and skip those that it has.
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct TokenizerArgs {
    #[command(subcommand)]
    pub command: TokenizerCommand,
}

#[derive(Debug, Subcommand)]
pub enum TokenizerCommand {
    /// What a vocabulary holds and what texts cost in it.
    Report(ReportArgs),
}

#[derive(Debug, Args)]
pub struct ReportArgs {
    /// A tokenizer.json, a folder that holds one, or a model file.
    #[arg(value_name = "FILE|DIR")]
    pub tokenizer: PathBuf,
    /// Other tokenizers or models, for the overlap.
    #[arg(long = "with", value_name = "FILE|DIR")]
    pub others: Vec<PathBuf>,
    /// A folder with a folder of texts for each language.
    #[arg(long, value_name = "DIR")]
    pub texts: Option<PathBuf>,
    /// The folder in it that the others are translations of.
    #[arg(long, default_value = "english")]
    pub reference: String,
    /// Read so many bytes of each language; parallel texts are compared whole.
    #[arg(long, default_value_t = usize::MAX)]
    pub bytes: usize,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}
