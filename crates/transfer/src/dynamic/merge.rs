//! Greedy joins over a batch.

use std::collections::HashMap;

use super::pairs::{Pair, Pairs};
use super::rule::may_be_token;
use crate::{TokenTable, TransferError};

/// A batch after its joins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    texts: Vec<Vec<u32>>,
    /// Bytes of the tokens from `first` on.
    joined: Vec<Box<[u8]>>,
    first: u32,
    merges: usize,
}

impl Merged {
    /// The tokens of each text, in the order of the batch. An id below the size of the vocabulary
    /// is the vocabulary's; of the others [`joined`](Self::joined) knows the bytes.
    pub fn texts(&self) -> &[Vec<u32>] {
        &self.texts
    }

    /// The bytes of a token that the vocabulary lacks.
    pub fn joined(&self, token: u32) -> Option<&[u8]> {
        let at = token.checked_sub(self.first)?;
        self.joined.get(at as usize).map(AsRef::as_ref)
    }

    /// How many pairs were joined: fewer than were asked for where no pair was left.
    pub fn merges(&self) -> usize {
        self.merges
    }

    /// Tokens of the whole batch.
    pub fn len(&self) -> usize {
        self.texts.iter().map(Vec::len).sum()
    }

    /// Whether the batch has no token.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Joins the most frequent pair of neighbours that [`may_join`](super::may_join), all over the
/// batch and from left to right, `merges` times or until none is left.
///
/// How often a pair occurs is the number of places where it begins, those that overlap included. Of
/// pairs that are as frequent, the one is joined that the batch, read from its first text on, shows
/// first at that time; so only where frequencies tie can the order of the texts make a difference.
/// A joined token whose bytes the vocabulary has is the vocabulary's.
///
/// # Errors
/// `invalid-argument` as by [`may_join`](super::may_join), and for more than 2^32 tokens.
pub fn merge_batch(
    tokens: &TokenTable,
    texts: &[Vec<u32>],
    merges: usize,
) -> Result<Merged, TransferError> {
    let mut names = Names::new(tokens)?;
    let mut chain = Chain::new(texts);
    let mut pairs = Pairs::default();
    for place in 0..chain.nodes.len() {
        if let Some(pair) = chain.pair(place)
            && names.join(pair)?.is_some()
        {
            pairs.add(pair, place);
        }
    }
    pairs.queue_all();
    let mut done = 0;
    while done < merges
        && let Some((pair, places)) = pairs.pop()
    {
        let Some(joined) = names.join(pair)? else {
            continue;
        };
        let mut changed = Vec::new();
        for place in places {
            // In `aaa` the second pair is gone when the first is joined.
            if chain.pair(place) != Some(pair) {
                continue;
            }
            for (lost, at) in chain.lost(place) {
                pairs.remove(lost, at);
                changed.push(lost);
            }
            chain.join(place, joined);
            for (new, at) in chain.made(place) {
                if names.join(new)?.is_some() {
                    pairs.add(new, at);
                    changed.push(new);
                }
            }
        }
        changed.sort_unstable();
        changed.dedup();
        for pair in changed {
            pairs.queue(pair);
        }
        done += 1;
    }
    Ok(Merged {
        texts: chain.texts(texts.len()),
        joined: names.joined,
        first: names.first,
        merges: done,
    })
}

/// Tokens that are made on the way.
struct Names<'t> {
    tokens: &'t TokenTable,
    first: u32,
    joined: Vec<Box<[u8]>>,
    ids: HashMap<Box<[u8]>, u32>,
    known: HashMap<Pair, Option<u32>>,
}

impl<'t> Names<'t> {
    fn new(tokens: &'t TokenTable) -> Result<Self, TransferError> {
        Ok(Self {
            first: number(tokens.len())?,
            tokens,
            joined: Vec::new(),
            ids: HashMap::new(),
            known: HashMap::new(),
        })
    }

    /// The bytes of a token of text.
    fn bytes(&self, token: u32) -> Option<&[u8]> {
        match token.checked_sub(self.first) {
            Some(at) => self.joined.get(at as usize).map(AsRef::as_ref),
            None => {
                let bytes = self.tokens.bytes(token)?;
                (!self.tokens.is_special(token)).then_some(bytes)
            }
        }
    }

    /// The token that two tokens become, where they may be joined.
    fn join(&mut self, pair: Pair) -> Result<Option<u32>, TransferError> {
        if let Some(known) = self.known.get(&pair) {
            return Ok(*known);
        }
        let joined = self.name(pair)?;
        self.known.insert(pair, joined);
        Ok(joined)
    }

    fn name(&mut self, (left, right): Pair) -> Result<Option<u32>, TransferError> {
        let (Some(left), Some(right)) = (self.bytes(left), self.bytes(right)) else {
            return Ok(None);
        };
        if !may_be_token(self.tokens, left, right)? {
            return Ok(None);
        }
        let bytes: Box<[u8]> = [left, right].concat().into();
        let known = self.tokens.find(&bytes);
        if let Some(id) = known.or_else(|| self.ids.get(&bytes).copied()) {
            return Ok(Some(id));
        }
        let id = number(self.first as usize + self.joined.len())?;
        self.joined.push(bytes.clone());
        self.ids.insert(bytes, id);
        Ok(Some(id))
    }
}

/// The largest id is kept for places that are gone.
fn number(token: usize) -> Result<u32, TransferError> {
    let id = u32::try_from(token).ok().filter(|id| *id < GONE);
    id.ok_or_else(|| {
        TransferError::InvalidArgument("a batch has more than 2^32 different tokens".to_owned())
    })
}

const GONE: u32 = u32::MAX;

/// All texts, one after the other, each token with its neighbours in its text.
struct Chain {
    nodes: Vec<Node>,
}

struct Node {
    /// [`GONE`] where it is joined to one before.
    token: u32,
    text: usize,
    before: Option<usize>,
    after: Option<usize>,
}

impl Chain {
    fn new(texts: &[Vec<u32>]) -> Self {
        let mut nodes: Vec<Node> = Vec::new();
        for (text, tokens) in texts.iter().enumerate() {
            let start = nodes.len();
            let end = start + tokens.len();
            nodes.extend((start..end).zip(tokens).map(|(place, token)| Node {
                token: *token,
                text,
                before: place.checked_sub(1).filter(|at| *at >= start),
                after: Some(place + 1).filter(|at| *at < end),
            }));
        }
        Self { nodes }
    }

    /// The pair that begins at a place.
    fn pair(&self, place: usize) -> Option<Pair> {
        let node = self.nodes.get(place)?;
        let after = self.nodes.get(node.after?)?;
        (node.token != GONE).then_some((node.token, after.token))
    }

    /// The pairs that a join at `place` takes away, with their places.
    fn lost(&self, place: usize) -> Vec<(Pair, usize)> {
        let node = &self.nodes[place];
        self.pairs([node.before, Some(place), node.after])
    }

    /// The pairs that it has made.
    fn made(&self, place: usize) -> Vec<(Pair, usize)> {
        self.pairs([self.nodes[place].before, Some(place)])
    }

    fn pairs<const N: usize>(&self, places: [Option<usize>; N]) -> Vec<(Pair, usize)> {
        let places = places.into_iter().flatten();
        places.filter_map(|at| Some((self.pair(at)?, at))).collect()
    }

    /// The token at `place` and the one after become `joined`.
    fn join(&mut self, place: usize, joined: u32) {
        let Some(right) = self.nodes[place].after else {
            return;
        };
        let next = self.nodes[right].after;
        self.nodes[right].token = GONE;
        self.nodes[right].after = None;
        self.nodes[place].token = joined;
        self.nodes[place].after = next;
        if let Some(next) = next {
            self.nodes[next].before = Some(place);
        }
    }

    fn texts(&self, count: usize) -> Vec<Vec<u32>> {
        let mut texts = vec![Vec::new(); count];
        for node in self.nodes.iter().filter(|node| node.token != GONE) {
            texts[node.text].push(node.token);
        }
        texts
    }
}
