use std::io::Write;

use serde::Serialize;

use crate::args::TokenizeArgs;
use crate::error::CliError;
use crate::load;

#[derive(Serialize)]
struct Output {
    ids: Vec<u32>,
}

pub async fn run(args: &TokenizeArgs) -> Result<(), CliError> {
    let tokenizer = load::tokenizer(&args.model).await?;
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
