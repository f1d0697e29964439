//! A loaded model under another tokenizer.

use std::io::{BufWriter, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use lexigraft_checkpoint::{Checkpoint, FileSource};
use lexigraft_decode::{LanguageModel, TextEncoder};
use lexigraft_text::Tokenizer;
use lexigraft_transfer::export::{write_gguf, write_safetensors};
use lexigraft_transfer::initialise::TextVectors;
use lexigraft_transfer::{
    Aids, Context, Method, Origin, Overlap, SourceModel, TokenTable, Vocabulary, check_lossless,
    graft, transplant,
};
use serde::Serialize;

use crate::args::ModelArgs;
use crate::error::CliError;
use crate::graft_args::{AidArgs, FileFormat, GraftArgs, TransferArgs};
use crate::hypernet;
use crate::load::{self, ModelFiles};

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
    Ok(Tokenizer::from_json(&load::read(&tokenizer_path(path))?)?)
}

fn tokenizer_path(path: &Path) -> PathBuf {
    match path.is_dir() {
        true => path.join("tokenizer.json"),
        false => path.to_owned(),
    }
}

/// What methods need, loaded.
#[derive(Default)]
pub struct Loaded {
    text: Option<String>,
    encoder: Option<TextEncoder>,
    donor: Option<SourceModel>,
    hypernetwork: Option<PathBuf>,
}

impl Loaded {
    /// The aids of `args`; `tokenizer` is the one to be grafted, and so the donor's.
    pub async fn new(
        args: &AidArgs,
        model: &ModelArgs,
        tokenizer: &Tokenizer,
    ) -> Result<Self, CliError> {
        let text = match &args.vectors_from {
            Some(path) => Some(load::text(path)?),
            None => None,
        };
        let encoder = match &args.encoder {
            Some(path) => Some(load::text_encoder(path, &model.device).await?),
            None => None,
        };
        let donor = match &args.donor {
            Some(path) => {
                let checkpoint = Checkpoint::open(FileSource::open(path)?).await?;
                let keep_on = |_, _| ControlFlow::Continue(());
                Some(SourceModel::read(&checkpoint, tokenizer, false, keep_on).await?)
            }
            None => None,
        };
        Ok(Self {
            text,
            encoder,
            donor,
            hypernetwork: args.hypernetwork.clone(),
        })
    }
}

/// Rows for `target`'s tokens by `method`.
pub async fn vocabulary(
    model: &LanguageModel,
    source: &SourceModel,
    target: &TokenTable,
    method: Method,
    loaded: &Loaded,
) -> Result<(Vocabulary, Report), CliError> {
    let start = Instant::now();
    let overlap = Overlap::new(source.tokens(), target);
    let context = Context {
        source,
        target,
        overlap: &overlap,
    };
    let network = match &loaded.hypernetwork {
        Some(path) => Some(hypernet::network(path, model).await?),
        None => None,
    };
    let aids = Aids {
        decoder: Some(model.decoder()),
        text: loaded.text.as_deref(),
        encoder: loaded
            .encoder
            .as_ref()
            .map(|encoder| encoder as &dyn TextVectors),
        donor: loaded.donor.as_ref(),
        hypernetwork: network.as_ref(),
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

/// The model under the tokenizer of `args`, and its rows.
pub async fn grafted(
    args: &ModelArgs,
    transfer: &TransferArgs,
    method: Method,
) -> Result<(LanguageModel, Vocabulary, Report), CliError> {
    let tokenizer = tokenizer(transfer)?;
    let model = load::language_model(args).await?;
    let source = source(args, &model).await?;
    let target = TokenTable::new(&tokenizer)?;
    let loaded = Loaded::new(&transfer.aids, args, &tokenizer).await?;
    let (vocabulary, report) = vocabulary(&model, &source, &target, method, &loaded).await?;
    let model = graft(&model, &tokenizer, &vocabulary).await?;
    let resident_bytes = model.info().resident_bytes;
    let report = Report {
        resident_bytes,
        ..report
    };
    Ok((model, vocabulary, report))
}

/// Writes the grafted model; returns the files.
async fn write(
    args: &GraftArgs,
    model: &LanguageModel,
    vocabulary: &Vocabulary,
    folder: &Path,
) -> Result<Vec<PathBuf>, CliError> {
    std::fs::create_dir_all(folder)?;
    let files = ModelFiles::find(&args.model.model)?;
    let checkpoint = Checkpoint::open(FileSource::open(&files.weights)?).await?;
    let json_path = tokenizer_path(&args.transfer.tokenizer);
    let json = load::read(&json_path)?;
    let bar = bar("writing");
    let progress = |done: u64, total: u64| {
        bar.set_length(total);
        bar.set_position(done);
        ControlFlow::Continue(())
    };
    let mut written = Vec::new();
    let mut beside = |name: &str, bytes: &[u8]| -> Result<(), CliError> {
        let path = folder.join(name);
        std::fs::write(&path, bytes)?;
        written.push(path);
        Ok(())
    };
    let create = |path: &Path| std::fs::File::create(path).map(BufWriter::new);
    let path = match args.format {
        FileFormat::Gguf => {
            let path = folder.join("model.gguf");
            write_gguf(&checkpoint, &json, vocabulary, create(&path)?, progress).await?;
            path
        }
        FileFormat::Safetensors => {
            let path = folder.join("model.safetensors");
            let (config, tokenizer) = (model.decoder().config(), model.tokenizer());
            let out = create(&path)?;
            let files =
                write_safetensors(&checkpoint, config, tokenizer, vocabulary, out, progress)
                    .await?;
            beside("config.json", files.config.as_bytes())?;
            beside("tokenizer_config.json", files.tokenizer_config.as_bytes())?;
            beside("tokenizer.json", &json)?;
            path
        }
    };
    bar.finish_and_clear();
    written.insert(0, path);
    Ok(written)
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

#[derive(Serialize)]
struct Output {
    #[serde(flatten)]
    report: Report,
    files: Vec<PathBuf>,
}

pub async fn run(args: &GraftArgs) -> Result<(), CliError> {
    let (model, vocabulary, report) = grafted(&args.model, &args.transfer, args.method).await?;
    let files = match &args.out {
        Some(folder) => {
            let written = write(args, &model, &vocabulary, folder).await;
            if written.is_err() {
                // Half a file must not be taken for a model.
                for name in ["model.gguf", "model.safetensors"] {
                    let _ = std::fs::remove_file(folder.join(name));
                }
            }
            written?
        }
        None => Vec::new(),
    };
    let mut stdout = std::io::stdout().lock();
    if args.json {
        writeln!(
            stdout,
            "{}",
            serde_json::to_string(&Output { report, files })?
        )?;
        return Ok(());
    }
    writeln!(
        stdout,
        "{} tokens: {} shared, {} special, {} made by {} in {:.1} s",
        report.tokens, report.shared, report.special, report.new, report.method, report.seconds
    )?;
    for file in files {
        writeln!(stdout, "{}", file.display())?;
    }
    Ok(())
}
