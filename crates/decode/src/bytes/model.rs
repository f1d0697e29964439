//! A tokenized model as a model of bytes.

use std::collections::HashMap;

use lexigraft_text::ByteVocabulary;
use serde::{Deserialize, Serialize};

use super::context::Context;
use super::distribution::{ByteDistribution, Masses, SLOTS};
use super::next_byte::{ByteSet, LocalFuture, NextByte, Precision, READ_AHEAD};
use super::scorer::{Cost, TokenScorer};
use super::tree::CoverTree;
use crate::DecodeError;

/// Which tokenizations of a text its probability is the sum of.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Estimand {
    /// Those that the tokenizer itself writes (arXiv 2410.09303; ByteSampler), renormalised
    /// byte by byte. Few, so that the value is exact at the price of token-level decoding.
    Canonical,
    /// All of them (genlm-bytes); exact without a beam, for texts of a few bytes.
    All {
        #[serde(skip_serializing_if = "Option::is_none", default)]
        beam: Option<Beam>,
    },
}

/// Keep the likeliest tokenizations only.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Beam {
    /// Most of them.
    pub width: usize,
    /// Least share of the mass of all that one must hold.
    pub threshold: f64,
}

impl Beam {
    /// `width` of them, and none that holds less than a hundred-thousandth.
    pub fn new(width: usize) -> Self {
        Self {
            width,
            threshold: 1e-5,
        }
    }
}

/// Log-probabilities of the bytes of a text.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ByteScore {
    /// Sum of `per_byte`, in nats.
    pub log_prob: f64,
    /// Natural log-probability of each byte after those before it.
    pub per_byte: Vec<f32>,
}

/// A token sequence that covers a text.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cover {
    /// Tokens after the context.
    pub tokens: Vec<u32>,
    /// Bytes of the last one beyond the text; none where the text ends with it.
    pub beyond: Vec<u8>,
    /// Natural log-probability among all covering sequences.
    pub log_prob: f64,
}

/// A [`TokenScorer`] that answers for bytes.
///
/// It reads texts from left to right; a text that goes on from the last one costs only what is
/// new.
#[derive(Debug)]
pub struct ByteModel<S> {
    vocabulary: ByteVocabulary,
    scorer: S,
    estimand: Estimand,
    tree: CoverTree,
    context: Context,
    /// Logits after paths that will be asked for.
    ahead: HashMap<Vec<u32>, Vec<f32>>,
}

impl<S: TokenScorer> ByteModel<S> {
    /// # Errors
    /// `unsupported-tokenizer` for canonical tokenizations of a tokenizer whose ways are not
    /// known; `invalid-argument` for a beam without width.
    pub fn new(
        vocabulary: ByteVocabulary,
        scorer: S,
        estimand: Estimand,
        context: Context,
    ) -> Result<Self, DecodeError> {
        if let Estimand::All { beam: Some(beam) } = estimand
            && (beam.width == 0 || !(0.0..1.0).contains(&beam.threshold))
        {
            return Err(DecodeError::InvalidArgument(
                "a beam has a width above 0 and a threshold from 0 to below 1".to_owned(),
            ));
        }
        let canonical = estimand == Estimand::Canonical;
        let tree = CoverTree::new(&vocabulary, canonical, &context)?;
        Ok(Self {
            vocabulary,
            scorer,
            estimand,
            tree,
            context,
            ahead: HashMap::new(),
        })
    }

    pub fn vocabulary(&self) -> &ByteVocabulary {
        &self.vocabulary
    }

    pub fn scorer(&self) -> &S {
        &self.scorer
    }

    pub(super) fn tree(&self) -> &CoverTree {
        &self.tree
    }

    /// The scorer, for another model.
    pub fn into_scorer(self) -> S {
        self.scorer
    }

    /// The tokens that all tokenizations of the last text begin with.
    pub fn trunk(&self) -> &[u32] {
        self.tree.trunk()
    }

    /// How many sequences of whole tokens, and how many covering ones, the last text left.
    pub fn tree_size(&self) -> (usize, usize) {
        (self.tree.node_count(), self.tree.head_count())
    }

    /// Puts other tokens before the text, such as a chat template's.
    ///
    /// # Errors
    /// `no-tokenization` where the vocabulary cannot write what begins every text.
    pub fn set_context(&mut self, context: Context) -> Result<(), DecodeError> {
        self.context = context;
        self.restart()
    }

    fn restart(&mut self) -> Result<(), DecodeError> {
        let canonical = self.estimand == Estimand::Canonical;
        self.tree = CoverTree::new(&self.vocabulary, canonical, &self.context)?;
        Ok(())
    }

    /// Reads `text`, from where it leaves the last one.
    pub(super) async fn read(&mut self, text: &[u8]) -> Result<(), DecodeError> {
        if !text.starts_with(self.tree.text()) {
            self.restart()?;
        }
        let new = text.get(self.tree.text().len()..).unwrap_or_default();
        for byte in new {
            let Estimand::All { beam: Some(beam) } = self.estimand else {
                self.tree.push(*byte)?;
                continue;
            };
            // A beam is cut by what its heads weigh, so their parents must be known.
            self.evaluate_all().await?;
            if self.tree.push(*byte).is_err() {
                self.tree.heal(*byte)?;
                self.evaluate_all().await?;
            }
            self.tree.prune(beam.width, beam.threshold);
        }
        Ok(())
    }

    async fn evaluate_all(&mut self) -> Result<(), DecodeError> {
        let nodes = self.tree.unevaluated();
        self.evaluate(&nodes).await
    }

    pub(super) async fn evaluate(&mut self, nodes: &[usize]) -> Result<(), DecodeError> {
        if nodes.is_empty() {
            return Ok(());
        }
        let mut open = Vec::with_capacity(nodes.len());
        for node in nodes {
            let path = self.tree.path(*node);
            match self.ahead.remove(&path) {
                Some(logits) => self.tree.set(*node, &logits)?,
                None => open.push((*node, path)),
            }
        }
        let paths: Vec<&[u32]> = open.iter().map(|(_, path)| path.as_slice()).collect();
        let logits = self.scorer.logits(&paths).await?;
        for ((node, _), logits) in open.iter().zip(&logits) {
            self.tree.set(*node, logits)?;
        }
        Ok(())
    }

    /// Which nodes there will be does not depend on the model, so that all of them can be
    /// evaluated in one pass.
    async fn look_ahead(&mut self, prefix: &[u8], text: &[u8]) -> Result<(), DecodeError> {
        self.ahead.clear();
        // A beam's nodes depend on what the others weigh, and all tokenizations are many.
        if self.estimand != Estimand::Canonical || self.read(prefix).await.is_err() {
            return Ok(());
        }
        let mut tree = self.tree.clone();
        let mut paths: Vec<Vec<u32>> = Vec::new();
        let last = text.len().saturating_sub(1);
        for byte in [None].into_iter().chain(text.iter().take(last).map(Some)) {
            if byte.is_some_and(|byte| tree.push(*byte).is_err()) {
                break;
            }
            let new = tree.unevaluated().into_iter().map(|node| tree.path(node));
            paths.extend(new);
        }
        paths.sort_unstable();
        paths.dedup();
        let asked: Vec<&[u32]> = paths.iter().map(Vec::as_slice).collect();
        let logits = self.scorer.logits(&asked).await?;
        self.ahead = paths.into_iter().zip(logits).collect();
        Ok(())
    }

    /// Evaluates nodes, the heaviest first, until the masses are known well enough.
    async fn settle(&mut self, enough: impl Fn(&Masses) -> bool) -> Result<Masses, DecodeError> {
        loop {
            let masses = self.tree.masses();
            let heaviest = self.tree.open().first().copied();
            match heaviest {
                Some(open) if open.bound > 0.0 && !enough(&masses) => {
                    self.evaluate(&[open.node]).await?;
                }
                _ => return Ok(masses),
            }
        }
    }

    async fn distribution(
        &mut self,
        prefix: &[u8],
        allowed: Option<&ByteSet>,
        precision: Precision,
    ) -> Result<ByteDistribution, DecodeError> {
        self.read(prefix).await?;
        let masses = match precision {
            Precision::Exact => {
                self.evaluate_all().await?;
                self.tree.masses()
            }
            Precision::Within(share) => self.settle(|masses| masses.within(share)).await?,
            Precision::Likeliest => self.settle(|masses| is_settled(masses, allowed)).await?,
        };
        ByteDistribution::from_masses(&masses).ok_or(DecodeError::NoTokenization {
            byte: prefix.last().copied().unwrap_or(0),
            at: prefix.len().saturating_sub(1),
        })
    }

    /// The token sequences that cover a text, the likeliest first. What comes after one of them
    /// is a matter of tokens again: drawing one and going on token by token is drawing from the
    /// distribution of bytes.
    ///
    /// # Errors
    /// As [`next_byte`](NextByte::next_byte).
    pub async fn covers(&mut self, text: &[u8]) -> Result<Vec<Cover>, DecodeError> {
        self.read(text).await?;
        self.evaluate_all().await?;
        let covers = self.tree.covers();
        let top = covers.first().map_or(0.0, |cover| cover.2);
        let total: f64 = covers.iter().map(|(.., weight)| (weight - top).exp()).sum();
        let log_total = top + total.ln();
        let covers = covers.into_iter();
        let covers = covers.map(|(tokens, beyond, weight)| Cover {
            tokens,
            beyond,
            log_prob: weight - log_total,
        });
        Ok(covers.collect())
    }

    /// The scorer and what stands before texts, for decoding by tokens.
    pub(super) fn parts(&mut self) -> (&mut S, &ByteVocabulary, &Context) {
        (&mut self.scorer, &self.vocabulary, &self.context)
    }

    /// Natural log-probability of each byte of `text` after `prefix` and those before it.
    ///
    /// # Errors
    /// As [`next_byte`](NextByte::next_byte).
    pub async fn score(&mut self, prefix: &[u8], text: &[u8]) -> Result<ByteScore, DecodeError> {
        let mut read = prefix.to_vec();
        let mut per_byte = Vec::with_capacity(text.len());
        for (done, byte) in text.iter().enumerate() {
            if done.is_multiple_of(READ_AHEAD) {
                let end = text.len().min(done + READ_AHEAD);
                self.look_ahead(&read, text.get(done..end).unwrap_or_default())
                    .await?;
            }
            let next = self.distribution(&read, None, Precision::Exact).await?;
            per_byte.push(next.log_prob((*byte).into()));
            read.push(*byte);
        }
        Ok(ByteScore {
            log_prob: per_byte.iter().map(|p| f64::from(*p)).sum(),
            per_byte,
        })
    }
}

/// Whether no open node can change which of the allowed slots is the likeliest.
fn is_settled(masses: &Masses, allowed: Option<&ByteSet>) -> bool {
    let mut best = [0.0f64; 2];
    for slot in 0..SLOTS {
        let mass = masses.slots.get(slot).copied().unwrap_or(0.0);
        if allowed.is_some_and(|allowed| !allowed.contains(slot)) {
            continue;
        }
        if mass > best[0] {
            best = [mass, best[0]];
        } else if mass > best[1] {
            best[1] = mass;
        }
    }
    best[0] > 0.0 && best[0] >= best[1] + masses.unknown
}

impl<S: TokenScorer> NextByte for ByteModel<S> {
    fn next_byte<'a>(
        &'a mut self,
        prefix: &'a [u8],
        allowed: Option<&'a ByteSet>,
        precision: Precision,
    ) -> LocalFuture<'a, Result<ByteDistribution, DecodeError>> {
        Box::pin(self.distribution(prefix, allowed, precision))
    }

    fn draw<'a>(
        &'a mut self,
        prefix: &'a [u8],
        allowed: &'a ByteSet,
        uniform: &'a mut dyn FnMut() -> f64,
    ) -> LocalFuture<'a, Result<Option<(usize, ByteDistribution)>, DecodeError>> {
        Box::pin(self.draw_slot(prefix, allowed, uniform))
    }

    fn read_ahead<'a>(
        &'a mut self,
        prefix: &'a [u8],
        text: &'a [u8],
    ) -> LocalFuture<'a, Result<(), DecodeError>> {
        Box::pin(self.look_ahead(prefix, text))
    }

    fn cost(&self) -> Cost {
        self.scorer.cost()
    }
}
