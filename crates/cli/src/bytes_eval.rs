//! Byte-level decoding beside what users know, over passages cut inside a token.

use std::collections::BTreeMap;
use std::io::Write;

use lexigraft_decode::bytes::{
    Beam, ByteEnd, ByteGeneration, ByteGenerationOptions, ByteModel, ByteResult, ByteStep, Context,
    Cost, Estimand, LanguageScorer, NextByte, Precision, TokenGeneration, TokenMethod,
    jensen_shannon,
};
use lexigraft_decode::{GenerationOptions, LanguageModel, SamplerOptions, Step};
use lexigraft_text::ByteVocabulary;
use std::time::Instant;

use crate::bytes_args::BytesEvalArgs;
use crate::bytes_eval_cases::{Passage, cut_of, passages};
use crate::bytes_eval_report::{Divergence, METHODS, Matches, Report, Speed, print};
use crate::error::CliError;
use crate::load;

/// How a prompt is continued.
#[derive(Debug, Clone, Copy)]
enum Method {
    Tokens(TokenMethod),
    /// The likeliest covering sequence, then tokens.
    Cover,
    Bytes,
}

/// In the order of [`METHODS`].
const HOW: [Method; METHODS.len()] = [
    Method::Tokens(TokenMethod::Plain),
    Method::Tokens(TokenMethod::Healing),
    Method::Tokens(TokenMethod::Alignment { tokens: 3 }),
    Method::Cover,
    Method::Bytes,
];

/// Bytes that must be the same.
const COMPARED: [usize; 2] = [8, 16];

/// Bytes of a text whose tokenizations are all summed.
const WINDOW: usize = 8;

const WIDTHS: [usize; 5] = [1, 2, 4, 8, 16];

/// Bytes generated for the clock.
const TIMED: usize = 160;

pub async fn run(args: &BytesEvalArgs) -> Result<(), CliError> {
    let model = load::language_model(&args.model).await?;
    let vocabulary = ByteVocabulary::new(model.tokenizer())?;
    let passages = passages(args, &vocabulary)?;
    let mut eval = Eval {
        context: Context::start(model.tokenizer())?,
        scorer: Some(LanguageScorer::new(model.clone())),
        vocabulary,
        model,
    };
    let mut report = Report {
        passages: passages.len(),
        matches: BTreeMap::new(),
        beam: Vec::new(),
        speed: Vec::new(),
    };
    for (at, passage) in passages.iter().enumerate() {
        eval.compare(at, passage, &mut report.matches).await?;
        if (at + 1).is_multiple_of(20) {
            eprintln!("{} of {} passages", at + 1, passages.len());
        }
    }
    let some = |count: usize| {
        let places = (0..count).map(|at| at * passages.len() / count.max(1));
        places
            .filter_map(|place| passages.get(place))
            .collect::<Vec<_>>()
    };
    report.beam = eval.divergences(&some(args.beam_passages)).await?;
    report.speed = eval.speeds(&some(args.speed_passages)).await?;
    let mut stdout = std::io::stdout().lock();
    if args.json {
        writeln!(stdout, "{}", serde_json::to_string(&report)?)?;
        return Ok(());
    }
    print(&report, &mut stdout)?;
    Ok(())
}

struct Eval {
    model: LanguageModel,
    vocabulary: ByteVocabulary,
    context: Context,
    /// One for all, so that a passage is read once; in a byte model's hands meanwhile.
    scorer: Option<LanguageScorer>,
}

fn greedy(max_bytes: usize) -> ByteGenerationOptions {
    ByteGenerationOptions {
        max_bytes,
        sampler: SamplerOptions {
            temperature: 0.0,
            ..SamplerOptions::default()
        },
        utf8: false,
        tolerance: 0.0,
    }
}

/// At temperature 1 all of the distribution, below it the nucleus that is the default.
fn drawn(temperature: f32, tolerance: f64, seed: u64) -> ByteGenerationOptions {
    let sampler = SamplerOptions {
        temperature,
        top_k: 0,
        seed: Some(seed),
        ..SamplerOptions::default()
    };
    let top_p = if temperature == 1.0 {
        1.0
    } else {
        sampler.top_p
    };
    ByteGenerationOptions {
        max_bytes: TIMED,
        sampler: SamplerOptions { top_p, ..sampler },
        utf8: false,
        tolerance,
    }
}

/// Bytes and, where the text ended, an end behind them.
fn slots(result: &ByteResult, known: &[u8]) -> Vec<u16> {
    let bytes = known.iter().chain(&result.bytes);
    let end = (result.reason == ByteEnd::Stop).then_some(256);
    bytes.map(|byte| u16::from(*byte)).chain(end).collect()
}

impl Eval {
    fn scorer(&mut self) -> LanguageScorer {
        let model = &self.model;
        self.scorer
            .take()
            .unwrap_or_else(|| LanguageScorer::new(model.clone()))
    }

    async fn by_tokens(
        &mut self,
        prompt: &[u8],
        method: TokenMethod,
        max_bytes: usize,
    ) -> Result<ByteResult, CliError> {
        let mut scorer = self.scorer();
        let run = TokenGeneration::new(
            &mut scorer,
            &self.vocabulary,
            &self.context,
            prompt,
            method,
            &greedy(max_bytes),
            Vec::new(),
        );
        let result = run?.finish().await?;
        self.scorer = Some(scorer);
        Ok(result)
    }

    async fn exact(&mut self, prompt: &[u8], max_bytes: usize) -> Result<ByteResult, CliError> {
        let mut model = self.canonical()?;
        let run = ByteGeneration::new(&mut model, prompt, greedy(max_bytes), Vec::new());
        let result = run?.finish().await?;
        self.scorer = Some(model.into_scorer());
        Ok(result)
    }

    async fn covering(&mut self, prompt: &[u8], max_bytes: usize) -> Result<ByteResult, CliError> {
        let mut model = self.canonical()?;
        let options = greedy(max_bytes);
        let run = TokenGeneration::covering(&mut model, prompt, &options, Vec::new());
        let result = run.await?.finish().await?;
        self.scorer = Some(model.into_scorer());
        Ok(result)
    }

    fn canonical(&mut self) -> Result<ByteModel<LanguageScorer>, CliError> {
        let scorer = self.scorer();
        let (vocabulary, context) = (self.vocabulary.clone(), self.context.clone());
        Ok(ByteModel::new(
            vocabulary,
            scorer,
            Estimand::Canonical,
            context,
        )?)
    }

    /// Cuts the passage in two ways and continues it by every method.
    async fn compare(
        &mut self,
        seed: usize,
        passage: &Passage,
        matches: &mut BTreeMap<String, Matches>,
    ) -> Result<(), CliError> {
        let longest = COMPARED.iter().copied().max().unwrap_or(0);
        // The model's own next token, cut: what follows the whole prompt is known for certain.
        let own = self
            .by_tokens(&passage.before, TokenMethod::Plain, 2 * longest)
            .await?;
        if let Some(token) = self.first_token(&passage.before, &own)
            && token > 1
        {
            let cut = cut_of(token, seed);
            let want = slots(&own, b"");
            let (known, want) = want.split_at(cut);
            let known: Vec<u8> = known.iter().filter_map(|s| u8::try_from(*s).ok()).collect();
            self.case("own", passage, &known, want, matches).await?;
        }
        // The text's token, cut: the rest of it must be guessed first.
        let whole = [passage.before.as_slice(), &passage.token].concat();
        let after = self.by_tokens(&whole, TokenMethod::Plain, longest).await?;
        let cut = cut_of(passage.token.len(), seed);
        let (known, rest) = passage.token.split_at(cut);
        let want = slots(&after, rest);
        self.case("text", passage, known, &want, matches).await
    }

    /// The length of the first token of a continuation.
    fn first_token(&self, before: &[u8], own: &ByteResult) -> Option<usize> {
        let whole = [before, &own.bytes].concat();
        let ids = self.vocabulary.encode(&whole).ok()?;
        let first = ids.get(self.vocabulary.encode(before).ok()?.len())?;
        let bytes = self.vocabulary.tokenizer().token_bytes(*first)?;
        own.bytes.starts_with(bytes).then_some(bytes.len())
    }

    async fn case(
        &mut self,
        cut: &str,
        passage: &Passage,
        known: &[u8],
        want: &[u16],
        matches: &mut BTreeMap<String, Matches>,
    ) -> Result<(), CliError> {
        let prompt = [passage.before.as_slice(), known].concat();
        let ids = self.vocabulary.encode(&prompt)?;
        // Whether dropping the last token leads back to the tokens of the passage.
        let single = ids.len() == passage.ids.len() + 1 && ids.starts_with(&passage.ids);
        let kind = if passage.prose { "prose" } else { "code" };
        let end = if single { "one token" } else { "several" };
        let longest = COMPARED.iter().copied().max().unwrap_or(0);
        for (name, method) in METHODS.into_iter().zip(HOW) {
            let result = match method {
                Method::Tokens(method) => self.by_tokens(&prompt, method, longest).await?,
                Method::Cover => self.covering(&prompt, longest).await?,
                Method::Bytes => self.exact(&prompt, longest).await?,
            };
            let have = slots(&result, b"");
            let same = |count: usize| have.iter().take(count).eq(want.iter().take(count));
            let entry = matches
                .entry(format!("{cut}/{kind}/{end}/{name}"))
                .or_default();
            entry.cases += 1;
            entry.first_8 += usize::from(same(8));
            entry.first_16 += usize::from(same(16));
        }
        Ok(())
    }

    /// The beam against the sum over all tokenizations of the last bytes of passages; the
    /// tokens before them are given.
    async fn divergences(&mut self, passages: &[&Passage]) -> Result<Vec<Divergence>, CliError> {
        let mut all: Vec<Divergence> = WIDTHS
            .map(|width| Divergence {
                width,
                ..Divergence::default()
            })
            .into();
        let mut count = 0usize;
        for passage in passages {
            let (context, text) = self.split(passage);
            let mut scorer = Some(self.scorer());
            let mut exact = Vec::new();
            let mut model = self.summed(&mut scorer, None, &context)?;
            for end in 1..=text.len() {
                let prefix = text.get(..end).unwrap_or_default();
                exact.push(model.next_byte(prefix, None, Precision::Exact).await?);
            }
            scorer = Some(model.into_scorer());
            count += text.len();
            for divergence in &mut all {
                let beam = Beam {
                    width: divergence.width,
                    threshold: 0.0,
                };
                let mut model = self.summed(&mut scorer, Some(beam), &context)?;
                let before = model.cost();
                for (end, exact) in (1..).zip(&exact) {
                    let prefix = text.get(..end).unwrap_or_default();
                    let have = model.next_byte(prefix, None, Precision::Exact).await?;
                    let off = jensen_shannon(&have, exact);
                    divergence.mean += off;
                    divergence.worst = divergence.worst.max(off);
                }
                divergence.evaluations_per_byte += (model.cost() - before).evaluations as f64;
                scorer = Some(model.into_scorer());
            }
            self.scorer = scorer;
            eprintln!("beams over {count} bytes");
        }
        for divergence in &mut all {
            divergence.mean /= count.max(1) as f64;
            divergence.evaluations_per_byte /= count.max(1) as f64;
        }
        Ok(all)
    }

    fn summed(
        &self,
        scorer: &mut Option<LanguageScorer>,
        beam: Option<Beam>,
        context: &Context,
    ) -> Result<ByteModel<LanguageScorer>, CliError> {
        let scorer = (scorer.take()).unwrap_or_else(|| LanguageScorer::new(self.model.clone()));
        let estimand = Estimand::All { beam };
        Ok(ByteModel::new(
            self.vocabulary.clone(),
            scorer,
            estimand,
            context.clone(),
        )?)
    }

    /// Whole tokens, and at most a few bytes behind them that end inside the cut token.
    fn split(&self, passage: &Passage) -> (Context, Vec<u8>) {
        let token = passage.token.len();
        let known = passage.token.get(..token / 2).unwrap_or_default();
        let mut text = known.to_vec();
        let mut ids = passage.ids.clone();
        while let Some(last) = ids.last() {
            let bytes = self
                .vocabulary
                .tokenizer()
                .token_bytes(*last)
                .unwrap_or_default();
            if bytes.len() + text.len() > WINDOW {
                break;
            }
            text = [bytes, &text].concat();
            ids.pop();
        }
        let tokens = [self.context.tokens(), &ids].concat();
        (
            Context::of(tokens).unwrap_or_else(|_| self.context.clone()),
            text,
        )
    }

    /// Bytes a second after the prompt, by token and by byte in turn.
    async fn speeds(&mut self, passages: &[&Passage]) -> Result<Vec<Speed>, CliError> {
        let runs = [
            ("bytes, greedy", None),
            ("bytes, drawn", Some((1.0, 0.01))),
            (
                "bytes, drawn, with exact log-probabilities",
                Some((1.0, 0.0)),
            ),
            ("bytes, drawn at 0.7, 1 % left aside", Some((0.7, 0.01))),
            ("bytes, drawn at 0.7, 0.1 % left aside", Some((0.7, 0.001))),
        ];
        let mut speeds: Vec<Speed> = ["tokens, greedy", "bytes of a known text, scored"]
            .iter()
            .chain(runs.iter().map(|(n, _)| n))
            .map(|name| Speed {
                name: (*name).to_owned(),
                ..Speed::default()
            })
            .collect();
        for (seed, passage) in (0u64..).zip(passages) {
            let mut of = speeds.iter_mut();
            if let Some(speed) = of.next() {
                self.time_tokens(passage, speed).await?;
            }
            if let Some(speed) = of.next() {
                self.time_score(passage, speed).await?;
            }
            for ((_, how), speed) in runs.iter().zip(of) {
                let options = match how {
                    None => greedy(TIMED),
                    Some((temperature, tolerance)) => drawn(*temperature, *tolerance, seed),
                };
                self.time_bytes(passage, options, speed).await?;
            }
            eprintln!("timed {} of {}", seed + 1, passages.len());
        }
        Ok(speeds)
    }

    async fn time_tokens(&mut self, passage: &Passage, speed: &mut Speed) -> Result<(), CliError> {
        let bytes = |id: &u32| {
            self.vocabulary
                .tokenizer()
                .token_bytes(*id)
                .unwrap_or_default()
        };
        let start: Vec<u8> = self
            .context
            .tokens()
            .iter()
            .flat_map(bytes)
            .copied()
            .collect();
        let prompt =
            String::from_utf8_lossy(&[start, passage.before.clone()].concat()).into_owned();
        let options = GenerationOptions {
            max_tokens: TIMED / 4,
            sampler: greedy(1).sampler,
            add_special: false,
            ..GenerationOptions::default()
        };
        let mut run = self.model.generate(&prompt, options)?;
        let result = loop {
            if let Step::End(result) = run.next().await? {
                break result;
            }
        };
        // The first token comes from the prompt's own pass.
        let later = result.ids.get(1..).unwrap_or_default();
        speed.bytes += later.iter().map(|id| bytes(id).len()).sum::<usize>();
        speed.seconds += result.decode.as_secs_f64();
        speed.evaluations += later.len();
        speed.tokens += later.len();
        speed.worst_evaluations = 1;
        speed.worst_tokens = 1;
        Ok(())
    }

    async fn time_score(&mut self, passage: &Passage, speed: &mut Speed) -> Result<(), CliError> {
        let mut model = self.canonical()?;
        // The text after the prompt is the passage's own; the prompt is read before.
        let half = passage.before.len() / 2;
        let (prompt, text) = passage.before.split_at(half);
        model.next_byte(prompt, None, Precision::Exact).await?;
        let before = model.cost();
        let start = Instant::now();
        model.score(prompt, text).await?;
        speed.seconds += start.elapsed().as_secs_f64();
        let cost = model.cost() - before;
        speed.bytes += text.len();
        speed.evaluations += cost.evaluations;
        speed.tokens += cost.tokens;
        self.scorer = Some(model.into_scorer());
        Ok(())
    }

    async fn time_bytes(
        &mut self,
        passage: &Passage,
        options: ByteGenerationOptions,
        speed: &mut Speed,
    ) -> Result<(), CliError> {
        let mut model = self.canonical()?;
        let mut run = ByteGeneration::new(&mut model, &passage.before, options, Vec::new())?;
        // The first byte reads the prompt.
        let mut step = run.next().await?;
        let mut before = run.cost();
        let start = Instant::now();
        while let ByteStep::Bytes { .. } = step {
            step = run.next().await?;
            let cost: Cost = run.cost() - before;
            before = run.cost();
            if let ByteStep::Bytes { .. } = step {
                speed.bytes += 1;
            }
            speed.evaluations += cost.evaluations;
            speed.tokens += cost.tokens;
            speed.worst_evaluations = speed.worst_evaluations.max(cost.evaluations);
            speed.worst_tokens = speed.worst_tokens.max(cost.tokens);
        }
        speed.seconds += start.elapsed().as_secs_f64();
        self.scorer = Some(model.into_scorer());
        Ok(())
    }
}
