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

mod beam;
mod look;
mod weigh;

use std::sync::Arc;

use lexigraft_text::{ByteVocabulary, CanonicalState, TrieNode};

use super::context::Context;
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
    next: Option<Arc<NextToken>>,
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
}

fn step(next: &NextToken, place: usize) -> f64 {
    f64::from(next.probs.get(place).copied().unwrap_or(0.0)).ln()
}

fn sum(probs: &[f32], range: std::ops::Range<usize>) -> f64 {
    let probs = probs.get(range).unwrap_or_default();
    probs.iter().map(|p| f64::from(*p)).sum()
}
