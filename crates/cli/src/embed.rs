use std::io::Write;

use serde::Serialize;

use crate::args::EmbedArgs;
use crate::error::CliError;
use crate::load;

#[derive(Serialize)]
struct Output {
    embedding: Vec<f32>,
}

pub async fn run(args: &EmbedArgs) -> Result<(), CliError> {
    let encoder = load::text_encoder(&args.model, &args.device).await?;
    let embeddings = encoder.embed(&[&args.text]).await?;
    let embedding = embeddings.concat();
    let mut stdout = std::io::stdout().lock();
    if args.json {
        writeln!(stdout, "{}", serde_json::to_string(&Output { embedding })?)?;
    } else {
        for value in embedding {
            writeln!(stdout, "{value}")?;
        }
    }
    Ok(())
}
