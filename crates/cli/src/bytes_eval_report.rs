//! What an evaluation of byte-level decoding found, and its tables.

use std::collections::BTreeMap;
use std::io::Write;

use serde::Serialize;

use crate::error::CliError;

/// The methods in the order of their columns.
pub const METHODS: [&str; 5] = [
    "plain",
    "healing",
    "alignment",
    "exact cover",
    "exact bytes",
];

/// How often a method found the bytes of the uncut continuation.
#[derive(Debug, Default, Clone, Copy, Serialize)]
pub struct Matches {
    pub cases: usize,
    pub first_8: usize,
    pub first_16: usize,
}

#[derive(Debug, Default, Serialize)]
pub struct Divergence {
    pub width: usize,
    /// Mean and greatest Jensen-Shannon divergence of a byte's distribution, in nats.
    pub mean: f64,
    pub worst: f64,
    pub evaluations_per_byte: f64,
}

#[derive(Debug, Default, Serialize)]
pub struct Speed {
    pub name: String,
    pub bytes: usize,
    pub seconds: f64,
    pub evaluations: usize,
    pub tokens: usize,
    /// Most evaluations, and most tokens, for one byte.
    pub worst_evaluations: usize,
    pub worst_tokens: usize,
}

impl Speed {
    pub fn rate(&self) -> f64 {
        self.bytes as f64 / self.seconds.max(1e-9)
    }
}

#[derive(Debug, Serialize)]
pub struct Report {
    pub passages: usize,
    /// By what was cut, kind of text, tokens that the cut end takes, and method.
    pub matches: BTreeMap<String, Matches>,
    pub beam: Vec<Divergence>,
    pub speed: Vec<Speed>,
}

/// The report as Markdown tables.
pub fn print(report: &Report, out: &mut impl Write) -> Result<(), CliError> {
    let percent = |part: usize, of: usize| 100.0 * part as f64 / of.max(1) as f64;
    for (cut, title) in [
        ("own", "The model's own next token, cut"),
        (
            "text",
            "The text's token, cut: its rest must be guessed too",
        ),
    ] {
        writeln!(
            out,
            "\n{title}; same next 8 / 16 bytes as the uncut prompt gives, in percent:\n"
        )?;
        write!(out, "| text | cut end is | cases |")?;
        METHODS
            .iter()
            .try_for_each(|name| write!(out, " {name} |"))?;
        writeln!(out, "\n|---|---|---|---|---|---|---|---|")?;
        let mut rows: Vec<(String, String)> = Vec::new();
        for kind in ["prose", "code", "all"] {
            rows.extend(
                ["one token", "several", "any"].map(|end| (kind.to_owned(), end.to_owned())),
            );
        }
        for (kind, end) in rows {
            let of = |method: &str| {
                let fits = |part: &str, want: &str| want == "all" || want == "any" || part == want;
                let entries = report.matches.iter().filter(|(key, _)| {
                    let parts: Vec<&str> = key.split('/').collect();
                    matches!(parts.as_slice(), [c, k, e, m]
                        if *c == cut && fits(k, &kind) && fits(e, &end) && *m == method)
                });
                entries.fold(Matches::default(), |sum, (_, found)| Matches {
                    cases: sum.cases + found.cases,
                    first_8: sum.first_8 + found.first_8,
                    first_16: sum.first_16 + found.first_16,
                })
            };
            write!(out, "| {kind} | {end} | {} |", of("plain").cases)?;
            for name in METHODS {
                let found = of(name);
                let eight = percent(found.first_8, found.cases);
                let sixteen = percent(found.first_16, found.cases);
                write!(out, " {eight:.1} / {sixteen:.1} |")?;
            }
            writeln!(out)?;
        }
    }
    writeln!(
        out,
        "\n| K | JSD mean | JSD worst | evaluations per byte |\n|---|---|---|---|"
    )?;
    for beam in &report.beam {
        writeln!(
            out,
            "| {} | {:.1e} | {:.1e} | {:.2} |",
            beam.width, beam.mean, beam.worst, beam.evaluations_per_byte
        )?;
    }
    writeln!(
        out,
        "\n| decoding | bytes/s | of token-level | evaluations per byte (worst) | tokens per byte (worst) |\n|---|---|---|---|---|"
    )?;
    let base = report.speed.first().map_or(1.0, Speed::rate);
    for speed in &report.speed {
        let per_byte = |count: usize| count as f64 / speed.bytes.max(1) as f64;
        writeln!(
            out,
            "| {} | {:.1} | {:.2} | {:.3} ({}) | {:.3} ({}) |",
            speed.name,
            speed.rate(),
            speed.rate() / base,
            per_byte(speed.evaluations),
            speed.worst_evaluations,
            per_byte(speed.tokens),
            speed.worst_tokens
        )?;
    }
    Ok(())
}
