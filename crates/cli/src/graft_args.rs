//! What the commands about tokenizer transfer take.

use std::path::PathBuf;

use clap::Args;
use lexigraft_transfer::Method;

use crate::args::ModelArgs;

/// Which tokenizer is grafted, and how.
#[derive(Debug, Args)]
pub struct TransferArgs {
    /// The tokenizer.json to graft, or a folder that holds one.
    #[arg(long, value_name = "FILE|DIR")]
    pub tokenizer: PathBuf,
    /// Graft a tokenizer that does not give text back as it was.
    #[arg(long)]
    pub lossy: bool,
}

#[derive(Debug, Args)]
pub struct GraftArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub transfer: TransferArgs,
    /// How new rows are made: zero, mean or fvt, each also with +first-piece.
    #[arg(long, default_value = "fvt+first-piece")]
    pub method: Method,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}
