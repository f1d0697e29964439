//! The table of grafting methods over slices of text, in bits per byte.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use lexigraft_decode::LanguageModel;
use lexigraft_transfer::{TokenTable, graft};
use serde::{Deserialize, Serialize};

use crate::error::CliError;
use crate::graft::{self, Loaded};
use crate::graft_args::GraftEvalArgs;
use crate::load;

/// One cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Cell {
    tokenizer: String,
    method: String,
    slice: String,
    bytes: usize,
    tokens: usize,
    bits_per_byte: f64,
}

const ORIGINAL: &str = "original";

/// A slice of text: its name and its beginning.
pub struct Slice {
    pub name: String,
    pub text: String,
}

/// Each folder in `folder` is a slice; its files are read in the order of their names.
pub fn slices(folder: &Path, wanted: &[String], bytes: usize) -> Result<Vec<Slice>, CliError> {
    let entries = |folder: &Path| -> Result<Vec<std::path::PathBuf>, CliError> {
        let read = std::fs::read_dir(folder).map_err(|source| CliError::Read {
            path: folder.to_owned(),
            source,
        })?;
        let mut paths: Vec<_> = read.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        Ok(paths)
    };
    let mut slices = Vec::new();
    for path in entries(folder)? {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if !path.is_dir() || !(wanted.is_empty() || wanted.contains(&name)) {
            continue;
        }
        let mut text = String::new();
        for file in entries(&path)? {
            text.push_str(&load::text(&file)?);
        }
        text.truncate(text.floor_char_boundary(bytes));
        slices.push(Slice { name, text });
    }
    Ok(slices)
}

pub async fn run(args: &GraftEvalArgs) -> Result<(), CliError> {
    let slices = slices(&args.texts, &args.slices, args.bytes)?;
    let mut cells = match &args.log {
        Some(path) if path.exists() => load::text(path)?
            .lines()
            .map(serde_json::from_str)
            .collect::<Result<Vec<Cell>, _>>()?,
        _ => Vec::new(),
    };
    let model = load::language_model(&args.model).await?;
    let source = graft::source(&args.model, &model).await?;
    score(args, &model, [ORIGINAL, ORIGINAL], &slices, &mut cells).await?;
    for path in &args.tokenizers {
        let named = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let tokenizer = graft::tokenizer_file(path)?;
        lexigraft_transfer::check_lossless(&tokenizer)?;
        let target = TokenTable::new(&tokenizer)?;
        let loaded = Loaded::new(&args.aids, &args.model, &tokenizer).await?;
        for method in &args.methods {
            let label = method.to_string();
            if missing(&cells, [&named, &label], &slices).is_empty() {
                continue;
            }
            let (vocabulary, _) =
                graft::vocabulary(&model, &source, &target, *method, &loaded).await?;
            let grafted = graft(&model, &tokenizer, &vocabulary).await?;
            score(args, &grafted, [&named, &label], &slices, &mut cells).await?;
        }
    }
    let mut stdout = std::io::stdout().lock();
    if args.json {
        writeln!(stdout, "{}", serde_json::to_string(&cells)?)?;
    } else {
        write!(stdout, "{}", table(&cells, &slices))?;
    }
    Ok(())
}

/// The slices that a row has no cell of.
fn missing<'a>(
    cells: &[Cell],
    [tokenizer, method]: [&str; 2],
    slices: &'a [Slice],
) -> Vec<&'a Slice> {
    let is_there = |slice: &&Slice| {
        cells.iter().any(|cell| {
            cell.tokenizer == tokenizer
                && cell.method == method
                && cell.slice == slice.name
                && cell.bytes == slice.text.len()
        })
    };
    slices.iter().filter(|slice| !is_there(slice)).collect()
}

async fn score(
    args: &GraftEvalArgs,
    model: &LanguageModel,
    row: [&str; 2],
    slices: &[Slice],
    cells: &mut Vec<Cell>,
) -> Result<(), CliError> {
    for slice in missing(cells, row, slices) {
        let score = model.score(&slice.text)?.finish().await?;
        let [tokenizer, method] = row.map(str::to_owned);
        let cell = Cell {
            tokenizer,
            method,
            slice: slice.name.clone(),
            bytes: score.bytes,
            tokens: score.ids.len(),
            bits_per_byte: score.bits_per_byte,
        };
        if let Some(path) = &args.log {
            let mut log = OpenOptions::new().create(true).append(true).open(path)?;
            writeln!(log, "{}", serde_json::to_string(&cell)?)?;
        }
        cells.push(cell);
    }
    Ok(())
}

/// A table in Markdown: a row of token counts for each tokenizer, then its methods.
fn table(cells: &[Cell], slices: &[Slice]) -> String {
    let mut rows: Vec<(&str, &str)> = Vec::new();
    let mut found: BTreeMap<(&str, &str, &str), &Cell> = BTreeMap::new();
    for cell in cells.iter().filter(|cell| {
        let same = |slice: &Slice| slice.name == cell.slice && slice.text.len() == cell.bytes;
        slices.iter().any(same)
    }) {
        let row = (cell.tokenizer.as_str(), cell.method.as_str());
        if !rows.contains(&row) {
            rows.push(row);
        }
        found.insert((row.0, row.1, &cell.slice), cell);
    }
    let names: Vec<&str> = slices.iter().map(|slice| slice.name.as_str()).collect();
    let mut out = format!("| tokenizer | method | {} |\n", names.join(" | "));
    out += &format!("|---|---|{}\n", "---:|".repeat(names.len()));
    let mut line =
        |tokenizer: &str, label: &str, text: &dyn Fn(&Cell) -> String, row: (&str, &str)| {
            let cell = |name: &&str| found.get(&(row.0, row.1, *name)).map(|cell| text(cell));
            let cells: Vec<String> = names
                .iter()
                .map(|name| cell(name).unwrap_or_default())
                .collect();
            out += &format!("| {tokenizer} | {label} | {} |\n", cells.join(" | "));
        };
    let mut before = "";
    for row in rows {
        if row.0 != before {
            line(row.0, "(tokens)", &|cell| cell.tokens.to_string(), row);
            before = row.0;
        }
        line("", row.1, &|cell| format!("{:.3}", cell.bits_per_byte), row);
    }
    out
}
