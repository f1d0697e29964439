//! A constraint on bytes as a mask of tokens.

use lexigraft_text::{TrieNode, VocabularyTrie};

use super::ByteConstraint;

/// Which tokens the constraints let through, by place in the trie, of those that go on from or
/// end at `start`; its own bytes are not asked about. For decoding token by token, which is
/// faster and not exact: a mask of tokens does not know what the bytes beyond them weigh.
///
/// The trie is walked once; a branch that the constraints forbid is not entered.
pub fn token_mask(
    trie: &VocabularyTrie,
    start: TrieNode,
    constraints: &[Box<dyn ByteConstraint>],
) -> Vec<bool> {
    let mut mask = vec![false; trie.len()];
    let fork = |from: &[Box<dyn ByteConstraint>]| -> Vec<Box<dyn ByteConstraint>> {
        from.iter().map(|constraint| constraint.fork()).collect()
    };
    let mut open: Vec<(TrieNode, Vec<Box<dyn ByteConstraint>>)> = vec![(start, fork(constraints))];
    while let Some((node, state)) = open.pop() {
        for place in trie.ending(node) {
            if let Some(allowed) = mask.get_mut(place) {
                *allowed = true;
            }
        }
        let beyond = trie.beyond(node);
        if beyond.is_empty() {
            continue;
        }
        let allowed = super::allowed_by(&state);
        let mut place = beyond.start;
        // From one child to the next, over the bytes that there are.
        while let Some(byte) = trie.token(place).get(node.depth()).copied()
            && place < beyond.end
        {
            let Some(child) = trie.child(node, byte) else {
                break;
            };
            if allowed.contains(byte.into()) {
                let mut next = fork(&state);
                for constraint in &mut next {
                    constraint.push(byte);
                }
                open.push((child, next));
            }
            place = child.tokens().end;
        }
    }
    mask
}
