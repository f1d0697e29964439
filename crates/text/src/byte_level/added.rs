//! Tokens that are found in a text before it is split: leftmost first, of those the longest.

use super::trie::VocabularyTrie;

/// The contents of added tokens that are text.
#[derive(Debug)]
pub(crate) struct AddedTokens {
    trie: VocabularyTrie,
    first: [bool; 256],
}

/// The end of a text that an added token may still take, and the tokens that start in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Recent {
    bytes: Vec<u8>,
    /// Start in `bytes`, length, id.
    tokens: Vec<(usize, usize, u32)>,
}

impl AddedTokens {
    pub(crate) fn new<'a>(tokens: impl Iterator<Item = (u32, &'a [u8])>) -> Self {
        let trie = VocabularyTrie::new(tokens);
        let mut first = [false; 256];
        for place in 0..trie.len() {
            if let Some(byte) = trie.token(place).first() {
                first[usize::from(*byte)] = true;
            }
        }
        Self { trie, first }
    }

    /// Whether an added token may start in `bytes`.
    pub(crate) fn may_start_in(&self, bytes: &[u8]) -> bool {
        !self.trie.is_empty() && bytes.iter().any(|byte| self.first[usize::from(*byte)])
    }

    /// Cuts `text` at added tokens: `(start, end, id)` of each.
    pub(crate) fn find(&self, text: &[u8]) -> Vec<(usize, usize, u32)> {
        let (mut found, mut at) = (Vec::new(), 0);
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            match self.trie.longest_match(rest) {
                Some((len, place)) => {
                    found.push((at, at + len, self.trie.id(place)));
                    at += len;
                }
                None => at += 1,
            }
        }
        found
    }

    /// What is recent after one more token, if the added tokens in the text are then exactly
    /// those in the sequence; `is_added` tells whether the new one claims to be one of them.
    pub(crate) fn push(
        &self,
        recent: &Recent,
        id: u32,
        bytes: &[u8],
        is_added: bool,
    ) -> Option<Recent> {
        if recent.bytes.is_empty() && !is_added && !self.may_start_in(bytes) {
            return Some(Recent::default());
        }
        let start = recent.bytes.len();
        let mut next = recent.clone();
        next.bytes.extend_from_slice(bytes);
        next.tokens.push((start, bytes.len(), id));
        let found = self.find(&next.bytes);
        let mut claimed = !is_added;
        for (from, to, id) in &found {
            next.tokens
                .iter()
                .find(|(at, len, token)| at == from && from + len == *to && token == id)?;
            claimed |= *from == start;
        }
        if !claimed {
            return None;
        }
        // Keep what an added token may still start in.
        let closed = |at: usize| found.iter().any(|(from, to, _)| *from < at && at < *to);
        let open = (0..next.bytes.len()).find(|at| {
            let rest = next.bytes.get(*at..).unwrap_or_default();
            let node = self.trie.find(rest);
            !closed(*at) && node.is_some_and(|node| !self.trie.beyond(node).is_empty())
        });
        let open = open.unwrap_or(next.bytes.len());
        next.bytes.drain(..open);
        next.tokens
            .retain_mut(|(at, ..)| match at.checked_sub(open) {
                Some(moved) => {
                    *at = moved;
                    true
                }
                None => false,
            });
        if next.bytes.is_empty() {
            next.tokens.clear();
        }
        Some(next)
    }
}
