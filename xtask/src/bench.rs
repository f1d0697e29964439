//! `cargo xtask bench`: Lexigraft beside wllama, transformers.js and onnxruntime-web in one browser,
//! on the same weights.

use anyhow::{Result, bail};
use clap::ValueEnum;

use crate::{browser, build, models, node, peers, process, workspace};

/// What can be measured by itself.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The language model, beside wllama
    Decoder,
    /// Sentence embeddings, beside transformers.js
    Encoder,
    /// Pictures, beside onnxruntime-web
    Vision,
}

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
    /// Measure only one part
    #[arg(long, value_enum)]
    only: Option<Part>,
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
    if args.save && args.only.is_some() {
        bail!("--save writes the whole table; leave --only out");
    }
    node::packages()?;
    let models = models::get(&["smollm2", "minilm", "vit", "photographs"], false)?;
    let with_peers = args.only != Some(Part::Decoder);
    let peers = with_peers.then(|| peers::ready(&models)).transpose()?;
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
    if let Some(only) = args.only.and_then(|only| only.to_possible_value()) {
        node.args(["--only", only.get_name()]);
    }
    if let Some(peers) = peers {
        node.env("LEXIGRAFT_PEERS", peers);
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
