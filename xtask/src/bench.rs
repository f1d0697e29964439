//! `cargo xtask bench`: Lexigraft beside wllama in one browser, on one model file.

use anyhow::Result;

use crate::{browser, build, models, node, process, workspace};

#[derive(clap::Args)]
pub struct Args {
    /// Rounds, each measuring every contestant once, after one that is not counted
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Tokens to generate in a round
    #[arg(long, default_value_t = 48)]
    tokens: u32,
    /// Also measure the WebGPU device (slow on a software adapter)
    #[arg(long)]
    webgpu: bool,
    /// Write the table to docs/benchmarks.md
    #[arg(long)]
    save: bool,
    /// Measure what was built before
    #[arg(long)]
    no_build: bool,
    /// Optimise the modules with wasm-opt before measuring, as in a release
    #[arg(long)]
    release: bool,
}

pub fn run(args: &Args) -> Result<()> {
    node::packages()?;
    let models = models::get(&["smollm2"], false)?;
    if !args.no_build {
        build::everything(args.release)?;
    }
    process::say("Measuring; leave the machine alone until it is done");
    let mut node = node::node();
    node.arg("tests/bench/run.mjs");
    node.args([
        "--rounds",
        &args.rounds.to_string(),
        "--tokens",
        &args.tokens.to_string(),
    ]);
    node.args(["--out"])
        .arg(workspace::root().join("tests").join("results"));
    if args.webgpu {
        node.arg("--webgpu");
    }
    if args.save {
        node.arg("--save")
            .arg(workspace::root().join("docs").join("benchmarks.md"));
    }
    process::run(
        node.env("CHROME", browser::ready()?)
            .env("LEXIGRAFT_MODELS", models),
    )
}
