//! The tree of token sequences that cover a text.
//!
//! A sequence *covers* a text if its bytes begin with the text and those before its last token
//! do not reach the end of it; the probability of the text is the sum over its cover. All that
//! end in the same sequence of whole tokens are kept as one *head*: a node of the tree (the
//! whole tokens) and a node of the vocabulary's trie (the bytes since, with every token that
//! goes on beyond them). Bytes move heads along the trie; where a token ends, a new node grows.
//!
//! With canonical sequences only, all but the last few tokens are soon certain: they are cut
//! from the tree and become its *trunk* (Hayase et al., ByteSampler). Which nodes there are does
//! not depend on the model, so a tree can read any text before anything is computed.

use lexigraft_text::{ByteVocabulary, CanonicalState, TrieNode};

use super::context::Context;
use super::cover::ShownCover;
use super::distribution::{Masses, STOP};
use crate::DecodeError;

/// Most nodes of a tree; each holds a distribution over the vocabulary.
const MOST_NODES: usize = 4096;

/// The distribution of the token after a node.
#[derive(Debug, Clone)]
struct NextToken {
    /// By place in the trie; 0 where the estimand leaves a token out.
    probs: Vec<f32>,
    /// Of all control tokens; 0 where the text may not end here.
    stop: f64,
}

#[derive(Debug, Clone)]
struct Node {
    /// Stands before its children; the root is its own.
    parent: usize,
    token: u32,
    place: usize,
    /// Log-probability of the token after its parent, once that is known.
    log_step: Option<f64>,
    /// Of canonical sequences.
    state: Option<CanonicalState>,
    next: Option<NextToken>,
}

/// All covering sequences with the same whole tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Head {
    node: usize,
    at: TrieNode,
}

/// A node whose distribution is not known, though its weight is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Open {
    pub node: usize,
    /// The mass of the covering sequences through it is at most this, relative to the others.
    pub bound: f64,
}

/// See the [module](self).
#[derive(Debug, Clone)]
pub(super) struct CoverTree {
    vocabulary: ByteVocabulary,
    /// Tokens before the text.
    context: Vec<u32>,
    trunk: Vec<u32>,
    nodes: Vec<Node>,
    heads: Vec<Head>,
    /// What the tokenizer puts before a text, and the text.
    bytes: Vec<u8>,
    prefix: usize,
}

impl CoverTree {
    /// The tree of the empty text after `context`.
    pub fn new(
        vocabulary: &ByteVocabulary,
        canonical: bool,
        context: &Context,
    ) -> Result<Self, DecodeError> {
        let state = canonical.then(|| vocabulary.start()).transpose()?;
        let root = Node {
            parent: 0,
            token: u32::MAX,
            place: usize::MAX,
            log_step: None,
            state,
            next: None,
        };
        let mut tree = Self {
            context: context.tokens.clone(),
            trunk: Vec::new(),
            nodes: vec![root],
            heads: vec![Head {
                node: 0,
                at: vocabulary.trie().root(),
            }],
            bytes: Vec::new(),
            prefix: 0,
            vocabulary: vocabulary.clone(),
        };
        if context.begins_text {
            for byte in vocabulary.prefix() {
                tree.push(*byte)?;
            }
        }
        tree.prefix = tree.bytes.len();
        Ok(tree)
    }

    /// The text read so far.
    pub fn text(&self) -> &[u8] {
        self.bytes.get(self.prefix..).unwrap_or_default()
    }

    /// The tokens that every covering sequence begins with.
    pub fn trunk(&self) -> &[u32] {
        &self.trunk
    }

    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    pub fn head_count(&self) -> usize {
        self.heads.len()
    }

    /// Reads one more byte.
    ///
    /// # Errors
    /// `no-tokenization` if no sequence covers the text then; the tree is as before.
    pub fn push(&mut self, byte: u8) -> Result<(), DecodeError> {
        let mut heads = Vec::with_capacity(self.heads.len() + 1);
        let before = self.nodes.len();
        for head in self.heads.clone() {
            self.advance(head, byte, &mut heads);
        }
        if heads.is_empty() {
            self.nodes.truncate(before);
            return Err(DecodeError::NoTokenization {
                byte,
                at: self.text().len(),
            });
        }
        if self.nodes.len() > MOST_NODES {
            return Err(DecodeError::TooManyTokenizations {
                at: self.text().len(),
                most: MOST_NODES,
            });
        }
        self.bytes.push(byte);
        self.heads = heads;
        self.tidy();
        Ok(())
    }

    fn advance(&mut self, head: Head, byte: u8, heads: &mut Vec<Head>) {
        let root = self.vocabulary.trie().root();
        let Some(at) = self.vocabulary.trie().child(head.at, byte) else {
            return;
        };
        for place in self.vocabulary.trie().ending(at) {
            if let Some(node) = self.grow(head.node, place) {
                heads.push(Head { node, at: root });
            }
        }
        let on = Head { at, ..head };
        if self.is_alive(on) {
            heads.push(on);
        }
    }

    /// A new node for the token at `place` after `parent`, if the estimand has it.
    fn grow(&mut self, parent: usize, place: usize) -> Option<usize> {
        let token = self.vocabulary.trie().id(place);
        let above = self.nodes.get(parent)?;
        let state = match &above.state {
            Some(state) => Some(self.vocabulary.advance(state, token)?),
            None => None,
        };
        let log_step = above.next.as_ref().map(|next| step(next, place));
        self.nodes.push(Node {
            parent,
            token,
            place,
            log_step,
            state,
            next: None,
        });
        Some(self.nodes.len() - 1)
    }

    /// Whether any token that the estimand has goes on beyond the head.
    fn is_alive(&self, head: Head) -> bool {
        let mut beyond = self.vocabulary.trie().beyond(head.at);
        let Some(node) = self.nodes.get(head.node) else {
            return false;
        };
        let Some(state) = &node.state else {
            return !beyond.is_empty();
        };
        if let Some(next) = &node.next
            && sum(&next.probs, beyond.clone()) > 0.0
        {
            return true;
        }
        match self.vocabulary.check(state) {
            Ok(mut check) => beyond.any(|place| check.allows(place)),
            Err(_) => false,
        }
    }

    /// Drops nodes without heads, and moves the beginning that all have in common to the trunk.
    fn tidy(&mut self) {
        let mut alive = vec![false; self.nodes.len()];
        for head in &self.heads {
            if let Some(alive) = alive.get_mut(head.node) {
                *alive = true;
            }
        }
        for place in (1..self.nodes.len()).rev() {
            if alive.get(place) == Some(&true) {
                let parent = self.nodes.get(place).map_or(0, |node| node.parent);
                if let Some(alive) = alive.get_mut(parent) {
                    *alive = true;
                }
            }
        }
        let mut root = 0;
        loop {
            let below = |node: &(usize, &Node)| {
                node.0 != root && node.1.parent == root && alive.get(node.0) == Some(&true)
            };
            let mut children = self.nodes.iter().enumerate().filter(below);
            let only = match (children.next(), children.next()) {
                (Some((place, node)), None) => (place, node.token),
                _ => break,
            };
            if self.heads.iter().any(|head| head.node == root) {
                break;
            }
            if let Some(alive) = alive.get_mut(root) {
                *alive = false;
            }
            self.trunk.push(only.1);
            root = only.0;
        }
        let mut moved = vec![0; self.nodes.len()];
        let mut kept = 0;
        for (alive, moved) in alive.iter().zip(&mut moved) {
            *moved = kept;
            kept += usize::from(*alive);
        }
        let to = |place: usize| moved.get(place).copied().unwrap_or(0);
        let mut flags = alive.iter();
        self.nodes.retain(|_| flags.next() == Some(&true));
        for node in &mut self.nodes {
            node.parent = to(node.parent);
        }
        for head in &mut self.heads {
            head.node = to(head.node);
        }
    }

    /// Log-weights of the nodes, the root's being 0; `None` below a node whose distribution is
    /// not known.
    fn weights(&self) -> Vec<Option<f64>> {
        let mut weights: Vec<Option<f64>> = Vec::with_capacity(self.nodes.len());
        for (place, node) in self.nodes.iter().enumerate() {
            weights.push(match place {
                0 => Some(0.0),
                _ => (weights.get(node.parent).copied().flatten())
                    .and_then(|above| Some(above + node.log_step?)),
            });
        }
        weights
    }

    /// Weights as numbers of a scale on which the greatest is 1.
    fn scaled_weights(&self) -> Vec<Option<f64>> {
        let weights = self.weights();
        let top = weights.iter().flatten().copied();
        let top = top.fold(f64::NEG_INFINITY, f64::max);
        let scale = |weight: f64| {
            if top.is_finite() {
                (weight - top).exp()
            } else {
                0.0
            }
        };
        weights.into_iter().map(|w| w.map(scale)).collect()
    }

    /// Nodes that wait for their distributions, the heaviest first. Those below them wait too
    /// and are not listed.
    pub fn open(&self) -> Vec<Open> {
        let weights = self.scaled_weights();
        let nodes = self.nodes.iter().zip(weights).enumerate();
        let mut open: Vec<Open> = nodes
            .filter(|(_, (node, _))| node.next.is_none())
            .filter_map(|(node, (_, bound))| bound.map(|bound| Open { node, bound }))
            .collect();
        open.sort_by(|a, b| b.bound.total_cmp(&a.bound).then(a.node.cmp(&b.node)));
        open
    }

    /// All nodes without a distribution.
    pub fn unevaluated(&self) -> Vec<usize> {
        let nodes = self.nodes.iter().enumerate();
        nodes
            .filter(|(_, node)| node.next.is_none())
            .map(|(place, _)| place)
            .collect()
    }

    /// The tokens from the first of the context to a node.
    pub fn path(&self, mut node: usize) -> Vec<u32> {
        let mut below = Vec::new();
        while let Some(found) = self.nodes.get(node).filter(|_| node > 0) {
            below.push(found.token);
            node = found.parent;
        }
        let start = self.context.iter().chain(&self.trunk).copied();
        start.chain(below.into_iter().rev()).collect()
    }

    /// Gives a node its distribution: `logits` `[vocab]`.
    ///
    /// # Errors
    /// `device-lost` if no logit is a number.
    pub fn set(&mut self, node: usize, logits: &[f32]) -> Result<(), DecodeError> {
        let Some(found) = self.nodes.get(node) else {
            return Ok(());
        };
        let next = self.next_token(found.state.as_ref(), logits)?;
        for (place, child) in self.nodes.iter_mut().enumerate() {
            if child.parent == node && place != node {
                child.log_step = Some(step(&next, child.place));
            }
        }
        if let Some(found) = self.nodes.get_mut(node) {
            found.next = Some(next);
        }
        Ok(())
    }

    /// The softmax over texts and control tokens; rows of a padded embedding stand for nothing.
    fn next_token(
        &self,
        state: Option<&CanonicalState>,
        logits: &[f32],
    ) -> Result<NextToken, DecodeError> {
        let trie = self.vocabulary.trie();
        let logit = |id: u32| match logits.get(id as usize) {
            Some(logit) if !logit.is_nan() => *logit,
            _ => f32::NEG_INFINITY,
        };
        let stops = self.vocabulary.stop_ids();
        let texts = 0..trie.len();
        let all = texts
            .clone()
            .map(|place| trie.id(place))
            .chain(stops.iter().copied());
        let top = all.map(logit).fold(f32::NEG_INFINITY, f32::max);
        if !top.is_finite() {
            return Err(DecodeError::Model(
                lexigraft_models::ModelError::DeviceLost("the logits hold no numbers".to_owned()),
            ));
        }
        let mut probs: Vec<f32> = texts
            .map(|place| (logit(trie.id(place)) - top).exp())
            .collect();
        let mut stop: f64 = stops
            .iter()
            .map(|id| f64::from(logit(*id) - top).exp())
            .sum();
        let total = probs.iter().map(|p| f64::from(*p)).sum::<f64>() + stop;
        stop /= total;
        let scale = (1.0 / total) as f32;
        for p in &mut probs {
            *p *= scale;
        }
        if let Some(state) = state {
            let mut check = self.vocabulary.check(state)?;
            for (place, p) in probs.iter_mut().enumerate() {
                if !check.allows(place) {
                    *p = 0.0;
                }
            }
            if !state.is_complete() {
                stop = 0.0;
            }
        }
        Ok(NextToken { probs, stop })
    }

    /// The masses of the next byte, as far as distributions are known.
    pub fn masses(&self) -> Masses {
        let weights = self.scaled_weights();
        let mut masses = Masses::default();
        for (node, weight) in self.nodes.iter().zip(&weights) {
            if let (None, Some(weight)) = (&node.next, weight) {
                masses.unknown += weight;
            }
        }
        for head in &self.heads {
            let node = self
                .nodes
                .get(head.node)
                .and_then(|node| node.next.as_ref());
            let weight = weights.get(head.node).copied().flatten();
            if let (Some(next), Some(weight)) = (node, weight) {
                self.add_masses(head.at, next, weight, &mut masses);
            }
        }
        masses
    }

    fn add_masses(&self, at: TrieNode, next: &NextToken, weight: f64, masses: &mut Masses) {
        let trie = self.vocabulary.trie();
        if at.depth() == 0 {
            for byte in 0..=255u8 {
                if let Some(child) = trie.child(at, byte) {
                    masses.add(byte.into(), weight * sum(&next.probs, child.tokens()));
                }
            }
            masses.add(STOP, weight * next.stop);
            return;
        }
        for place in trie.beyond(at) {
            let p = next.probs.get(place).copied().unwrap_or(0.0);
            if let (true, Some(byte)) = (p > 0.0, trie.token(place).get(at.depth())) {
                masses.add(usize::from(*byte), weight * f64::from(p));
            }
        }
    }

    /// The covering sequences whose nodes are evaluated, the likeliest first: tokens after the
    /// context, bytes beyond the text, and log-weights that need not be normalised. A sequence
    /// of whole tokens stands for all that go on from it.
    pub fn covers(&self) -> Vec<(Vec<u32>, Vec<u8>, f64)> {
        let weights = self.weights();
        let trie = self.vocabulary.trie();
        let mut covers = Vec::new();
        for head in &self.heads {
            let Some(weight) = weights.get(head.node).copied().flatten() else {
                continue;
            };
            let tokens = self.path(head.node).split_off(self.context.len());
            if head.at.depth() == 0 {
                covers.push((tokens, Vec::new(), weight));
                continue;
            }
            let node = self.nodes.get(head.node);
            let Some(next) = node.and_then(|node| node.next.as_ref()) else {
                continue;
            };
            for place in trie.beyond(head.at) {
                let log_prob = step(next, place);
                if log_prob > f64::NEG_INFINITY {
                    let beyond = trie.token(place).get(head.at.depth()..);
                    covers.push((
                        [tokens.as_slice(), &[trie.id(place)]].concat(),
                        beyond.unwrap_or_default().to_vec(),
                        weight + log_prob,
                    ));
                }
            }
        }
        covers.sort_by(|a, b| b.2.total_cmp(&a.2));
        covers
    }

    /// Masses of the heads; an upper bound where a distribution is not known.
    fn head_masses(&self) -> Vec<f64> {
        let weights = self.scaled_weights();
        let trie = self.vocabulary.trie();
        let mass = |head: &Head| {
            let weight = weights.get(head.node).copied().flatten().unwrap_or(0.0);
            let next = self
                .nodes
                .get(head.node)
                .and_then(|node| node.next.as_ref());
            match next {
                Some(next) if head.at.depth() > 0 => {
                    weight * sum(&next.probs, trie.beyond(head.at))
                }
                _ => weight,
            }
        };
        self.heads.iter().map(mass).collect()
    }

    /// What the heads stand for, unscaled, each with its `top` likeliest next tokens.
    pub fn shown_covers(&self, top: usize) -> Vec<ShownCover> {
        let weights = self.scaled_weights();
        let trie = self.vocabulary.trie();
        let first = self.context.len() + self.trunk.len();
        let cover = |head: &Head| {
            let next = self.nodes.get(head.node)?.next.as_ref()?;
            let weight = weights.get(head.node).copied().flatten()?;
            let share = |place: usize| {
                let p = next.probs.get(place).copied().unwrap_or(0.0);
                (place, weight * f64::from(p))
            };
            let mut places: Vec<(usize, f64)> = trie
                .beyond(head.at)
                .map(share)
                .filter(|(_, share)| *share > 0.0)
                .collect();
            let all: f64 = places.iter().map(|(_, share)| share).sum();
            places.sort_by(|a, b| b.1.total_cmp(&a.1));
            places.truncate(top);
            let path = self.path(head.node);
            let pending = self.bytes.len().saturating_sub(head.at.depth());
            Some(ShownCover {
                tokens: path.get(first..).unwrap_or_default().to_vec(),
                pending: self.bytes.get(pending..).unwrap_or_default().to_vec(),
                share: all,
                next: (places.iter())
                    .map(|(place, share)| (trie.id(*place), *share))
                    .collect(),
            })
        };
        self.heads.iter().filter_map(cover).collect()
    }

    /// Keeps the `width` heaviest heads of those that hold at least `threshold` of all mass.
    pub fn prune(&mut self, width: usize, threshold: f64) {
        let masses = self.head_masses();
        let floor = masses.iter().sum::<f64>() * threshold;
        let mut order: Vec<usize> = (0..self.heads.len()).collect();
        let mass = |head: usize| masses.get(head).copied().unwrap_or(0.0);
        order.sort_by(|a, b| mass(*b).total_cmp(&mass(*a)).then(a.cmp(b)));
        let cut = order.iter().position(|head| mass(*head) < floor);
        order.truncate(cut.unwrap_or(order.len()).min(width).max(1));
        order.sort_unstable();
        let kept = order.iter().filter_map(|head| self.heads.get(*head));
        self.heads = kept.copied().collect();
        self.tidy();
    }

    /// Reads a byte that no head goes on with: each head's open bytes are cut into the longest
    /// tokens instead, so that a pruned tree has covers again (all tokenizations only).
    ///
    /// # Errors
    /// `no-tokenization` where the vocabulary cannot write these bytes at all.
    pub fn heal(&mut self, byte: u8) -> Result<(), DecodeError> {
        let mut heads = Vec::new();
        for head in self.heads.clone() {
            let start = self.bytes.len().saturating_sub(head.at.depth());
            let open = [self.bytes.get(start..).unwrap_or_default(), &[byte]].concat();
            self.cut(head.node, &open, &mut heads);
        }
        if heads.is_empty() {
            return Err(DecodeError::NoTokenization {
                byte,
                at: self.text().len(),
            });
        }
        self.bytes.push(byte);
        self.heads = heads;
        self.tidy();
        Ok(())
    }

    fn cut(&mut self, mut node: usize, mut open: &[u8], heads: &mut Vec<Head>) {
        loop {
            let found = self.vocabulary.trie().find(open);
            if let Some(at) = found.filter(|at| !self.vocabulary.trie().beyond(*at).is_empty()) {
                heads.push(Head { node, at });
                if open.is_empty() {
                    return;
                }
            }
            let Some((len, place)) = self.vocabulary.trie().longest_match(open) else {
                return;
            };
            let Some(grown) = self.grow(node, place) else {
                return;
            };
            (node, open) = (grown, open.get(len..).unwrap_or_default());
        }
    }
}

fn step(next: &NextToken, place: usize) -> f64 {
    f64::from(next.probs.get(place).copied().unwrap_or(0.0)).ln()
}

fn sum(probs: &[f32], range: std::ops::Range<usize>) -> f64 {
    let probs = probs.get(range).unwrap_or_default();
    probs.iter().map(|p| f64::from(*p)).sum()
}
