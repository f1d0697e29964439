//! A language model as a scorer of token sequences.

use burn::tensor::Tensor;
use lexigraft_models::decoder::KvCache;

use super::scorer::{Cost, TokenScorer, common, order};
use crate::generation::PREFILL_CHUNK;
use crate::{DecodeError, LanguageModel};

/// A cache grows by this many tokens.
const CACHE_GRAIN: usize = 256;

/// A branch is rewritten in place if it is at most this long; of longer ones several are kept.
const SHORT_BRANCH: usize = 8;

/// Keys and values of one sequence, and the sequence.
#[derive(Debug)]
struct Branch {
    cache: KvCache,
    ids: Vec<u32>,
    used: usize,
}

/// Runs a [`LanguageModel`] over trees of tokens.
///
/// The paths that are asked for have a long beginning in common, the trunk, and short branches.
/// The trunk stays in the cache; a branch is cut off and the next one written in its place, so
/// that nothing is copied. Paths that are beginnings of one another take one pass. Branches
/// that parted long ago, as those of a wide beam may, get caches of their own, up to a limit.
#[derive(Debug)]
pub struct LanguageScorer {
    model: LanguageModel,
    branches: Vec<Branch>,
    most_branches: usize,
    clock: usize,
    cost: Cost,
}

impl LanguageScorer {
    /// A scorer with one cache.
    pub fn new(model: LanguageModel) -> Self {
        Self {
            model,
            branches: Vec::new(),
            most_branches: 1,
            clock: 0,
            cost: Cost::default(),
        }
    }

    /// Keeps up to `caches` sequences that parted long ago (at least one), each with memory of
    /// its own.
    pub fn with_caches(mut self, caches: usize) -> Self {
        self.most_branches = caches.max(1);
        self
    }

    pub fn model(&self) -> &LanguageModel {
        &self.model
    }

    /// The branch to run `path` on: the one that shares most with it, unless that would lose
    /// much and there is room for another.
    fn branch_for(&mut self, path: &[u32]) -> Result<&mut Branch, DecodeError> {
        self.clock += 1;
        let shared = |branch: &Branch| common(&branch.ids, path);
        let best = (self.branches.iter().enumerate())
            .max_by_key(|(_, branch)| (shared(branch), branch.used))
            .map(|(place, branch)| (place, branch.ids.len() - shared(branch)));
        let place = match best {
            Some((place, lost)) if lost <= SHORT_BRANCH => place,
            _ if self.branches.len() < self.most_branches => {
                self.branches.push(Branch {
                    cache: self.model.decoder().new_cache(self.capacity(path.len()))?,
                    ids: Vec::new(),
                    used: 0,
                });
                self.branches.len() - 1
            }
            // The one that was not used for longest makes room.
            _ => {
                let oldest = self.branches.iter().enumerate();
                let oldest = oldest.min_by_key(|(_, branch)| branch.used);
                oldest.map_or(0, |(place, _)| place)
            }
        };
        let clock = self.clock;
        let branch = self.branches.get_mut(place).ok_or(DecodeError::Aborted)?;
        branch.used = clock;
        Ok(branch)
    }

    fn capacity(&self, tokens: usize) -> usize {
        let context = self.context_length();
        (tokens.checked_next_multiple_of(CACHE_GRAIN))
            .unwrap_or(context)
            .min(context)
    }

    /// Runs a path and reads the logits after each of `lengths` of its tokens, ascending and
    /// not empty; the last one is the whole path.
    async fn run(&mut self, path: &[u32], lengths: &[usize]) -> Result<Vec<Vec<f32>>, DecodeError> {
        let model = self.model.clone();
        let decoder = model.decoder();
        let capacity = self.capacity(path.len());
        let branch = self.branch_for(path)?;
        // The last token of each length runs in any case: its hidden state is what is wanted.
        let first = lengths.first().copied().unwrap_or(path.len());
        let keep = common(&branch.ids, path).min(first.saturating_sub(1));
        branch.cache.truncate(keep);
        branch.ids.truncate(keep);
        if branch.cache.capacity() < path.len() {
            let empty = decoder.new_cache(1)?;
            let cache = std::mem::replace(&mut branch.cache, empty);
            branch.cache = decoder.grow_cache(cache, capacity)?;
        }
        let mut logits = Vec::with_capacity(lengths.len());
        let mut wanted = lengths.iter().copied().peekable();
        let (mut forwards, mut at) = (0, keep);
        while at < path.len() {
            let end = path.len().min(at + PREFILL_CHUNK);
            let chunk = path.get(at..end).unwrap_or_default();
            let hidden: Tensor<2> = decoder.forward(chunk, &mut branch.cache)?;
            branch.ids.extend_from_slice(chunk);
            forwards += 1;
            while let Some(length) = wanted.next_if(|length| *length <= end) {
                let row = decoder.row(hidden.clone(), length - at - 1);
                logits.push(model.last_logits(row).await?);
            }
            at = end;
        }
        self.cost.forwards += forwards;
        self.cost.tokens += path.len() - keep;
        self.cost.evaluations += logits.len();
        Ok(logits)
    }
}

impl TokenScorer for LanguageScorer {
    fn context_length(&self) -> usize {
        self.model.info().context_length
    }

    async fn logits(&mut self, paths: &[&[u32]]) -> Result<Vec<Vec<f32>>, DecodeError> {
        let context = self.context_length();
        if let Some(long) = paths.iter().find(|path| path.len() > context) {
            return Err(DecodeError::PromptTooLong {
                tokens: long.len(),
                context,
            });
        }
        if paths.iter().any(|path| path.is_empty()) {
            return Err(DecodeError::InvalidArgument(
                "a model scores what follows at least one token".to_owned(),
            ));
        }
        let places = order(paths);
        let path = |place: &usize| paths.get(*place).copied().unwrap_or_default();
        let mut out = vec![Vec::new(); paths.len()];
        let chained = |a: &usize, b: &usize| path(b).starts_with(path(a));
        for chain in places.chunk_by(chained) {
            let Some(longest) = chain.last() else {
                continue;
            };
            let mut lengths: Vec<usize> = chain.iter().map(|place| path(place).len()).collect();
            lengths.dedup();
            let logits = self.run(path(longest), &lengths).await?;
            for place in chain {
                let length = path(place).len();
                let row = lengths.iter().position(|known| *known == length);
                if let (Some(row), Some(slot)) = (row, out.get_mut(*place)) {
                    *slot = logits.get(row).cloned().unwrap_or_default();
                }
            }
        }
        Ok(out)
    }

    fn cost(&self) -> Cost {
        self.cost
    }
}
