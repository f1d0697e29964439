//! Models from files and folders, with a progress bar on a terminal.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressStyle};
use lexigraft_checkpoint::{Checkpoint, FileSource};
use lexigraft_decode::{LanguageModel, LoadOptions, TextEncoder, tokenizer_of};
use lexigraft_models::{ComputeDevice, LoadProgress, threads};
use lexigraft_text::Tokenizer;

use crate::args::{Device, DeviceArgs, ModelArgs};
use crate::error::CliError;

pub async fn language_model(args: &ModelArgs) -> Result<LanguageModel, CliError> {
    let files = ModelFiles::find(&args.model)?;
    let checkpoint = Checkpoint::open(FileSource::open(&files.weights)?).await?;
    let device = device(&args.device).await?;
    let tokenizer = files.optional("tokenizer.json")?;
    let tokenizer_config = files.optional("tokenizer_config.json")?;
    let config = files.optional("config.json")?;
    let options = LoadOptions {
        tokenizer_json: tokenizer.as_deref(),
        tokenizer_config_json: tokenizer_config.as_deref(),
        config_json: config.as_deref(),
        context_length: args.context_length,
    };
    let bar = progress_bar();
    let model = LanguageModel::load(&checkpoint, options, &device, &mut |read, total| {
        bar.set_length(total);
        bar.set_position(read);
        ControlFlow::Continue(())
    })
    .await;
    bar.finish_and_clear();
    Ok(model?)
}

/// An encoder with the JSON files beside its weights.
pub async fn text_encoder(path: &Path, device: &DeviceArgs) -> Result<TextEncoder, CliError> {
    let files = ModelFiles::find(path)?;
    let checkpoint = Checkpoint::open(FileSource::open(&files.weights)?).await?;
    let config = files.required("config.json")?;
    let tokenizer = files.required("tokenizer.json")?;
    let device = self::device(device).await?;
    let bar = progress_bar();
    let progress: LoadProgress<'_> = &mut |read, total| {
        bar.set_length(total);
        bar.set_position(read);
        ControlFlow::Continue(())
    };
    let encoder = TextEncoder::load(&checkpoint, &config, &tokenizer, &device, progress).await;
    bar.finish_and_clear();
    Ok(encoder?)
}

/// The tokenizer of a tokenizer.json, of a folder that holds one, or of a model file.
pub async fn tokenizer(path: &Path) -> Result<Tokenizer, CliError> {
    let beside = path.join("tokenizer.json");
    let json = [path, &beside]
        .into_iter()
        .find(|path| path.is_file() && has_extension(path, "json"));
    if let Some(path) = json {
        return Ok(Tokenizer::from_json(&read(path)?)?);
    }
    let files = ModelFiles::find(path)?;
    match files.optional("tokenizer.json")? {
        Some(json) => Ok(Tokenizer::from_json(&json)?),
        None => {
            let checkpoint = Checkpoint::open(FileSource::open(&files.weights)?).await?;
            Ok(tokenizer_of(&checkpoint)?)
        }
    }
}

/// The device, with its threads started.
pub async fn device(args: &DeviceArgs) -> Result<ComputeDevice, CliError> {
    if let Device::Cpu = args.device {
        let all = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        // With fewer threads than asked for the work is done all the same.
        let _ = threads::start(args.threads.map_or_else(all, NonZeroUsize::get));
    }
    Ok(ComputeDevice::open(args.device.into()).await?)
}

/// Hidden by itself when standard error is no terminal.
pub fn progress_bar() -> ProgressBar {
    let style = ProgressStyle::with_template("loading {bar:32} {bytes}/{total_bytes}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(0).with_style(style)
}

/// The weights and the folder of the files that belong to them.
pub struct ModelFiles {
    pub weights: PathBuf,
    /// A GGUF file holds all it needs: JSON files beside it may belong to another model.
    folder: Option<PathBuf>,
}

impl ModelFiles {
    pub fn find(path: &Path) -> Result<Self, CliError> {
        let weights = if path.is_dir() {
            only_model_in(path)?
        } else {
            path.to_owned()
        };
        let folder = has_extension(&weights, "safetensors")
            .then(|| weights.parent().map(Path::to_owned))
            .flatten();
        Ok(Self { weights, folder })
    }

    /// A file beside the weights, if there is one.
    pub fn optional(&self, name: &str) -> Result<Option<Vec<u8>>, CliError> {
        match &self.folder {
            Some(folder) if folder.join(name).exists() => read(&folder.join(name)).map(Some),
            _ => Ok(None),
        }
    }

    /// A file that must be beside the weights.
    pub fn required(&self, name: &str) -> Result<Vec<u8>, CliError> {
        let folder = self.folder.as_deref().unwrap_or(Path::new("."));
        read(&folder.join(name))
    }
}

pub fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    std::fs::read(path).map_err(|source| CliError::Read {
        path: path.to_owned(),
        source,
    })
}

/// A file of UTF-8 text.
pub fn text(path: &Path) -> Result<String, CliError> {
    let bytes = read(path)?;
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(source) => Err(CliError::NotText {
            path: path.to_owned(),
            source,
        }),
    }
}

fn only_model_in(folder: &Path) -> Result<PathBuf, CliError> {
    let entries = std::fs::read_dir(folder).map_err(|source| CliError::Read {
        path: folder.to_owned(),
        source,
    })?;
    let mut models = entries.flatten().map(|entry| entry.path()).filter(|path| {
        ["gguf", "safetensors", "onnx"]
            .iter()
            .any(|extension| has_extension(path, extension))
    });
    match (models.next(), models.next()) {
        (Some(model), None) => Ok(model),
        _ => Err(CliError::NoModel(folder.to_owned())),
    }
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension()
        .is_some_and(|found| found.eq_ignore_ascii_case(extension))
}
