use std::io::Write;

use lexigraft_checkpoint::{Checkpoint, FileSource};
use lexigraft_decode::tokenizer_of;
use lexigraft_text::Tokenizer;
use serde::Serialize;

use crate::args::TokenizeArgs;
use crate::error::CliError;
use crate::load;

#[derive(Serialize)]
struct Output {
    ids: Vec<u32>,
}

pub async fn run(args: &TokenizeArgs) -> Result<(), CliError> {
    let beside = args.model.join("tokenizer.json");
    let json = [&args.model, &beside]
        .into_iter()
        .find(|path| path.is_file() && path.extension().is_some_and(|found| found == "json"));
    let tokenizer = match json {
        Some(path) => Tokenizer::from_json(&load::read(path)?)?,
        None => {
            let files = load::ModelFiles::find(&args.model)?;
            match files.optional("tokenizer.json")? {
                Some(json) => Tokenizer::from_json(&json)?,
                None => {
                    let checkpoint = Checkpoint::open(FileSource::open(&files.weights)?).await?;
                    tokenizer_of(&checkpoint)?
                }
            }
        }
    };
    let ids = tokenizer.encode(&args.text, !args.no_special)?;
    let mut stdout = std::io::stdout().lock();
    if args.json {
        writeln!(stdout, "{}", serde_json::to_string(&Output { ids })?)?;
    } else {
        for id in ids {
            let bytes = tokenizer.token_bytes(id).unwrap_or_default();
            writeln!(stdout, "{id}\t{:?}", String::from_utf8_lossy(bytes))?;
        }
    }
    Ok(())
}
