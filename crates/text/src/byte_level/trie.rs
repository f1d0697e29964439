//! A vocabulary as a trie without nodes.
//!
//! Tokens sorted by their bytes are a trie already: the tokens below a node are a range of the
//! list, and a step down is a binary search in that range. Nothing is allocated for each node,
//! so a vocabulary of 200,000 tokens takes a sort to build and a few bytes a token to keep.

use std::ops::Range;

/// Tokens in the order of their bytes.
#[derive(Debug, Clone)]
pub struct VocabularyTrie {
    ids: Vec<u32>,
    /// `starts[i]..starts[i + 1]` are the bytes of the token at place `i`.
    starts: Vec<u32>,
    bytes: Vec<u8>,
    /// Where the tokens that start with each byte begin; a step from the root is the most
    /// frequent one.
    first: Vec<u32>,
}

/// A string that tokens start with: the tokens at the places `tokens()` share `depth()` bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrieNode {
    low: u32,
    high: u32,
    depth: u32,
}

impl TrieNode {
    /// Bytes from the root.
    pub fn depth(self) -> usize {
        self.depth as usize
    }

    /// The places of all tokens below, those that end here first.
    pub fn tokens(self) -> Range<usize> {
        self.low as usize..self.high as usize
    }
}

impl VocabularyTrie {
    /// Sorts tokens; those without bytes are left out.
    pub(crate) fn new<'a>(tokens: impl Iterator<Item = (u32, &'a [u8])>) -> Self {
        let mut sorted: Vec<(&[u8], u32)> = tokens
            .filter(|(_, bytes)| !bytes.is_empty())
            .map(|(id, bytes)| (bytes, id))
            .collect();
        sorted.sort_unstable();
        let mut trie = Self {
            ids: Vec::with_capacity(sorted.len()),
            starts: Vec::with_capacity(sorted.len() + 1),
            bytes: Vec::with_capacity(sorted.iter().map(|(bytes, _)| bytes.len()).sum()),
            first: Vec::with_capacity(257),
        };
        trie.starts.push(0);
        for (place, (bytes, id)) in (0u32..).zip(sorted) {
            while trie.first.len() <= usize::from(bytes.first().copied().unwrap_or(0)) {
                trie.first.push(place);
            }
            trie.ids.push(id);
            trie.bytes.extend_from_slice(bytes);
            // A vocabulary's table of bytes is indexed with 32 bits already.
            trie.starts.push(trie.bytes.len() as u32);
        }
        trie.first.resize(257, trie.ids.len() as u32);
        trie
    }

    /// Number of tokens.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is no token.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Bytes of memory held.
    pub fn heap_bytes(&self) -> usize {
        (self.ids.capacity() + self.starts.capacity() + self.first.capacity()) * 4
            + self.bytes.capacity()
    }

    /// The node of the empty string.
    pub fn root(&self) -> TrieNode {
        TrieNode {
            low: 0,
            high: self.ids.len() as u32,
            depth: 0,
        }
    }

    /// The id of the token at a place; `u32::MAX` outside.
    pub fn id(&self, place: usize) -> u32 {
        self.ids.get(place).copied().unwrap_or(u32::MAX)
    }

    /// The bytes of the token at a place; empty outside.
    pub fn token(&self, place: usize) -> &[u8] {
        let start = self.starts.get(place).copied().unwrap_or(0) as usize;
        let end = self.starts.get(place + 1).copied().unwrap_or(0) as usize;
        self.bytes.get(start..end).unwrap_or_default()
    }

    /// One byte further, where any token goes on so.
    pub fn child(&self, node: TrieNode, byte: u8) -> Option<TrieNode> {
        let (low, high) = if node.depth == 0 {
            let at = usize::from(byte);
            (*self.first.get(at)?, *self.first.get(at + 1)?)
        } else {
            let depth = node.depth();
            // A token that ends here has no byte, which is before every byte.
            let byte_at = |place: u32| self.token(place as usize).get(depth).copied();
            let low = bisect(node.low, node.high, |place| byte_at(place) < Some(byte));
            let high = bisect(low, node.high, |place| byte_at(place) <= Some(byte));
            (low, high)
        };
        (low < high).then_some(TrieNode {
            low,
            high,
            depth: node.depth + 1,
        })
    }

    /// The node of a string.
    pub fn find(&self, bytes: &[u8]) -> Option<TrieNode> {
        bytes
            .iter()
            .try_fold(self.root(), |node, byte| self.child(node, *byte))
    }

    /// The places of the tokens that end at a node; several tokens may have the same bytes.
    pub fn ending(&self, node: TrieNode) -> Range<usize> {
        let range = node.tokens();
        let start = range.start;
        let ends = |place: &usize| self.token(*place).len() == node.depth();
        start..start + range.take_while(ends).count()
    }

    /// The places of the tokens that go on beyond a node.
    pub fn beyond(&self, node: TrieNode) -> Range<usize> {
        self.ending(node).end..node.high as usize
    }

    /// The length and place of the longest token that `text` starts with.
    pub fn longest_match(&self, text: &[u8]) -> Option<(usize, usize)> {
        let (mut node, mut found) = (self.root(), None);
        for byte in text {
            let Some(next) = self.child(node, *byte) else {
                break;
            };
            node = next;
            let ending = self.ending(node);
            if !ending.is_empty() {
                found = Some((node.depth(), ending.start));
            }
        }
        found
    }
}

/// The first of `low..high` for which `before` does not hold.
fn bisect(mut low: u32, mut high: u32, before: impl Fn(u32) -> bool) -> u32 {
    while low < high {
        let middle = low + (high - low) / 2;
        if before(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_ranges() {
        let tokens: [&[u8]; 7] = [b"b", b"ab", b"a", b"abc", b"", b"ab", b"\xff"];
        let trie = VocabularyTrie::new((0u32..).zip(tokens));
        assert_eq!(trie.len(), 6);
        let ab = trie.find(b"ab").expect("there are tokens");
        let ids = |range: Range<usize>| range.map(|place| trie.id(place)).collect::<Vec<_>>();
        assert_eq!(ids(ab.tokens()), [1, 5, 3]);
        assert_eq!(ids(trie.ending(ab)), [1, 5]);
        assert_eq!(ids(trie.beyond(ab)), [3]);
        assert_eq!(trie.find(b"ac"), None);
        assert_eq!(
            trie.find(b"\xff").map(|node| trie.ending(node).len()),
            Some(1)
        );
        assert_eq!(trie.longest_match(b"abcd").map(|(len, _)| len), Some(3));
        assert_eq!(trie.longest_match(b"c"), None);
    }
}
