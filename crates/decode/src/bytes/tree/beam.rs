//! Trees of which only the heaviest heads are kept.

use super::{CoverTree, Head, sum};
use crate::DecodeError;

impl CoverTree {
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
