//! What the nodes and heads of a tree weigh.

use std::sync::Arc;

use lexigraft_text::{CanonicalState, TrieNode};

use super::super::distribution::{Masses, STOP};
use super::{CoverTree, NextToken, Open, step, sum};
use crate::DecodeError;

impl CoverTree {
    /// Log-weights of the nodes, the root's being 0; `None` below a node whose distribution is
    /// not known.
    pub(super) fn weights(&self) -> Vec<Option<f64>> {
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
    pub(super) fn scaled_weights(&self) -> Vec<Option<f64>> {
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

    /// The masses of the heads at a node and below it, as far as they are known, and the nodes below
    /// it that wait for their distributions.
    pub fn below(&self, node: usize) -> (Masses, Vec<Open>) {
        let weights = self.scaled_weights();
        let mut masses = Masses::default();
        let mut open = Vec::new();
        let mut inside = vec![false; self.nodes.len()];
        for (place, found) in self.nodes.iter().enumerate() {
            let is_below = place != found.parent && inside.get(found.parent) == Some(&true);
            let weight = weights.get(place).copied().flatten();
            let (true, Some(weight)) = (place == node || is_below, weight) else {
                continue;
            };
            let Some(next) = &found.next else {
                masses.unknown += weight;
                open.push(Open {
                    node: place,
                    bound: weight,
                });
                continue;
            };
            if let Some(inside) = inside.get_mut(place) {
                *inside = true;
            }
            for head in self.heads.iter().filter(|head| head.node == place) {
                self.add_masses(head.at, next, weight, &mut masses);
            }
        }
        (masses, open)
    }

    /// All nodes without a distribution.
    pub fn unevaluated(&self) -> Vec<usize> {
        let nodes = self.nodes.iter().enumerate();
        nodes
            .filter(|(_, node)| node.next.is_none())
            .map(|(place, _)| place)
            .collect()
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
            found.next = Some(Arc::new(next));
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
}
