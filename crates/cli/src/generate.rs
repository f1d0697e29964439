use std::io::Write;

use lexigraft_decode::{EndReason, GenerationResult, Step};
use lexigraft_text::ChatMessage;
use serde::Serialize;

use crate::args::GenerateArgs;
use crate::error::CliError;
use crate::load;

#[derive(Serialize)]
struct Output {
    ids: Vec<u32>,
    text: String,
    prompt_ids: Vec<u32>,
    reason: EndReason,
    seed: u64,
    /// Generated tokens a second, the prompt not counted.
    tok_per_s: f64,
    prefill_s: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_probs: Option<Vec<f32>>,
}

pub async fn run(args: &GenerateArgs) -> Result<(), CliError> {
    let model = load::language_model(&args.model).await?;
    let prompt = if args.chat {
        let system = args
            .system
            .as_deref()
            .map(|text| ChatMessage::new("system", text));
        let user = ChatMessage::new("user", args.prompt.as_str());
        let messages: Vec<ChatMessage> = system.into_iter().chain([user]).collect();
        model.apply_chat_template(&messages, true)?
    } else {
        args.prompt.clone()
    };
    let mut generation = model.generate(&prompt, args.options())?;
    let mut stdout = std::io::stdout().lock();
    let mut text = String::new();
    let mut log_probs = Vec::new();
    let result = loop {
        let shown = match generation.next().await? {
            Step::Prefill { .. } => continue,
            Step::Piece { text, log_prob, .. } => {
                log_probs.extend(log_prob);
                text
            }
            Step::End(result) => {
                text.push_str(&result.text);
                break result;
            }
        };
        if !args.json {
            stdout.write_all(shown.as_bytes())?;
            stdout.flush()?;
        }
        text.push_str(&shown);
    };
    let rate = tokens_per_second(&result);
    if args.json {
        let output = Output {
            text,
            reason: result.reason,
            seed: result.seed,
            tok_per_s: rate,
            prefill_s: result.prefill.as_secs_f64(),
            log_probs: args.log_probs.then_some(log_probs),
            ids: result.ids,
            prompt_ids: result.prompt_ids,
        };
        serde_json::to_writer(&mut stdout, &output)?;
        writeln!(stdout)?;
    } else {
        writeln!(stdout, "{}", result.text)?;
        eprintln!(
            "{} tokens, {rate:.1} tokens/s, prompt of {} tokens in {:.2} s, seed {}",
            result.ids.len(),
            result.prompt_ids.len(),
            result.prefill.as_secs_f64(),
            result.seed
        );
    }
    Ok(())
}

/// The first token comes from the prompt's own pass; each further one costs a pass.
fn tokens_per_second(result: &GenerationResult) -> f64 {
    let seconds = result.decode.as_secs_f64();
    let passes = result.ids.len().saturating_sub(1);
    if seconds > 0.0 {
        passes as f64 / seconds
    } else {
        0.0
    }
}
