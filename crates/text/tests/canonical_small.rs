//! Canonical sequences of random small tokenizers, against encoding every continuation, and of
//! byte strings that are no text.

mod common;

use lexigraft_text::{ByteVocabulary, Tokenizer};
use serde_json::json;

/// A small generator, so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % bound
    }
}

/// A byte-level encoder over `alphabet` with GPT-2's pattern or without any.
fn random_bpe(random: &mut Random, alphabet: &str, splits: bool) -> Tokenizer {
    // As GPT-2 spells it: a space is Ġ.
    let spell = |c: char| if c == ' ' { 'Ġ' } else { c };
    let mut tokens: Vec<String> = alphabet.chars().map(|c| spell(c).to_string()).collect();
    let mut merges: Vec<(usize, usize)> = Vec::new();
    for _ in 0..2 + random.below(9) {
        let pair = (random.below(tokens.len()), random.below(tokens.len()));
        let merged = format!("{}{}", tokens[pair.0], tokens[pair.1]);
        if merges.contains(&pair) {
            continue;
        }
        if !tokens.contains(&merged) {
            tokens.push(merged);
        }
        merges.push(pair);
    }
    let vocab: serde_json::Map<_, _> =
        (tokens.iter().cloned().zip((0..).map(|id| json!(id)))).collect();
    let merges: Vec<_> = (merges.iter())
        .map(|(l, r)| json!([tokens[*l], tokens[*r]]))
        .collect();
    let json = json!({
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true,
            "use_regex": splits},
        "decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true,
            "use_regex": splits},
        "model": {"type": "BPE", "vocab": vocab, "merges": merges}
    });
    Tokenizer::from_json(json.to_string().as_bytes()).expect("is a tokenizer")
}

/// Every text over `alphabet` of at most `len` characters.
fn texts(alphabet: &str, len: usize) -> Vec<String> {
    let mut all = vec![String::new()];
    let mut last = all.clone();
    for _ in 0..len {
        last = (last.iter())
            .flat_map(|text| alphabet.chars().map(move |c| format!("{text}{c}")))
            .collect();
        all.extend(last.iter().cloned());
    }
    all
}

#[test]
fn a_sequence_is_canonical_so_far_if_and_only_if_some_text_is_encoded_so() {
    let mut random = Random(3);
    let (mut yes, mut no) = (0, 0);
    for case in 0..400 {
        let (alphabet, splits) = [
            ("ab", false),
            ("ab ", true),
            ("a1 '", true),
            ("'sre ", true),
        ][case % 4];
        let tokenizer = random_bpe(&mut random, alphabet, splits);
        let vocabulary = ByteVocabulary::new(&tokenizer).expect("is byte-level");
        let futures = texts(alphabet, 3);
        for _ in 0..12 {
            let ids: Vec<u32> = (0..1 + random.below(4))
                .map(|_| random.below(tokenizer.vocab_size()) as u32)
                .collect();
            let bytes = ids
                .iter()
                .flat_map(|id| tokenizer.token_bytes(*id).unwrap());
            let text = String::from_utf8(bytes.copied().collect()).unwrap();
            let want = futures.iter().any(|future| {
                let whole = tokenizer.encode(&format!("{text}{future}"), false).unwrap();
                whole.starts_with(&ids)
            });
            let start = Some(vocabulary.start().unwrap());
            let state = ids
                .iter()
                .fold(start, |state, id| vocabulary.advance(&state?, *id));
            assert_eq!(state.is_some(), want, "case {case}: {text:?} as {ids:?}");
            let complete = state.is_some_and(|state| state.is_complete());
            let whole = tokenizer.encode(&text, false).unwrap() == ids;
            assert_eq!(complete, whole, "case {case}: {text:?} as {ids:?}");
            if want { yes += 1 } else { no += 1 }
        }
    }
    eprintln!("{yes} canonical so far, {no} not");
    assert!(yes > 500 && no > 500);
}

/// Byte strings with lone continuation bytes, cut characters and text.
fn bytes(random: &mut Random) -> Vec<u8> {
    const PARTS: [&[u8]; 18] = [
        b"\x80",
        b"\xbf\xbf",
        b"\xe2\x82",
        b"\xf0\x9f",
        b"\xc3",
        b"\xff",
        b"the",
        b" ",
        b"'s",
        b"12",
        b"capi",
        b"wor",
        b"re",
        b"fun",
        "é".as_bytes(),
        "日本".as_bytes(),
        b"\n",
        b"  ",
    ];
    (0..1 + random.below(6))
        .flat_map(|_| PARTS[random.below(PARTS.len())])
        .copied()
        .collect()
}

#[test]
fn what_may_follow_is_what_can_be_followed() {
    let mut random = Random(17);
    let mut tokenizers = vec![("smollm2", common::smollm2())];
    tokenizers.extend(common::NAMES.map(|name| (name, common::from_json(name))));
    for (name, tokenizer) in tokenizers {
        let vocabulary = ByteVocabulary::new(&tokenizer).unwrap();
        let trie = vocabulary.trie();
        let (mut allowed, mut refused) = (0, 0);
        for _ in 0..60 {
            // The beginning of an encoding of any bytes.
            let Ok(mut ids) = vocabulary.encode(&bytes(&mut random)) else {
                continue;
            };
            ids.truncate(random.below(ids.len() + 1));
            let mut state = vocabulary.start().unwrap();
            for id in &ids {
                state = vocabulary
                    .advance(&state, *id)
                    .unwrap_or_else(|| panic!("{name}: {ids:?}"));
            }
            let mut check = vocabulary.check(&state).unwrap();
            // Random tokens, and those that begin as likely as not inside a character.
            let continuing = trie.find(b"\x80").map_or(0..0, |node| node.tokens());
            let random_places = (0..300).map(|_| random.below(trie.len()));
            for place in random_places
                .collect::<Vec<_>>()
                .into_iter()
                .chain(continuing)
            {
                let follows = vocabulary.advance(&state, trie.id(place)).is_some();
                assert_eq!(
                    check.allows(place),
                    follows,
                    "{name}: {:?} after {ids:?}",
                    trie.token(place)
                );
                if follows { allowed += 1 } else { refused += 1 }
            }
        }
        eprintln!("{name}: {allowed} allowed, {refused} refused");
        assert!(
            allowed > 1000 && refused > 50,
            "{name}: {allowed} {refused}"
        );
    }
}

#[test]
fn bytes_that_are_no_text_have_one_canonical_encoding() {
    let mut random = Random(23);
    let mut tokenizers = vec![("smollm2", common::smollm2())];
    tokenizers.extend(common::NAMES.map(|name| (name, common::from_json(name))));
    for (name, tokenizer) in tokenizers {
        let vocabulary = ByteVocabulary::new(&tokenizer).unwrap();
        let (mut checked, mut others) = (0, 0);
        for _ in 0..1000 {
            let text = bytes(&mut random);
            let Ok(ids) = vocabulary.encode(&text) else {
                continue;
            };
            let back: Vec<u8> = ids
                .iter()
                .flat_map(|id| tokenizer.token_bytes(*id).unwrap())
                .copied()
                .collect();
            assert_eq!(back, text, "{name}");
            assert_eq!(
                vocabulary.is_canonical(&ids),
                Ok(true),
                "{name}: {text:?} as {ids:?}"
            );
            checked += 1;
            // The same bytes one by one are another sequence, unless nothing was joined.
            let single: Option<Vec<u32>> = text
                .iter()
                .map(|byte| {
                    let trie = vocabulary.trie();
                    trie.find(&[*byte])
                        .and_then(|node| trie.ending(node).next())
                        .map(|place| trie.id(place))
                })
                .collect();
            if let Some(single) = single.filter(|single| *single != ids) {
                assert_eq!(
                    vocabulary.is_canonical(&single),
                    Ok(false),
                    "{name}: {text:?}"
                );
                others += 1;
            }
        }
        assert!(checked > 500 && others > 300, "{name}: {checked} {others}");
    }
}
