use std::io::Write;
use std::ops::ControlFlow;

use lexigraft_checkpoint::{Checkpoint, FileSource};
use lexigraft_decode::TextEncoder;
use serde::Serialize;

use crate::args::EmbedArgs;
use crate::error::CliError;
use crate::load::{ModelFiles, device, progress_bar};

#[derive(Serialize)]
struct Output {
    embedding: Vec<f32>,
}

pub async fn run(args: &EmbedArgs) -> Result<(), CliError> {
    let files = ModelFiles::find(&args.model)?;
    let checkpoint = Checkpoint::open(FileSource::open(&files.weights)?).await?;
    let config = files.required("config.json")?;
    let tokenizer = files.required("tokenizer.json")?;
    let device = device(&args.device).await?;
    let bar = progress_bar();
    let encoder = TextEncoder::load(
        &checkpoint,
        &config,
        &tokenizer,
        &device,
        &mut |read, total| {
            bar.set_length(total);
            bar.set_position(read);
            ControlFlow::Continue(())
        },
    )
    .await;
    bar.finish_and_clear();
    let embedding = encoder?.embed(&args.text).await?;
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
