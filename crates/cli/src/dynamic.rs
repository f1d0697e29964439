//! Prompts whose tokens are joined for the length of a batch: what that saves and what it costs.

use std::collections::HashSet;
use std::f64::consts::LN_2;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use lexigraft_decode::LanguageModel;
use lexigraft_transfer::SourceModel;
use lexigraft_transfer::dynamic::{DynamicEmbedding, Merged, RowMaker, may_join, merge_batch};
use lexigraft_transfer::hypernetwork::Predictor;
use serde::Serialize;

use crate::dynamic_args::{DynamicArgs, Merges};
use crate::error::CliError;
use crate::{graft, hypernet, load};

/// A prefix and what follows it, as the model's own tokens.
struct Window {
    prefix: Vec<u32>,
    after: Vec<u32>,
    /// Of what follows.
    bytes: usize,
}

/// One number of joins over the batch.
#[derive(Debug, Serialize)]
struct Row {
    /// Pairs joined: fewer than were asked for where there were no more.
    merges: usize,
    /// Tokens of the prefixes.
    tokens: usize,
    /// Share of the plain prefixes' tokens that is gone.
    saved: f64,
    /// Different tokens in the prefixes that the vocabulary lacks.
    new_tokens: usize,
    /// Places of such tokens whose row was in the cache, which was empty before, and was not.
    cache_hits: u64,
    cache_misses: u64,
    /// Medians over the runs, of the whole batch: finding the joins, making the rows, and running
    /// them up to the logits of the next token.
    merge_ms: f64,
    rows_ms: f64,
    prefill_ms: f64,
    /// Of what follows the prefixes.
    bits_per_byte: f64,
    /// The same after as many of the plain prefixes' last tokens, with --cut.
    #[serde(skip_serializing_if = "Option::is_none")]
    cut_bits_per_byte: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Output {
    /// `hypernetwork` or `mean`.
    rows: &'static str,
    windows: usize,
    prefix_bytes: usize,
    continue_bytes: usize,
    continue_tokens: usize,
    merges: Vec<Row>,
}

/// What the runs of one number of joins add to.
#[derive(Default)]
struct Measured {
    row: Option<Row>,
    merge_ms: Vec<f64>,
    rows_ms: Vec<f64>,
    prefill_ms: Vec<f64>,
}

struct Bench<'m> {
    model: &'m LanguageModel,
    source: &'m SourceModel,
    maker: RowMaker<'m>,
    windows: &'m [Window],
    args: &'m DynamicArgs,
}

pub async fn run(args: &DynamicArgs) -> Result<(), CliError> {
    let model = load::language_model(&args.model).await?;
    let source = graft::source(&args.model, &model).await?;
    let network = match &args.hypernetwork {
        Some(path) => Some(hypernet::network(path, &model).await?),
        None => None,
    };
    let (name, maker) = match &network {
        Some(network) => {
            let predictor = Predictor::new(&source, network, model.decoder())?;
            ("hypernetwork", RowMaker::Hypernetwork(predictor))
        }
        None => ("mean", RowMaker::Mean),
    };
    let mut windows = Vec::new();
    let mut prefix_bytes = 0;
    for path in &args.text_file {
        prefix_bytes += cut(&model, &source, path, args, &mut windows)?;
    }
    let bench = Bench {
        model: &model,
        source: &source,
        maker,
        windows: &windows,
        args,
    };
    let mut merges = args.merges.clone();
    // The plain prefixes are what all others are compared with.
    merges.push(Merges(0));
    merges.sort_unstable();
    merges.dedup();
    let output = Output {
        rows: name,
        windows: windows.len(),
        prefix_bytes,
        continue_bytes: windows.iter().map(|window| window.bytes).sum(),
        continue_tokens: windows.iter().map(|window| window.after.len()).sum(),
        merges: bench.rows(&merges).await?,
    };
    let mut stdout = std::io::stdout().lock();
    if args.json {
        writeln!(stdout, "{}", serde_json::to_string(&output)?)?;
    } else {
        write!(stdout, "{}", table(&output))?;
    }
    Ok(())
}

/// Windows of a file; returns the bytes of their prefixes.
fn cut(
    model: &LanguageModel,
    source: &SourceModel,
    path: &Path,
    args: &DynamicArgs,
    windows: &mut Vec<Window>,
) -> Result<usize, CliError> {
    let text = load::text(path)?;
    let tokens = model.tokenizer().segment(&text)?;
    let mut rest = tokens.as_slice();
    let (mut start, mut prefix_bytes) = (0, 0);
    for _ in 0..args.windows.get() {
        let too_short = || CliError::TooShort {
            path: path.to_owned(),
            bytes: args.prefix_bytes.saturating_add(args.continue_bytes),
            windows: args.windows.get(),
        };
        let mut border = None;
        for (at, pair) in rest.windows(2).enumerate() {
            let [(left, end), (right, _)] = *pair else {
                continue;
            };
            // Else the last word would be joined in one prefix and be left open in another.
            if end - start >= args.prefix_bytes && !may_join(source.tokens(), left, right)? {
                border = Some((at + 1, end));
                break;
            }
        }
        let (border, prefix_end) = border.ok_or_else(too_short)?;
        let (prefix, after) = rest.split_at(border);
        let enough = |(_, end): &(u32, usize)| end - prefix_end >= args.continue_bytes;
        let last = after.iter().position(enough).ok_or_else(too_short)?;
        let (after, left) = after.split_at(last + 1);
        let end = after.last().map_or(prefix_end, |(_, end)| *end);
        let ids = |tokens: &[(u32, usize)]| tokens.iter().map(|(id, _)| *id).collect::<Vec<_>>();
        windows.push(Window {
            prefix: [model.tokenizer().ids_before(), &ids(prefix)].concat(),
            after: ids(after),
            bytes: end - prefix_end,
        });
        prefix_bytes += prefix_end - start;
        (rest, start) = (left, end);
    }
    Ok(prefix_bytes)
}

impl Bench<'_> {
    /// Each run goes through all numbers of joins, so that what else the machine does meets all of
    /// them.
    async fn rows(&self, merges: &[Merges]) -> Result<Vec<Row>, CliError> {
        let runs = self.args.runs.get();
        let bar = ProgressBar::new((runs * merges.len()) as u64).with_style(
            ProgressStyle::with_template("measuring {bar:32} {pos}/{len}")
                .unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        let mut measured: Vec<Measured> = merges.iter().map(|_| Measured::default()).collect();
        for _ in 0..runs {
            for (merges, measured) in merges.iter().zip(&mut measured) {
                self.run(*merges, measured).await?;
                bar.inc(1);
            }
        }
        bar.finish_and_clear();
        let rows = measured.into_iter().filter_map(|measured| {
            Some(Row {
                merge_ms: median(measured.merge_ms),
                rows_ms: median(measured.rows_ms),
                prefill_ms: median(measured.prefill_ms),
                ..measured.row?
            })
        });
        Ok(rows.collect())
    }

    async fn run(&self, merges: Merges, measured: &mut Measured) -> Result<(), CliError> {
        let prefixes = self.windows.iter().map(|window| window.prefix.clone());
        let prefixes: Vec<Vec<u32>> = prefixes.collect();
        let start = Instant::now();
        let merged = merge_batch(self.source.tokens(), &prefixes, merges.0)?;
        measured.merge_ms.push(milliseconds(start));
        let mut embedding = DynamicEmbedding::new(self.source, self.maker, self.args.cache);
        let start = Instant::now();
        let rows = embedding.rows(&merged).await?;
        measured.rows_ms.push(milliseconds(start));
        let score = measured.row.is_none();
        let (mut prefill, mut nats) = (0.0, 0.0);
        for ((window, ids), rows) in self.windows.iter().zip(prefixes).zip(&rows) {
            let prefilled = self.model.prefill(rows, ids).await?;
            prefill += prefilled.elapsed().as_secs_f64() * 1e3;
            if score {
                nats += sum(&prefilled.score(&window.after).await?);
            }
        }
        measured.prefill_ms.push(prefill);
        if score {
            let counts = embedding.counts();
            let plain: usize = self.windows.iter().map(|window| window.prefix.len()).sum();
            let bytes: usize = self.windows.iter().map(|window| window.bytes).sum();
            measured.row = Some(Row {
                merges: merged.merges(),
                tokens: merged.len(),
                saved: 1.0 - merged.len() as f64 / plain.max(1) as f64,
                new_tokens: new_tokens(&merged),
                cache_hits: counts.hits,
                cache_misses: counts.misses,
                merge_ms: 0.0,
                rows_ms: 0.0,
                prefill_ms: 0.0,
                bits_per_byte: nats / LN_2 / bytes.max(1) as f64,
                cut_bits_per_byte: match self.args.cut {
                    true => Some(self.cut(&merged).await? / LN_2 / bytes.max(1) as f64),
                    false => None,
                },
            });
        }
        Ok(())
    }

    /// Nats of what follows the plain prefixes, each cut at its beginning to as many tokens as the
    /// joined one has.
    async fn cut(&self, merged: &Merged) -> Result<f64, CliError> {
        let mut nats = 0.0;
        for (window, joined) in self.windows.iter().zip(merged.texts()) {
            let first = window.prefix.len().saturating_sub(joined.len());
            let kept = window.prefix.get(first..).unwrap_or_default().to_vec();
            let rows = self.source.input().gather(&kept)?;
            let prefilled = self.model.prefill(&rows, kept).await?;
            nats += sum(&prefilled.score(&window.after).await?);
        }
        Ok(nats)
    }
}

fn new_tokens(merged: &Merged) -> usize {
    let tokens = merged.texts().iter().flatten();
    let new: HashSet<&[u8]> = tokens.filter_map(|token| merged.joined(*token)).collect();
    new.len()
}

fn sum(nll: &[f32]) -> f64 {
    nll.iter().map(|nll| f64::from(*nll)).sum()
}

fn milliseconds(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}

/// Of an even number, the lower of the two in the middle.
fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    let middle = times.len().saturating_sub(1) / 2;
    times.get(middle).copied().unwrap_or(f64::NAN)
}

fn table(output: &Output) -> String {
    let mut table = format!(
        "{} windows, {} bytes of prefix, {} bytes scored; rows of joined tokens by {}\n\
         {:>7} {:>7} {:>6} {:>6} {:>6} {:>7} {:>9} {:>8} {:>11} {:>8} {:>8}\n",
        output.windows,
        output.prefix_bytes,
        output.continue_bytes,
        output.rows,
        "merges",
        "tokens",
        "saved",
        "new",
        "hits",
        "misses",
        "merge ms",
        "rows ms",
        "prefill ms",
        "bits/B",
        "if cut",
    );
    for row in &output.merges {
        table.push_str(&format!(
            "{:>7} {:>7} {:>5.1}% {:>6} {:>6} {:>7} {:>9.1} {:>8.1} {:>11.1} {:>8.4} {:>8}\n",
            row.merges,
            row.tokens,
            row.saved * 100.0,
            row.new_tokens,
            row.cache_hits,
            row.cache_misses,
            row.merge_ms,
            row.rows_ms,
            row.prefill_ms,
            row.bits_per_byte,
            row.cut_bits_per_byte
                .map_or_else(String::new, |bits| format!("{bits:.4}")),
        ));
    }
    table
}
