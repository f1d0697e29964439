use std::io::Write;

use serde::Serialize;

use crate::args::ScoreArgs;
use crate::error::CliError;
use crate::graft;
use crate::graft_args::TransferArgs;
use crate::load;

#[derive(Serialize)]
struct Output {
    bits_per_byte: f64,
    tokens: usize,
    bytes: usize,
    token_nll: Vec<f32>,
}

pub async fn run(args: &ScoreArgs) -> Result<(), CliError> {
    let text = load::text(&args.text_file)?;
    let model = match (args.graft, &args.tokenizer) {
        (Some(method), Some(tokenizer)) => {
            let transfer = TransferArgs {
                tokenizer: tokenizer.clone(),
                lossy: false,
                aids: args.aids.clone(),
            };
            graft::grafted(&args.model, &transfer, method).await?.0
        }
        _ => load::language_model(&args.model).await?,
    };
    let score = model.score(&text)?.finish().await?;
    let output = Output {
        bits_per_byte: score.bits_per_byte,
        tokens: score.ids.len(),
        bytes: score.bytes,
        token_nll: score.token_nll,
    };
    let mut stdout = std::io::stdout().lock();
    if args.json {
        writeln!(stdout, "{}", serde_json::to_string(&output)?)?;
    } else {
        writeln!(
            stdout,
            "{:.4} bits per byte over {} bytes in {} tokens",
            output.bits_per_byte, output.bytes, output.tokens
        )?;
    }
    Ok(())
}
