//! A loaded model under another tokenizer.

use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use lexigraft_checkpoint::{Checkpoint, FileSource};
use lexigraft_decode::LanguageModel;
use lexigraft_text::Tokenizer;
use lexigraft_transfer::{
    Aids, Context, Method, Origin, Overlap, SourceModel, TokenTable, Vocabulary, check_lossless,
    graft, transplant,
};
use serde::Serialize;

use crate::args::ModelArgs;
use crate::error::CliError;
use crate::graft_args::{GraftArgs, TransferArgs};
use crate::load::{self, ModelFiles};

/// A grafted model and how it came about.
pub struct Grafted {
    pub model: LanguageModel,
    pub report: Report,
}

/// What became of the tokens.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub method: String,
    pub tokens: usize,
    /// Text tokens that keep a row of the model.
    pub shared: usize,
    /// Control tokens that keep one.
    pub special: usize,
    /// Tokens whose rows the method made.
    pub new: usize,
    pub seconds: f64,
    pub resident_bytes: u64,
}

/// Rows of the model file `args` names, for its own tokens.
pub async fn source(args: &ModelArgs, model: &LanguageModel) -> Result<SourceModel, CliError> {
    let files = ModelFiles::find(&args.model)?;
    let checkpoint = Checkpoint::open(FileSource::open(&files.weights)?).await?;
    let tied = model.decoder().config().tied_embeddings;
    let keep_on = |_, _| ControlFlow::Continue(());
    Ok(SourceModel::read(&checkpoint, model.tokenizer(), tied, keep_on).await?)
}

/// A `tokenizer.json`, checked unless a loss is allowed.
pub fn tokenizer(args: &TransferArgs) -> Result<Tokenizer, CliError> {
    let tokenizer = tokenizer_file(&args.tokenizer)?;
    if !args.lossy {
        check_lossless(&tokenizer)?;
    }
    Ok(tokenizer)
}

pub fn tokenizer_file(path: &Path) -> Result<Tokenizer, CliError> {
    let path = match path.is_dir() {
        true => path.join("tokenizer.json"),
        false => path.to_owned(),
    };
    Ok(Tokenizer::from_json(&load::read(&path)?)?)
}

/// Rows for `target`'s tokens by `method`.
pub async fn vocabulary(
    model: &LanguageModel,
    source: &SourceModel,
    target: &TokenTable,
    method: Method,
) -> Result<(Vocabulary, Report), CliError> {
    let start = Instant::now();
    let overlap = Overlap::new(source.tokens(), target);
    let context = Context {
        source,
        target,
        overlap: &overlap,
    };
    let aids = Aids {
        decoder: Some(model.decoder()),
    };
    let bar = bar("preparing");
    let mut prepared = method.prepare(context, aids, shown(&bar)).await?;
    bar.finish_and_clear();
    let bar = self::bar("grafting");
    let vocabulary = transplant(context, prepared.as_mut(), shown(&bar)).await?;
    bar.finish_and_clear();
    let count = |is: fn(Origin) -> bool| {
        let ids = 0..overlap.len() as u32;
        ids.filter(|id| is(overlap.origin(*id))).count()
    };
    let report = Report {
        method: method.to_string(),
        tokens: target.len(),
        shared: count(|origin| matches!(origin, Origin::Shared(_))),
        special: count(|origin| matches!(origin, Origin::Special(_))),
        new: count(|origin| origin == Origin::New),
        seconds: start.elapsed().as_secs_f64(),
        resident_bytes: 0,
    };
    Ok((vocabulary, report))
}

/// The model under the tokenizer of `args`.
pub async fn grafted(
    args: &ModelArgs,
    transfer: &TransferArgs,
    method: Method,
) -> Result<Grafted, CliError> {
    let tokenizer = tokenizer(transfer)?;
    let model = load::language_model(args).await?;
    let source = source(args, &model).await?;
    let target = TokenTable::new(&tokenizer)?;
    let (vocabulary, report) = vocabulary(&model, &source, &target, method).await?;
    let model = graft(&model, &tokenizer, &vocabulary).await?;
    let resident_bytes = model.info().resident_bytes;
    Ok(Grafted {
        model,
        report: Report {
            resident_bytes,
            ..report
        },
    })
}

fn bar(what: &'static str) -> ProgressBar {
    let template = format!("{what} {{bar:32}} {{pos}}/{{len}}");
    let style =
        ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(0).with_style(style)
}

fn shown(bar: &ProgressBar) -> impl FnMut(usize, usize) -> ControlFlow<()> {
    |done, total| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
        ControlFlow::Continue(())
    }
}

pub async fn run(args: &GraftArgs) -> Result<(), CliError> {
    let Grafted { report, .. } = grafted(&args.model, &args.transfer, args.method).await?;
    let mut stdout = std::io::stdout().lock();
    if args.json {
        writeln!(stdout, "{}", serde_json::to_string(&report)?)?;
    } else {
        writeln!(
            stdout,
            "{} tokens: {} shared, {} special, {} made by {} in {:.1} s",
            report.tokens, report.shared, report.special, report.new, report.method, report.seconds
        )?;
    }
    Ok(())
}
