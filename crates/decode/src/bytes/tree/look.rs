//! The covering sequences of a tree, one by one.

use super::super::cover::ShownCover;
use super::{CoverTree, Head, step};

impl CoverTree {
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
}
