//! `lexigraft`: the jobs of the browser toolkit on the command line.

mod args;
mod bytes;
mod bytes_args;
mod bytes_eval;
mod bytes_eval_cases;
mod bytes_eval_report;
mod dynamic;
mod dynamic_args;
mod embed;
mod error;
mod generate;
mod graft;
mod graft_args;
mod graft_eval;
mod graft_report;
mod hypernet;
mod load;
mod score;
mod see;
mod tokenize;

use std::io::ErrorKind;
use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};
use error::CliError;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = pollster::block_on(async {
        match &cli.command {
            Command::Generate(args) => generate::run(args).await,
            Command::Tokenize(args) => tokenize::run(args).await,
            Command::Score(args) => score::run(args).await,
            Command::NextByte(args) => bytes::next_byte(args).await,
            Command::ScoreBytes(args) => bytes::score(args).await,
            Command::GenerateBytes(args) => bytes::generate(args).await,
            Command::BytesEval(args) => bytes_eval::run(args).await,
            Command::Dynamic(args) => dynamic::run(args).await,
            Command::Embed(args) => embed::run(args).await,
            Command::Graft(args) => graft::run(args).await,
            Command::GraftEval(args) => graft_eval::run(args).await,
            Command::Tokenizer(args) => graft_report::run(args).await,
            Command::Hypernet(command) => hypernet::run(command).await,
            Command::See(args) => see::run(args).await,
            Command::SeeEval(args) => see::run_eval(args).await,
        }
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of a pipe has seen enough, as `| head` does.
        Err(CliError::Write(error)) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lexigraft: {} [{}]", error, error.code());
            ExitCode::FAILURE
        }
    }
}
