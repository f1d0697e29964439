//! What `lexigraft dynamic` takes.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;

use crate::args::ModelArgs;

/// How many pairs to join; [`usize::MAX`] for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Merges(pub usize);

impl FromStr for Merges {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "all" {
            return Ok(Self(usize::MAX));
        }
        let number = text.parse().map(Self);
        number.map_err(|_| format!("{text:?} is neither a number of joins nor \"all\""))
    }
}

#[derive(Debug, Args)]
pub struct DynamicArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    /// What `lexigraft hypernet train` wrote for this model; without it, the row of a joined token
    /// is the mean of its pieces'.
    #[arg(long, value_name = "FILE")]
    pub hypernetwork: Option<PathBuf>,
    /// A UTF-8 text file; several are one batch.
    #[arg(long, value_name = "FILE", required = true)]
    pub text_file: Vec<PathBuf>,
    /// How many pairs to join, one row each; `all` for as many as there are.
    #[arg(
        long,
        value_name = "COUNT,…",
        value_delimiter = ',',
        default_value = "0,12,24,48,132,all"
    )]
    pub merges: Vec<Merges>,
    /// Bytes of the prefix of a window; it ends where no two tokens could be joined.
    #[arg(long, default_value_t = 1500)]
    pub prefix_bytes: usize,
    /// Bytes after it that are scored, in the model's own tokens.
    #[arg(long, default_value_t = 500)]
    pub continue_bytes: usize,
    /// Windows of each file, one after the other; all of them are the batch.
    #[arg(long, default_value = "1")]
    pub windows: NonZeroUsize,
    /// Runs for the clock, of which the medians are given.
    #[arg(long, default_value = "3")]
    pub runs: NonZeroUsize,
    /// Rows of joined tokens that the cache holds; it is empty at the beginning of each run.
    #[arg(long, default_value = "4096")]
    pub cache: NonZeroUsize,
    /// Also score after plain prefixes that are cut to as few tokens: forgetting in place of
    /// joining.
    #[arg(long)]
    pub cut: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}
