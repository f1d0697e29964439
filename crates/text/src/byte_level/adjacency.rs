//! Which tokens a byte-pair encoder can put side by side.
//!
//! An encoder joins the best-ranked pair, the leftmost of equals, until none is left. Inside the
//! span of a token of its output it has done exactly what it would do with that span alone. So
//! two tokens stand side by side in some output without a split between them if and only if,
//! while both are being built, no pair across the seam ever comes first; and a sequence is an
//! output if all its neighbours are (Hayase et al., ByteSampler; checked against encoding anew
//! in the tests).
//!
//! Only the symbols next to the seam matter: those on the right edge of the left token's
//! derivation and on the left edge of the right one's.

use super::merges::MergeTable;

/// A symbol that stands at an edge for a while.
#[derive(Debug, Clone, Copy)]
struct Step {
    token: u32,
    /// The symbol is joined inwards when every merge up to this rank has had its turn; `NEVER`
    /// for the token itself.
    until: u32,
}

const NEVER: u32 = u32::MAX;

#[derive(Debug, Clone, Copy, Default)]
struct Span {
    start: u32,
    len: u32,
}

/// How each token of a vocabulary is built, seen from its two edges.
#[derive(Debug)]
pub(crate) struct Adjacency {
    merges: MergeTable,
    steps: Vec<Step>,
    left_edges: Vec<Span>,
    right_edges: Vec<Span>,
    /// Tokens as a forest in which the left half of each is above it: those with a symbol at their
    /// left edge are numbered from its own number on, one after the other.
    numbers: Vec<Span>,
    /// The greatest rank inside a token; only while building.
    tallest: Vec<u32>,
}

enum Meeting {
    /// The tokens stay two.
    Apart,
    /// They are built, then joined by a merge of this rank.
    Joined(u32),
    /// A pair across the seam comes first.
    Crossed,
}

impl Adjacency {
    /// `symbols` are the tokens that an encoder starts from; `merges` as for [`MergeTable`];
    /// `length` gives the bytes of a token.
    pub(crate) fn new(
        symbols: impl Iterator<Item = u32>,
        merges: &[[u32; 3]],
        vocab_size: usize,
        length: impl Fn(u32) -> usize,
    ) -> Self {
        let mut adjacency = Self {
            merges: MergeTable::new(merges, vocab_size),
            steps: Vec::new(),
            left_edges: vec![Span::default(); vocab_size],
            right_edges: vec![Span::default(); vocab_size],
            numbers: vec![Span::default(); vocab_size],
            tallest: vec![0; vocab_size],
        };
        let mut built: Vec<(u32, Option<u32>)> = Vec::with_capacity(vocab_size);
        for symbol in symbols {
            let span = adjacency.push_steps(None, symbol, 0);
            adjacency.set(symbol, span, span, 0);
            built.push((symbol, None));
        }
        // A token is longer than its halves: by length, halves come first.
        let mut order: Vec<(u32, u32)> = (0u32..)
            .zip(merges)
            .map(|(rank, [.., merged])| (length(*merged) as u32, rank))
            .collect();
        order.sort_unstable();
        for (_, rank) in order {
            if let Some([left, right, merged]) = merges.get(rank as usize)
                && adjacency.derive(*left, *right, *merged)
            {
                built.push((*merged, Some(*left)));
            }
        }
        adjacency.number(&built);
        adjacency.tallest = Vec::new();
        adjacency.steps.shrink_to_fit();
        adjacency
    }

    /// Numbers the tokens, given with their left halves and behind them.
    fn number(&mut self, built: &[(u32, Option<u32>)]) {
        let mut free = vec![0u32; self.numbers.len()];
        for (token, above) in built.iter().rev() {
            let len = match self.numbers.get_mut(*token as usize) {
                Some(own) => {
                    own.len += 1;
                    own.len
                }
                None => continue,
            };
            if let Some(above) = above.and_then(|above| self.numbers.get_mut(above as usize)) {
                above.len += len;
            }
        }
        let mut roots = 0;
        for (token, above) in built {
            let len = self.span(&self.numbers, *token).len;
            let next = match above {
                Some(above) => free.get_mut(*above as usize),
                None => Some(&mut roots),
            };
            let Some(next) = next else { continue };
            let start = *next;
            *next += len;
            if let (Some(own), Some(free)) = (
                self.numbers.get_mut(*token as usize),
                free.get_mut(*token as usize),
            ) {
                own.start = start;
                *free = start + 1;
            }
        }
    }

    /// Records that `merged` is built of `left` and `right`, if an encoder builds it so, and tells
    /// whether it does. Of all ways to cut a token in two at most one is.
    fn derive(&mut self, left: u32, right: u32, merged: u32) -> bool {
        if self.is_reachable(merged) || !self.is_reachable(left) || !self.is_reachable(right) {
            return false;
        }
        let Meeting::Joined(rank) = self.meet(left, right) else {
            return false;
        };
        let tall = |token: u32| self.tallest.get(token as usize).copied().unwrap_or(0);
        let (tall_left, tall_right) = (tall(left), tall(right));
        // Whichever half is built first waits for the other, then for the merge of both.
        let (left_until, right_until) = if tall_right < tall_left {
            (rank, rank.max(tall_left))
        } else {
            (rank.max(tall_right), rank)
        };
        let left_span = self.span(&self.left_edges, left);
        let right_span = self.span(&self.right_edges, right);
        let left_edge = self.push_steps(Some(left_span), merged, left_until);
        let right_edge = self.push_steps(Some(right_span), merged, right_until);
        let tallest = tall_left.max(tall_right).max(rank);
        self.set(merged, left_edge, right_edge, tallest);
        true
    }

    /// Where [`After`] looks a token up.
    pub(crate) fn number_of(&self, token: u32) -> u32 {
        self.span(&self.numbers, token).start
    }

    /// Appends the steps of `span`, whose last one now ends, and then the token itself.
    fn push_steps(&mut self, span: Option<Span>, token: u32, until: u32) -> Span {
        let start = self.steps.len();
        if let Some(span) = span {
            let from = span.start as usize;
            self.steps
                .extend_from_within(from..from + span.len as usize);
            if let Some(last) = self.steps.last_mut() {
                last.until = until;
            }
        }
        self.steps.push(Step {
            token,
            until: NEVER,
        });
        Span {
            start: start as u32,
            len: (self.steps.len() - start) as u32,
        }
    }

    fn set(&mut self, token: u32, left: Span, right: Span, tallest: u32) {
        let at = token as usize;
        if let (Some(left_edge), Some(right_edge), Some(tall)) = (
            self.left_edges.get_mut(at),
            self.right_edges.get_mut(at),
            self.tallest.get_mut(at),
        ) {
            (*left_edge, *right_edge, *tall) = (left, right, tallest);
        }
    }

    fn span(&self, edges: &[Span], token: u32) -> Span {
        edges.get(token as usize).copied().unwrap_or_default()
    }

    fn edge(&self, edges: &[Span], token: u32) -> &[Step] {
        let span = self.span(edges, token);
        let start = span.start as usize;
        let steps = self.steps.get(start..start + span.len as usize);
        steps.unwrap_or_default()
    }

    /// Whether the encoder ever writes this token.
    pub(crate) fn is_reachable(&self, token: u32) -> bool {
        self.span(&self.left_edges, token).len > 0
    }

    /// Whether the encoder can write `left` and `right` side by side in one piece of text.
    pub(crate) fn adjacent(&self, left: u32, right: u32) -> bool {
        self.is_reachable(left)
            && self.is_reachable(right)
            && matches!(self.meet(left, right), Meeting::Apart)
    }

    /// Replays what happens at the seam. On the left a merge of equal rank goes first, because
    /// it is further left; a pair across the seam goes before one of equal rank on the right.
    fn meet(&self, left: u32, right: u32) -> Meeting {
        let mut left = self.edge(&self.right_edges, left);
        let mut right = self.edge(&self.left_edges, right);
        while let ([a, left_rest @ ..], [b, right_rest @ ..]) = (left, right) {
            let built = a.until == NEVER && b.until == NEVER;
            if let Some(merge) = self.merges.get(a.token, b.token)
                && a.until > merge.rank
                && b.until >= merge.rank
            {
                return match built {
                    true => Meeting::Joined(merge.rank),
                    false => Meeting::Crossed,
                };
            }
            if built {
                break;
            }
            if a.until <= b.until {
                left = left_rest;
            } else {
                right = right_rest;
            }
        }
        Meeting::Apart
    }

    /// The tokens that [`adjacent`](Self::adjacent) allows after `left`, to be asked many times.
    pub(crate) fn after(&self, left: u32) -> After<'_> {
        let mut suspects = vec![0u64; self.numbers.len() / 64 + 1];
        for step in self.edge(&self.right_edges, left) {
            for (right, merge) in self.merges.row(step.token) {
                if step.until > merge.rank {
                    let span = self.span(&self.numbers, right);
                    fill(&mut suspects, span.start as usize, span.len as usize);
                }
            }
        }
        After {
            adjacency: self,
            left,
            suspects,
        }
    }

    pub(crate) fn merges(&self) -> &MergeTable {
        &self.merges
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.merges.heap_bytes()
            + self.steps.capacity() * size_of::<Step>()
            + (self.left_edges.capacity() + self.right_edges.capacity() + self.numbers.capacity())
                * size_of::<Span>()
    }
}

/// What may stand after one token.
#[derive(Debug)]
pub(crate) struct After<'a> {
    adjacency: &'a Adjacency,
    left: u32,
    /// By number, the tokens that have a symbol at their left edge which could be joined with one
    /// at the left token's right edge. Most have none, and nothing has to be replayed.
    suspects: Vec<u64>,
}

impl After<'_> {
    /// As [`Adjacency::adjacent`], for two tokens that the encoder writes; `number` is the right
    /// one's.
    pub(crate) fn allows(&self, right: u32, number: u32) -> bool {
        let word = self.suspects.get(number as usize / 64).copied();
        word.unwrap_or(0) >> (number % 64) & 1 == 0
            || matches!(self.adjacency.meet(self.left, right), Meeting::Apart)
    }
}

/// Sets `len` bits from `start` on.
fn fill(words: &mut [u64], start: usize, len: usize) {
    let end = start + len;
    for (at, word) in words.iter_mut().enumerate().skip(start / 64) {
        let first = at * 64;
        if first >= end {
            break;
        }
        let from = start.saturating_sub(first);
        let to = (end - first).min(64);
        *word |= (u64::MAX >> (64 - (to - from))) << from;
    }
}
