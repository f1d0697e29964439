//! A language model as a scorer of token sequences.

use lexigraft_models::decoder::{self, KvCache};
use lexigraft_models::device::read_f32;

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
/// that nothing is copied. All that is asked for at once takes one pass through the weights, up to
/// [`PREFILL_CHUNK`] tokens. Branches that parted long ago, as those of a wide beam may, get
/// caches and passes of their own, up to a limit.
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

    /// The place of the branch to run `path` on: the one that shares most with it, unless that would lose
    /// much and there is room for another.
    fn branch_for(&mut self, path: &[u32]) -> Result<usize, DecodeError> {
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
        if let Some(branch) = self.branches.get_mut(place) {
            branch.used = clock;
        }
        Ok(place)
    }

    fn capacity(&self, tokens: usize) -> usize {
        let context = self.context_length();
        (tokens.checked_next_multiple_of(CACHE_GRAIN))
            .unwrap_or(context)
            .min(context)
    }

    /// Runs what is pending and puts the logits that were asked for into `out`.
    async fn run(&mut self, pending: Pending<'_>, out: &mut [Vec<f32>]) -> Result<(), DecodeError> {
        let model = self.model.clone();
        let decoder = model.decoder();
        let ends = pending.pieces.iter().map(|p| p.start + p.ids.len());
        let capacity = self.capacity(ends.max().unwrap_or(0));
        let Some(branch) = self.branches.get_mut(pending.place) else {
            return Ok(());
        };
        if pending.pieces.is_empty() {
            return Ok(());
        }
        // Its ids are those to be; until they are, nothing is known of the cache.
        let ids = std::mem::take(&mut branch.ids);
        if branch.cache.capacity() < capacity {
            let empty = decoder.new_cache(1)?;
            let cache = std::mem::replace(&mut branch.cache, empty);
            branch.cache = decoder.grow_cache(cache, capacity)?;
        }
        let hidden = decoder.forward_branches(&pending.pieces, &mut branch.cache)?;
        self.cost.forwards += 1;
        self.cost.tokens += pending.rows;
        self.cost.evaluations += pending.wanted.len();
        // Rows nobody asks for cost as much as those that somebody does.
        if 2 * pending.wanted.len() > pending.rows {
            let logits = read_f32(decoder.logits(hidden)).await?;
            let width = logits.len() / pending.rows.max(1);
            for (row, path) in &pending.wanted {
                if let (Some(slot), Some(row)) = (
                    out.get_mut(*path),
                    logits.get(row * width..(row + 1) * width),
                ) {
                    *slot = row.to_vec();
                }
            }
        } else {
            for (row, path) in &pending.wanted {
                let row = decoder.row(hidden.clone(), *row);
                if let Some(slot) = out.get_mut(*path) {
                    *slot = model.last_logits(row).await?;
                }
            }
        }
        if let Some(branch) = self.branches.get_mut(pending.place) {
            branch.ids = ids;
        }
        Ok(())
    }
}

/// Tokens that wait to run in one pass on one cache.
#[derive(Debug, Default)]
struct Pending<'a> {
    /// Place of the cache.
    place: usize,
    pieces: Vec<decoder::Branch<'a>>,
    rows: usize,
    /// Rows whose logits are wanted, with the place of the path that ends there.
    wanted: Vec<(usize, usize)>,
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
        let mut pending = Pending::default();
        let chained = |a: &usize, b: &usize| path(b).starts_with(path(a));
        for chain in places.chunk_by(chained) {
            let (Some(shortest), Some(longest)) = (chain.first(), chain.last()) else {
                continue;
            };
            let longest = path(longest);
            let place = self.branch_for(longest)?;
            if place != pending.place {
                self.run(std::mem::take(&mut pending), &mut out).await?;
                pending.place = place;
            }
            let ids = self.branches.get(place).map(|branch| branch.ids.as_slice());
            // The last token of the shortest path runs in any case: its hidden state is what is
            // wanted.
            let most = path(shortest).len().saturating_sub(1);
            let mut at = common(ids.unwrap_or_default(), longest).min(most);
            let mut wanted = chain.iter().peekable();
            while at < longest.len() {
                if pending.rows == PREFILL_CHUNK {
                    self.run(std::mem::take(&mut pending), &mut out).await?;
                    pending.place = place;
                }
                let end = longest.len().min(at + PREFILL_CHUNK - pending.rows);
                let ids = longest.get(at..end).unwrap_or_default();
                while let Some(place) = wanted.next_if(|place| path(place).len() <= end) {
                    let row = pending.rows + path(place).len() - at - 1;
                    pending.wanted.push((row, *place));
                }
                pending.pieces.push(decoder::Branch { start: at, ids });
                pending.rows += ids.len();
                if let Some(branch) = self.branches.get_mut(place) {
                    branch.ids.truncate(at);
                    branch.ids.extend_from_slice(ids);
                }
                at = end;
            }
        }
        self.run(pending, &mut out).await?;
        Ok(out)
    }

    fn cost(&self) -> Cost {
        self.cost
    }
}
