//! Training and measuring a hypernetwork.

use std::fs::File;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use lexigraft_checkpoint::{Checkpoint, FileSource};
use lexigraft_decode::{LanguageModel, tokenizer_of};
use lexigraft_models::hypernetwork::{Hypernetwork, fingerprint};
use lexigraft_text::Tokenizer;
use lexigraft_transfer::hypernetwork::Predicted;
use lexigraft_transfer::hypernetwork::train::run::{LogLine, Options, Phase, Trainer};
use lexigraft_transfer::hypernetwork::train::{TrainError, blend, plot};
use lexigraft_transfer::{
    Aids, Context, Initialise, Method, Overlap, SourceModel, TokenTable, graft, transplant,
};
use serde::Serialize;

use crate::args::ModelArgs;
use crate::error::CliError;
use crate::graft::{source, tokenizer_file};
use crate::load::{self, ModelFiles};

#[derive(Debug, Subcommand)]
pub enum HypernetCommand {
    /// Train a hypernetwork for a model.
    #[command(after_help = "Example:
  lexigraft hypernet train --model SmolLM2-135M-Instruct.Q4_1.gguf --tokenizer llama3/ \\
    --tokenizer qwen3/ --text english.txt:0.5 --text code.txt:0.4 --folder run --out hypernetwork.safetensors")]
    Train(TrainArgs),
    /// Measure a hypernetwork against FVT and the model with its own tokenizer.
    #[command(after_help = "Example:
  lexigraft hypernet eval --model SmolLM2-135M-Instruct.Q4_1.gguf --network hypernetwork.safetensors \\
    --tokenizer llama3/ --text-file english.txt --json")]
    Eval(EvalArgs),
    /// Write what lies between two hypernetworks of one model; often better than both.
    #[command(after_help = "Example:
  lexigraft hypernet blend --first before.safetensors --second after.safetensors --share 0.7 \\
    --out hypernetwork.safetensors")]
    Blend(BlendArgs),
}

fn finite(text: &str) -> Result<f32, String> {
    let value: Option<f32> = text.parse().ok();
    let value = value.filter(|value| value.is_finite());
    value.ok_or_else(|| "give a number".to_owned())
}

#[derive(Debug, Args)]
pub struct BlendArgs {
    /// What `hypernet train` wrote.
    #[arg(long, value_name = "FILE")]
    pub first: PathBuf,
    /// The same of another run.
    #[arg(long, value_name = "FILE")]
    pub second: PathBuf,
    /// How much of the second: 0 is the first, 1 the second.
    #[arg(long, default_value_t = 0.5, value_parser = finite, allow_negative_numbers = true)]
    pub share: f32,
    /// The file to write.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

#[derive(Debug, Args)]
pub struct TrainArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    /// A tokenizer.json, or its folder, whose tokens are trained on; may be given several times.
    #[arg(long, value_name = "FILE|DIR", required = true)]
    pub tokenizer: Vec<PathBuf>,
    /// A text to read, with its share: FILE:SHARE; may be given several times.
    #[arg(long, value_name = "FILE:SHARE", required = true)]
    pub text: Vec<String>,
    /// Where checkpoints, log and plot are kept; a run goes on from what it holds.
    #[arg(long, value_name = "DIR")]
    pub folder: PathBuf,
    /// The file to write.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Seconds of training, after the texts are read.
    #[arg(long, default_value_t = Options::default().seconds)]
    pub seconds: f64,
    /// Windows of 128 tokens to read.
    #[arg(long, default_value_t = Options::default().windows)]
    pub windows: usize,
    /// Stop reading after this many seconds.
    #[arg(long, default_value_t = Options::default().read_seconds)]
    pub read_seconds: f64,
    /// Greatest learning rate.
    #[arg(long, default_value_t = Options::default().rate)]
    pub rate: f64,
    /// Begin with head and memory of what an earlier run wrote, in place of ridge, reading and the
    /// head's own training.
    #[arg(long, value_name = "FILE")]
    pub begin_with: Option<PathBuf>,
    /// Seconds of training by the loss of the whole model, after that.
    #[arg(long, default_value_t = Options::default().polish_seconds)]
    pub polish_seconds: f64,
    /// Greatest learning rate of that.
    #[arg(long, default_value_t = Options::default().polish_rate)]
    pub polish_rate: f64,
    /// Strings that get rows of their own.
    #[arg(long, default_value_t = Options::default().memory)]
    pub memory: usize,
    /// What the first step moves their elements by.
    #[arg(long, default_value_t = Options::default().memory_rate)]
    pub memory_rate: f64,
    /// Repeat a run.
    #[arg(long, default_value_t = Options::default().seed)]
    pub seed: u64,
}

#[derive(Debug, Args)]
pub struct EvalArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    /// What `hypernet train` wrote.
    #[arg(long, value_name = "FILE")]
    pub network: PathBuf,
    /// A tokenizer.json, or its folder; may be given several times.
    #[arg(long, value_name = "FILE|DIR", required = true)]
    pub tokenizer: Vec<PathBuf>,
    /// A text to score; may be given several times.
    #[arg(long, value_name = "FILE", required = true)]
    pub text_file: Vec<PathBuf>,
    /// Print one JSON object a tokenizer and text.
    #[arg(long)]
    pub json: bool,
}

/// Bits per byte of one text under one tokenizer.
#[derive(Debug, Serialize)]
struct Measured {
    tokenizer: String,
    text: String,
    original: f64,
    fvt: f64,
    hypernetwork: f64,
    /// Share of the gap between FVT and the original that the hypernetwork closes.
    closed: f64,
}

pub async fn run(command: &HypernetCommand) -> Result<(), CliError> {
    match command {
        HypernetCommand::Train(args) => train(args).await,
        HypernetCommand::Eval(args) => eval(args).await,
        HypernetCommand::Blend(args) => Ok(blend::blend(
            &args.first,
            &args.second,
            args.share,
            &args.out,
        )?),
    }
}

fn name_of(path: &Path) -> String {
    let named = match path.file_name() {
        Some(name) if name == "tokenizer.json" => path.parent().and_then(Path::file_name),
        name => name,
    };
    named.map_or_else(
        || path.display().to_string(),
        |name| name.to_string_lossy().into_owned(),
    )
}

/// A hypernetwork on the device of `model`.
pub async fn network(path: &Path, model: &LanguageModel) -> Result<Hypernetwork, CliError> {
    let checkpoint = Checkpoint::open(FileSource::open(path)?).await?;
    let keep_on = &mut |_, _| ControlFlow::Continue(());
    Ok(Hypernetwork::load(&checkpoint, model.decoder(), keep_on).await?)
}

async fn train(args: &TrainArgs) -> Result<(), CliError> {
    let mut texts = Vec::with_capacity(args.text.len());
    for given in &args.text {
        let (path, share) = match given.rsplit_once(':') {
            Some((path, share)) => (path, share.parse().ok()),
            None => (given.as_str(), Some(1.0)),
        };
        let share = share.filter(|share| *share > 0.0);
        let share = share.ok_or_else(|| CliError::BadShare(given.clone()))?;
        texts.push((load::text(Path::new(path))?, share));
    }
    let mut targets = Vec::with_capacity(args.tokenizer.len());
    for path in &args.tokenizer {
        targets.push((name_of(path), tokenizer_file(path)?));
    }
    let files = ModelFiles::find(&args.model.model)?;
    let checkpoint = Checkpoint::open(FileSource::open(&files.weights)?).await?;
    let own = tokenizer_of(&checkpoint)?;
    let keep_on = |_, _| ControlFlow::Continue(());
    let rows = SourceModel::read(&checkpoint, &own, true, keep_on).await?;
    let options = Options {
        folder: args.folder.clone(),
        seconds: args.seconds,
        windows: args.windows,
        read_seconds: args.read_seconds,
        rate: args.rate,
        polish_seconds: args.polish_seconds,
        polish_rate: args.polish_rate,
        memory: args.memory,
        memory_rate: args.memory_rate,
        seed: args.seed,
        ..Options::default()
    };
    std::fs::create_dir_all(&args.folder)?;
    let mut log = Log::open(&args.folder)?;
    let mut trainer = Trainer::new(&checkpoint, own, targets, options).await?;
    let mut show = |phase, done, line: Option<&LogLine>| log.show(phase, done, line);
    if let Some(path) = &args.begin_with {
        trainer.begin_with(path)?;
    } else {
        trainer.ridge(&mut show)?;
        let windows = trainer.read(&texts, &mut show)?;
        trainer.train(windows, &mut show)?;
    }
    trainer.polish(&texts, &mut show)?;
    log.finish()?;
    let name = checkpoint.metadata().get_str("general.name")?;
    trainer.export(
        fingerprint(rows.input().blocks()),
        name.unwrap_or("the model it was trained on"),
        &args.out,
    )?;
    Ok(())
}

/// The progress bar, the log as JSON lines, and its plot.
struct Log {
    bar: ProgressBar,
    file: File,
    plot: PathBuf,
    lines: Vec<LogLine>,
    failed: Option<std::io::Error>,
}

impl Log {
    fn open(folder: &Path) -> Result<Self, CliError> {
        let style = ProgressStyle::with_template("{msg:40} {bar:32} {percent}% {elapsed}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        let path = folder.join("log.jsonl");
        let known = match path.exists() {
            true => load::text(&path)?,
            false => String::new(),
        };
        Ok(Self {
            bar: ProgressBar::new(1000).with_style(style),
            file: File::options().create(true).append(true).open(path)?,
            plot: folder.join("log.svg"),
            lines: known
                .lines()
                .filter_map(|line| serde_json::from_str(line).ok())
                .collect(),
            failed: None,
        })
    }

    fn show(&mut self, phase: Phase, done: f64, line: Option<&LogLine>) {
        self.bar.set_position((done * 1000.0) as u64);
        let name = match phase {
            Phase::Ridge => "ridge regression",
            Phase::Reading => "reading",
            Phase::Features => "features",
            Phase::Training => "training",
            Phase::Polishing => "training on the whole model",
        };
        let Some(line) = line else {
            self.bar.set_message(name);
            return;
        };
        self.bar.set_message(format!(
            "{name}: step {}, {:.4} nats",
            line.step,
            line.held_output.max(line.held_model)
        ));
        self.lines.push(*line);
        let wrote = serde_json::to_string(line)
            .map_err(std::io::Error::other)
            .and_then(|line| writeln!(self.file, "{line}"))
            .and_then(|()| std::fs::write(&self.plot, plot::svg(&self.lines)));
        if let Err(error) = wrote {
            self.failed.get_or_insert(error);
        }
    }

    fn finish(self) -> Result<(), CliError> {
        self.bar.finish_and_clear();
        match self.failed {
            Some(error) => Err(error.into()),
            None => Ok(()),
        }
    }
}

async fn eval(args: &EvalArgs) -> Result<(), CliError> {
    let model = load::language_model(&args.model).await?;
    let source = source(&args.model, &model).await?;
    let network = network(&args.network, &model).await?;
    let mut texts = Vec::with_capacity(args.text_file.len());
    for path in &args.text_file {
        let text = load::text(path)?;
        let original = bits_per_byte(&model, &text).await?;
        texts.push((name_of(path), text, original));
    }
    let fvt: Method = "fvt".parse()?;
    for path in &args.tokenizer {
        let tokenizer = tokenizer_file(path)?;
        let target = TokenTable::new(&tokenizer)?;
        let overlap = Overlap::new(source.tokens(), &target);
        let context = Context {
            source: &source,
            target: &target,
            overlap: &overlap,
        };
        let keep_on = |_, _| ControlFlow::Continue(());
        let mut means = fvt.prepare(context, Aids::default(), keep_on).await?;
        let means = under(&model, context, &tokenizer, means.as_mut()).await?;
        let mut predicted = Predicted::new(context, &network, model.decoder())?;
        let predicted = under(&model, context, &tokenizer, &mut predicted).await?;
        for (name, text, original) in &texts {
            let fvt = bits_per_byte(&means, text).await?;
            let hypernetwork = bits_per_byte(&predicted, text).await?;
            show(
                &Measured {
                    tokenizer: name_of(path),
                    text: name.clone(),
                    original: *original,
                    fvt,
                    hypernetwork,
                    closed: (fvt - hypernetwork) / (fvt - original),
                },
                args.json,
            )?;
        }
    }
    Ok(())
}

fn show(measured: &Measured, json: bool) -> Result<(), CliError> {
    let mut stdout = std::io::stdout().lock();
    if json {
        writeln!(stdout, "{}", serde_json::to_string(measured)?)?;
        return Ok(());
    }
    writeln!(
        stdout,
        "{} {}: original {:.4}, fvt {:.4}, hypernetwork {:.4} bits per byte, {:.0} % closed",
        measured.tokenizer,
        measured.text,
        measured.original,
        measured.fvt,
        measured.hypernetwork,
        measured.closed * 100.0
    )?;
    Ok(())
}

async fn under(
    model: &LanguageModel,
    context: Context<'_>,
    tokenizer: &Tokenizer,
    method: &mut dyn Initialise,
) -> Result<LanguageModel, CliError> {
    let bar = load::progress_bar();
    let vocabulary = transplant(context, method, |done, total| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
        ControlFlow::Continue(())
    })
    .await?;
    bar.finish_and_clear();
    Ok(graft(model, tokenizer, &vocabulary).await?)
}

async fn bits_per_byte(model: &LanguageModel, text: &str) -> Result<f64, CliError> {
    Ok(model.score(text)?.finish().await?.bits_per_byte)
}

impl From<TrainError> for CliError {
    fn from(error: TrainError) -> Self {
        Self::Train(Box::new(error))
    }
}
