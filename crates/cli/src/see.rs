use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use lexigraft_checkpoint::{Checkpoint, FileSource};
use lexigraft_models::ComputeDevice;
use lexigraft_models::vision::{Vit, VitConfig};
use lexigraft_vision::evaluate::{Sample, TABLE, evaluate};
use lexigraft_vision::picture::{Picture, preprocess};
use lexigraft_vision::reduce::parse_reduce;
use lexigraft_vision::see::{Reduce, Seen, see, see_values};
use lexigraft_vision::source_map::Fate;
use serde::Serialize;

use crate::args::{Device, SeeArgs, SeeEvalArgs};
use crate::error::CliError;
use crate::load::{self, ModelFiles, progress_bar};

#[derive(Serialize)]
struct Output {
    cls: Vec<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    heat_mean: Option<f64>,
    /// Index into the rows of the map; the first of equals.
    #[serde(skip_serializing_if = "Option::is_none")]
    heat_argmax: Option<usize>,
    /// After each block.
    tokens: Vec<usize>,
    macs: u64,
    dense_macs: u64,
    /// From pixels to saliency.
    ms: f64,
    backbone_ms: f64,
    /// Patches a side: rows, columns.
    grid: (usize, usize),
    /// For each patch, row by row, the final token that stands for it; null when it was dropped.
    map: Vec<Option<u32>>,
    device: String,
}

pub async fn run(args: &SeeArgs) -> Result<(), CliError> {
    let reduce = args.reduce.as_deref().map(parse_reduce).transpose()?;
    // What is wrong with the picture is told before the model is loaded.
    let picture = match &args.image {
        Some(path) => {
            let picture = Picture::decode(&load::read(path)?)?;
            Some(preprocess(&picture, args.size, args.crop.into())?)
        }
        None => None,
    };
    let raw = match &args.raw_input {
        Some(path) => raw_input(path, args.size)?,
        None => Vec::new(),
    };
    let model = vision_model(&args.model, args.device).await?;
    let reduce = reduce.as_ref().map(|(method, schedule)| Reduce {
        method: method.as_ref(),
        schedule,
    });
    let seen = match &picture {
        Some(picture) => see(&model, picture, reduce).await?,
        // The parser asks for one of the two.
        None => see_values(&model, &raw, args.size, args.size, reduce).await?,
    };
    let output = Output::new(seen, &model);
    let mut stdout = std::io::stdout().lock();
    if args.json {
        writeln!(stdout, "{}", serde_json::to_string(&output)?)?;
        return Ok(());
    }
    writeln!(
        stdout,
        "{} of {} multiply-accumulates ({:.1} %), {:.0} ms on {}",
        output.macs,
        output.dense_macs,
        100.0 * output.macs as f64 / output.dense_macs.max(1) as f64,
        output.ms,
        output.device
    )?;
    writeln!(stdout, "tokens after each block: {:?}", output.tokens)?;
    if let (Some(mean), Some(at)) = (output.heat_mean, output.heat_argmax) {
        let (row, column) = (at / args.size, at % args.size);
        writeln!(
            stdout,
            "saliency {mean:.4} on average, largest at row {row}, column {column}"
        )?;
    }
    Ok(())
}

impl Output {
    fn new(seen: Seen, model: &Vit) -> Self {
        let heat = seen.heat.as_deref();
        let mean = |heat: &[f32]| {
            heat.iter().map(|v| f64::from(*v)).sum::<f64>() / heat.len().max(1) as f64
        };
        let argmax = |heat: &[f32]| {
            let mut best = (0, f32::NEG_INFINITY);
            for (index, &value) in heat.iter().enumerate() {
                if value > best.1 {
                    best = (index, value);
                }
            }
            best.0
        };
        Self {
            heat_mean: heat.map(mean),
            heat_argmax: heat.map(argmax),
            tokens: seen.tokens.iter().map(|tokens| tokens.after).collect(),
            macs: seen.macs,
            dense_macs: seen.dense_macs,
            ms: seen.total_ms,
            backbone_ms: seen.backbone_ms,
            grid: seen.grid,
            map: seen
                .map
                .fates()
                .iter()
                .map(|fate| match fate {
                    Fate::Token(token) => Some(*token),
                    Fate::Dropped(_) => None,
                })
                .collect(),
            cls: seen.cls,
            device: model.device().adapter().to_owned(),
        }
    }
}

pub async fn run_eval(args: &SeeEvalArgs) -> Result<(), CliError> {
    let mut samples = Vec::new();
    for path in pictures(&args.images)? {
        let picture = Picture::decode(&load::read(&path)?)?;
        samples.push(Sample {
            name: path
                .file_stem()
                .map(|stem| stem.to_string_lossy().into_owned())
                .unwrap_or_default(),
            picture: preprocess(&picture, args.size, args.crop.into())?,
        });
    }
    let reduces: Vec<String> = if args.reduce.is_empty() {
        TABLE.iter().map(|text| (*text).to_owned()).collect()
    } else {
        args.reduce.clone()
    };
    // A wrong method is told before the model is loaded.
    for text in &reduces {
        parse_reduce(text)?;
    }
    let model = vision_model(&args.model, args.device).await?;
    let count = samples.len();
    let table = evaluate(&model, &samples, &reduces, args.repeats, |done| {
        eprintln!("{done} of {count} pictures");
    })
    .await?;
    let mut stdout = std::io::stdout().lock();
    if args.json {
        writeln!(stdout, "{}", serde_json::to_string(&table)?)?;
    } else {
        write!(stdout, "{}", table.markdown())?;
    }
    Ok(())
}

async fn vision_model(path: &Path, device: Device) -> Result<Vit, CliError> {
    let files = ModelFiles::find(path)?;
    let checkpoint = Checkpoint::open(FileSource::open(&files.weights)?).await?;
    let json = files.optional("config.json")?;
    let config = VitConfig::read(&checkpoint, json.as_deref())?;
    let device = ComputeDevice::open(device.into()).await?;
    let bar = progress_bar();
    let model = Vit::load(&checkpoint, config, &device, &mut |read, total| {
        bar.set_length(total);
        bar.set_position(read);
        ControlFlow::Continue(())
    })
    .await;
    bar.finish_and_clear();
    Ok(model?)
}

/// `[3, size, size]` little-endian f32.
fn raw_input(path: &Path, size: usize) -> Result<Vec<f32>, CliError> {
    let bytes = load::read(path)?;
    let expected = size.checked_mul(size).and_then(|n| n.checked_mul(12));
    if Some(bytes.len()) != expected {
        return Err(CliError::RawInput {
            path: path.to_owned(),
            found: bytes.len(),
            size,
        });
    }
    let words = bytes.as_chunks::<4>().0;
    Ok(words.iter().map(|word| f32::from_le_bytes(*word)).collect())
}

/// Files as they are; the files of folders by name.
fn pictures(paths: &[PathBuf]) -> Result<Vec<PathBuf>, CliError> {
    let mut out = Vec::new();
    for path in paths {
        if !path.is_dir() {
            out.push(path.clone());
            continue;
        }
        let entries = std::fs::read_dir(path).map_err(|source| CliError::Read {
            path: path.clone(),
            source,
        })?;
        let mut files: Vec<PathBuf> = entries
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.is_file())
            .collect();
        files.sort();
        out.append(&mut files);
    }
    Ok(out)
}
