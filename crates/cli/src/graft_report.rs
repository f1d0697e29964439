//! What a tokenizer is like.

use std::io::Write;

use lexigraft_transfer::report::{Anatomy, Consistency, Cost, anatomy, consistency, cost};
use lexigraft_transfer::{Overlap, TokenTable};
use serde::Serialize;

use crate::error::CliError;
use crate::graft_args::{ReportArgs, TokenizerArgs, TokenizerCommand};
use crate::graft_eval::{Slice, slices};
use crate::load;

#[derive(Serialize)]
struct Report {
    anatomy: Anatomy,
    texts: Vec<TextReport>,
    overlaps: Vec<OverlapReport>,
}

#[derive(Serialize)]
struct TextReport {
    name: String,
    #[serde(flatten)]
    cost: Cost,
    /// Tokens for each token of the reference.
    premium: Option<f64>,
    consistency: Consistency,
}

#[derive(Serialize)]
struct OverlapReport {
    with: String,
    /// Text tokens of this tokenizer that the other one has, byte for byte.
    shared: usize,
    of: usize,
}

pub async fn run(args: &TokenizerArgs) -> Result<(), CliError> {
    let TokenizerCommand::Report(args) = &args.command;
    let table = TokenTable::new(&load::tokenizer(&args.tokenizer).await?)?;
    let report = Report {
        anatomy: anatomy(&table)?,
        texts: texts(args, &table)?,
        overlaps: overlaps(args, &table).await?,
    };
    let mut stdout = std::io::stdout().lock();
    if args.json {
        writeln!(stdout, "{}", serde_json::to_string(&report)?)?;
        return Ok(());
    }
    print(&mut stdout, &report)?;
    Ok(())
}

fn texts(args: &ReportArgs, table: &TokenTable) -> Result<Vec<TextReport>, CliError> {
    let Some(folder) = &args.texts else {
        return Ok(Vec::new());
    };
    let slices = slices(folder, &[], args.bytes)?;
    let cost_of = |slice: &Slice| cost(table.tokenizer(), &slice.text);
    let reference = slices.iter().find(|slice| slice.name == args.reference);
    let reference = reference.map(cost_of).transpose()?;
    let text = |slice: &Slice| {
        let cost = cost_of(slice)?;
        let premium = reference
            .as_ref()
            .map(|reference| cost.tokens as f64 / reference.tokens.max(1) as f64);
        Ok(TextReport {
            name: slice.name.clone(),
            premium,
            cost,
            consistency: consistency(table, &slice.text, 1)?,
        })
    };
    slices.iter().map(text).collect()
}

async fn overlaps(args: &ReportArgs, table: &TokenTable) -> Result<Vec<OverlapReport>, CliError> {
    let mut reports = Vec::new();
    for path in &args.others {
        let other = TokenTable::new(&load::tokenizer(path).await?)?;
        reports.push(OverlapReport {
            with: path.display().to_string(),
            shared: Overlap::new(&other, table).shared().count(),
            of: table.text_ids().count(),
        });
    }
    Ok(reports)
}

fn print(out: &mut impl Write, report: &Report) -> Result<(), CliError> {
    let anatomy = &report.anatomy;
    writeln!(
        out,
        "{} ids: {} text, {} control, {} without a token",
        anatomy.ids, anatomy.text, anatomy.special, anatomy.holes
    )?;
    writeln!(
        out,
        "of the text: {} begin with a space, {} are parts of characters, {} are never written, \
         {} blank, {} digits, {} symbols",
        anatomy.begins_word,
        anatomy.not_utf8,
        anatomy.unreachable,
        anatomy.blank,
        anatomy.digits,
        anatomy.symbols
    )?;
    let mut scripts: Vec<_> = anatomy.scripts.iter().collect();
    scripts.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    for (script, count) in scripts {
        writeln!(out, "  {script:<24} {count:>8}")?;
    }
    for overlap in &report.overlaps {
        writeln!(
            out,
            "{} of {} text tokens are in {}",
            overlap.shared, overlap.of, overlap.with
        )?;
    }
    for text in &report.texts {
        let premium = text
            .premium
            .map_or_else(String::new, |premium| format!(", premium {premium:.2}"));
        writeln!(
            out,
            "{:<10} {:>8} tokens, {:.2} bytes a token, {:.2} tokens a word{premium}; {} of {} cuts \
             edit, {} inside a character; {} of {} splits are mended",
            text.name,
            text.cost.tokens,
            text.cost.bytes_per_token,
            text.cost.fertility,
            text.consistency.cut_edits,
            text.consistency.cuts,
            text.consistency.inside_character,
            text.consistency.split_edits,
            text.consistency.splits
        )?;
    }
    Ok(())
}
