//! `cargo xtask soak`: what only shows after many rounds, too long for `cargo xtask test`.

use anyhow::Result;

use crate::{browser, build, models, node, process};

#[derive(clap::Args)]
pub struct Args {
    /// Times to make an engine, load a model, write, and dispose of everything
    #[arg(long, default_value_t = 200)]
    cycles: u32,
    /// Use what was built before
    #[arg(long)]
    no_build: bool,
}

pub fn run(args: &Args) -> Result<()> {
    node::packages()?;
    let models = models::get(&["smollm2"], false)?;
    if !args.no_build {
        build::everything(false)?;
    }
    let mut node = node::node();
    node.arg("tests/soak/run.mjs")
        .args(["--cycles", &args.cycles.to_string()]);
    process::run(
        node.env("CHROME", browser::ready()?)
            .env("LEXIGRAFT_MODELS", models),
    )
}
