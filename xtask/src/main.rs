//! `cargo xtask`: every job of this repository, from setting the machine up to packing the npm
//! package. One subcommand is one file.

mod bench;
mod browser;
mod build;
mod cli;
mod debian;
mod demo;
mod docs;
mod http;
mod licences;
mod models;
mod node;
mod notebooks;
mod pack;
mod peers;
mod process;
mod report;
mod setup;
mod soak;
mod supply_chain;
mod test;
mod wasm_bindgen;
mod wasm_opt;
mod wasm_toolchain;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "Sets up, builds, shows, tests, measures and packs Lexigraft",
    after_help = "Two commands are enough to begin:\n  cargo xtask demo   build everything and serve the page\n  cargo xtask test   run every check, native and in the browser\n\nEverything heavy is kept in a cache outside the repository:\n  $LEXIGRAFT_CACHE, else $XDG_CACHE_HOME/lexigraft, else ~/.cache/lexigraft"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Find or install what building and testing need, and say what was done
    Setup(setup::Args),
    /// Get the models and tokenizers, checked by sha256, into the cache
    Models(models::Args),
    /// Build the WebAssembly modules, the npm package and the page
    Build(build::Args),
    /// Set up, get the model, build, and serve the page
    Demo(demo::Args),
    /// Run every check: format, lint, native tests, TypeScript, browser tests
    Test(test::Args),
    /// Measure Lexigraft beside its peers in the same browser
    Bench(bench::Args),
    /// Make and dispose of engines for minutes, and tell whether memory grows
    Soak(soak::Args),
    /// Build the notebook package and test it in a real JupyterLab
    Notebooks(notebooks::Args),
    /// Run the command line `lexigraft`; `cargo lexigraft …` is short for it
    #[command(disable_help_flag = true)]
    Cli(cli::Args),
    /// Make the npm package's tarball, optimised, and tell its sizes
    Pack(pack::Args),
    /// Build the documentation's site
    Docs(docs::Args),
    /// Check licences, sources and known faults of everything that is depended on
    SupplyChain(supply_chain::Args),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Setup(args) => setup::run(&args),
        Command::Models(args) => models::run(&args),
        Command::Build(args) => build::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Soak(args) => soak::run(&args),
        Command::Notebooks(args) => notebooks::run(&args),
        Command::Cli(args) => cli::run(&args),
        Command::Pack(args) => pack::run(&args),
        Command::Docs(args) => docs::run(&args),
        Command::SupplyChain(args) => supply_chain::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
