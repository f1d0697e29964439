//! The trie over real vocabularies, against what is plainly true of lists of byte strings.

mod common;

use std::collections::HashMap;

use common::all;
use lexigraft_text::{ByteVocabulary, Tokenizer, TrieNode, VocabularyTrie};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

/// The tokenizers whose texts are bytes one after another, with their tokens by bytes.
fn vocabularies() -> Vec<(&'static str, &'static Tokenizer, ByteVocabulary, Plain)> {
    let vocabulary = |(name, tokenizer): &'static (&'static str, Tokenizer)| {
        let vocabulary = match ByteVocabulary::new(tokenizer) {
            Ok(vocabulary) => vocabulary,
            Err(error) => {
                assert_eq!((*name, error.code()), ("minilm", "unsupported-tokenizer"));
                return None;
            }
        };
        Some((*name, tokenizer, vocabulary, Plain::of(tokenizer)))
    };
    all().iter().filter_map(vocabulary).collect()
}

/// Tokens by their bytes, without any order.
struct Plain {
    ids: HashMap<Vec<u8>, Vec<u32>>,
    longest: usize,
}

impl Plain {
    fn of(tokenizer: &Tokenizer) -> Self {
        let mut ids: HashMap<Vec<u8>, Vec<u32>> = HashMap::new();
        for id in 0..tokenizer.vocab_size() as u32 {
            match tokenizer.token_bytes(id) {
                Some(bytes) if !bytes.is_empty() && !tokenizer.is_special(id) => {
                    ids.entry(bytes.to_vec()).or_default().push(id);
                }
                _ => {}
            }
        }
        let longest = ids.keys().map(Vec::len).max().unwrap_or(0);
        Self { ids, longest }
    }

    /// The tokens that `text` begins with, as lengths and ids.
    fn beginning<'a>(&'a self, text: &'a [u8]) -> impl Iterator<Item = (usize, u32)> + 'a {
        (1..=text.len().min(self.longest)).flat_map(move |length| {
            let ids = self.ids.get(&text[..length]).into_iter().flatten();
            ids.map(move |id| (length, *id))
        })
    }
}

/// The parts of a node: the tokens that end there, then its children in the order of their bytes.
fn parts(trie: &VocabularyTrie, node: TrieNode) -> (Vec<TrieNode>, bool) {
    let children: Vec<TrieNode> = (0..=255u8)
        .filter_map(|byte| trie.child(node, byte))
        .collect();
    let mut end = trie.ending(node).end;
    let mut adds_up = trie.ending(node).start == node.tokens().start;
    adds_up &= trie.beyond(node) == (end..node.tokens().end);
    for child in &children {
        adds_up &= child.tokens().start == end && child.depth() == node.depth() + 1;
        end = child.tokens().end;
    }
    (children, adds_up && end == node.tokens().end)
}

#[test]
fn every_token_is_at_its_own_node_and_nowhere_else() {
    for (name, tokenizer, vocabulary, plain) in vocabularies() {
        let trie = vocabulary.trie();
        let count: usize = plain.ids.values().map(Vec::len).sum();
        assert_eq!(trie.len(), count, "{name}");
        for (bytes, ids) in &plain.ids {
            let node = trie.find(bytes).expect("there is such a token");
            assert_eq!(node.depth(), bytes.len());
            let mut found: Vec<u32> = trie.ending(node).map(|place| trie.id(place)).collect();
            found.sort_unstable();
            assert_eq!(&found, ids, "{name}: {bytes:?}");
            for place in trie.ending(node) {
                assert_eq!(trie.token(place), bytes, "{name}");
                assert_eq!(
                    tokenizer.token_bytes(trie.id(place)),
                    Some(bytes.as_slice())
                );
            }
        }
        let sorted = (1..trie.len()).all(|place| trie.token(place - 1) <= trie.token(place));
        assert!(sorted, "{name}");
        let outside = [trie.len(), usize::MAX - 1];
        assert!(
            outside
                .iter()
                .all(|at| trie.id(*at) == u32::MAX && trie.token(*at).is_empty())
        );
    }
}

#[test]
fn children_are_nested_and_add_up_to_their_parents() {
    for (name, _, vocabulary, _) in vocabularies() {
        let trie = vocabulary.trie();
        let (mut open, mut nodes, mut ending) = (vec![trie.root()], 0usize, 0usize);
        // All of them down to the third byte, and below it one subtree of many.
        while let Some(node) = open.pop() {
            let (children, adds_up) = parts(trie, node);
            assert!(adds_up, "{name}: {node:?}");
            nodes += 1;
            ending += trie.ending(node).len();
            let followed =
                |child: &TrieNode| child.depth() < 3 || child.tokens().start.is_multiple_of(23);
            for child in children {
                match followed(&child) {
                    true => open.push(child),
                    false => ending += child.tokens().len(),
                }
            }
        }
        assert_eq!(ending, trie.len(), "{name}: {nodes} nodes");
        assert!(nodes > 40, "{name}: {nodes}");
    }
}

/// A failure is shown with its smallest input; no file is written beside the source.
fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases)
    }
}

/// Beginnings of real tokens, changed and lengthened: short strings that lead far into a trie.
fn near_tokens(trie: &VocabularyTrie) -> impl Strategy<Value = Vec<u8>> + use<> {
    let tokens: Vec<Vec<u8>> = (0..trie.len()).map(|at| trie.token(at).to_vec()).collect();
    let part = prop_oneof![
        3 => (proptest::sample::select(tokens), 0usize..8)
            .prop_map(|(token, cut)| token[..token.len() - cut.min(token.len() - 1)].to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..3),
    ];
    proptest::collection::vec(part, 0..4).prop_map(|parts| {
        let mut bytes = parts.concat();
        bytes.truncate(24);
        bytes
    })
}

#[test]
fn nodes_of_any_bytes_hold_the_tokens_that_begin_so() {
    for (name, _, vocabulary, plain) in vocabularies() {
        let trie = vocabulary.trie();
        let mut runner = TestRunner::new(config(60));
        let ran = runner.run(&near_tokens(trie), |bytes| {
            let begin = |at: &usize| trie.token(*at).starts_with(&bytes);
            let want: Vec<usize> = (0..trie.len()).filter(begin).collect();
            let have: Vec<usize> = match trie.find(&bytes) {
                Some(node) => {
                    prop_assert!(parts(trie, node).1);
                    node.tokens().collect()
                }
                None => Vec::new(),
            };
            prop_assert_eq!(have, want);
            let longest = plain.beginning(&bytes).map(|(length, _)| length).max();
            let found = trie.longest_match(&bytes);
            prop_assert_eq!(found.map(|(length, _)| length), longest);
            if let Some((length, place)) = found {
                prop_assert_eq!(trie.token(place), &bytes[..length]);
            }
            Ok(())
        });
        ran.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

/// Every way to write `text` as whole tokens, by walking down the trie.
fn by_trie(trie: &VocabularyTrie, text: &[u8]) -> Vec<Vec<u32>> {
    let mut found = Vec::new();
    let mut open = vec![(0, Vec::new())];
    while let Some((at, ids)) = open.pop() {
        if at == text.len() {
            found.push(ids);
            continue;
        }
        let mut node = Some(trie.root());
        for byte in &text[at..] {
            node = node.and_then(|node| trie.child(node, *byte));
            let Some(node) = node else { break };
            for place in trie.ending(node) {
                let ids = [ids.as_slice(), &[trie.id(place)]].concat();
                open.push((at + node.depth(), ids));
            }
        }
    }
    found.sort_unstable();
    found
}

/// The same, by trying every length against the list of tokens.
fn by_search(plain: &Plain, text: &[u8]) -> Vec<Vec<u32>> {
    if text.is_empty() {
        return vec![Vec::new()];
    }
    let mut found: Vec<Vec<u32>> = Vec::new();
    for (length, id) in plain.beginning(text) {
        let rest = by_search(plain, &text[length..]);
        found.extend(
            rest.into_iter()
                .map(|rest| [&[id], rest.as_slice()].concat()),
        );
    }
    found.sort_unstable();
    found
}

#[test]
fn short_strings_are_covered_in_every_way_there_is() {
    for (name, tokenizer, vocabulary, plain) in vocabularies() {
        let trie = vocabulary.trie();
        let mut runner = TestRunner::new(config(200));
        let ran = runner.run(&near_tokens(trie), |mut text| {
            text.truncate(9);
            let ways = by_trie(trie, &text);
            prop_assert_eq!(&ways, &by_search(&plain, &text));
            let canonical = |ids: &Vec<u32>| vocabulary.is_canonical(ids) == Ok(true);
            let canonical: Vec<&Vec<u32>> = ways.iter().filter(|ids| canonical(ids)).collect();
            // One of them is what the tokenizer writes; none where it has no token for a byte.
            match vocabulary.encode(&text) {
                Ok(ids) => prop_assert_eq!(canonical, [&ids]),
                Err(_) => {
                    let missing = tokenizer.missing_bytes();
                    prop_assert!(text.iter().any(|byte| missing.contains(byte)));
                }
            }
            Ok(())
        });
        ran.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}
