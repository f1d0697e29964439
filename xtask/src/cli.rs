//! `cargo lexigraft …`: the command line, built in the cache that the tests use.

use anyhow::Result;

use crate::{process, workspace};

#[derive(clap::Args)]
pub struct Args {
    /// What `lexigraft` itself takes; see `cargo lexigraft --help`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

pub fn run(args: &Args) -> Result<()> {
    let mut cargo = process::cargo()?;
    // No package is named: another choice of packages gives Burn other features and builds it
    // again.
    cargo.args(["run", "--quiet", "--bin", "lexigraft", "--manifest-path"]);
    cargo.arg(workspace::root().join("Cargo.toml")).arg("--");
    process::hand_over(cargo.args(&args.arguments))
}
