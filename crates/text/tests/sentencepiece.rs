//! SentencePiece vocabularies as GGUF files hold them, against SentencePiece itself.

mod common;

use common::{ids, parse, sentencepiece_vocabularies};
use lexigraft_text::{GgufVocabulary, Tokenizer};
use proptest::prelude::*;
use serde_json::Value;

#[test]
fn ids_are_those_of_sentencepiece() {
    for (prefix, vocabulary, cases) in sentencepiece_vocabularies() {
        let tokenizer = Tokenizer::from_gguf(vocabulary).expect("the vocabulary loads");
        let cases: Vec<Value> = parse(&cases);
        assert_eq!(cases.len(), 30);
        for case in cases {
            let text: String = parse(&case["text"]);
            let got = tokenizer.encode(&text, false).expect("the text encodes");
            assert_eq!(got, ids(&case["ids"]), "prefix {prefix}: {text:?}");
            let decoded: String = parse(&case["decoded"]);
            assert_eq!(tokenizer.decode(&got, true), Ok(decoded));
            let with_bos = tokenizer.encode(&text, true).expect("the text encodes");
            assert_eq!(with_bos, [&[1], got.as_slice()].concat());
        }
    }
}

/// SentencePiece's rule itself: join the leftmost pair with the best score, until none is left.
fn by_the_rule(tokens: &[String], scores: &[f32], text: &str) -> Vec<usize> {
    let mut pieces: Vec<String> = text.chars().map(String::from).collect();
    loop {
        let mut best: Option<(f32, usize)> = None;
        for at in 1..pieces.len() {
            let joined = pieces[at - 1..=at].concat();
            if let Some(id) = tokens.iter().position(|token| *token == joined)
                && best.is_none_or(|(score, _)| scores[id] > score)
            {
                best = Some((scores[id], at));
            }
        }
        let Some((_, at)) = best else {
            break;
        };
        let right = pieces.remove(at);
        pieces[at - 1].push_str(&right);
    }
    let find = |piece: &String| tokens.iter().position(|token| token == piece);
    pieces.iter().filter_map(find).collect()
}

fn vocabulary() -> impl Strategy<Value = Vec<String>> {
    // Strings over a small alphabet that overlap in many ways.
    proptest::collection::btree_set("[abc]{2,4}", 3..14).prop_map(|longer| {
        let single = ["<unk>", "a", "b", "c"].map(str::to_owned);
        single.into_iter().chain(longer).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn merges_from_scores_follow_the_rule(
        tokens in vocabulary(),
        order in proptest::collection::vec(0.0f32..1.0, 18),
        text in "[abc]{0,12}",
    ) {
        // Longer pieces score lower, as training makes them.
        let scores: Vec<f32> = (tokens.iter().zip(&order))
            .map(|(token, jitter)| -(token.len() as f32) - jitter)
            .collect();
        let vocabulary = GgufVocabulary {
            model: "llama".to_owned(),
            tokens: tokens.clone(),
            token_types: Some((0..tokens.len()).map(|i| if i == 0 { 2 } else { 1 }).collect()),
            scores: Some(scores.clone()),
            unk: Some(0),
            add_space_prefix: Some(false),
            ..GgufVocabulary::default()
        };
        let tokenizer = Tokenizer::from_gguf(vocabulary).expect("the vocabulary loads");
        let got = tokenizer.encode(&text, false).expect("the text encodes");
        let got: Vec<usize> = got.into_iter().map(|id| id as usize).collect();
        prop_assert_eq!(got, by_the_rule(&tokens, &scores, &text));
    }
}

#[test]
fn bytes_that_no_piece_covers_fall_back() {
    let mut tokens: Vec<String> = vec!["<unk>".into(), "<s>".into(), "</s>".into()];
    tokens.extend((0..=255u8).map(|byte| format!("<0x{byte:02X}>")));
    tokens.extend(["\u{2581}", "h", "i"].map(str::to_owned));
    let types = (0..tokens.len()).map(|id| match id {
        0 => 2,
        1 | 2 => 3,
        3..=258 => 6,
        _ => 1,
    });
    let vocabulary = GgufVocabulary {
        model: "llama".to_owned(),
        token_types: Some(types.collect()),
        scores: Some(vec![0.0; tokens.len()]),
        tokens,
        ..GgufVocabulary::default()
    };
    let tokenizer = Tokenizer::from_gguf(vocabulary).expect("the vocabulary loads");
    let got = tokenizer.encode("hi é", true).expect("the text encodes");
    assert_eq!(got, [1, 259, 260, 261, 259, 3 + 0xc3, 3 + 0xa9]);
    assert_eq!(tokenizer.decode(&got, true).as_deref(), Ok("hi é"));
    assert_eq!(tokenizer.token_bytes(3 + 0xc3), Some(&[0xc3][..]));
    assert_eq!(tokenizer.token_bytes(259), Some(&b" "[..]));
    // A name of a byte in the text is text.
    let spelt = tokenizer.encode("<0x41>", false).expect("the text encodes");
    assert_eq!(spelt.len(), 7);
    assert_eq!(tokenizer.decode(&spelt, true).as_deref(), Ok("<0x41>"));
    // Half a character is held back, then replaced.
    let mut stream = tokenizer.stream_decoder(true);
    assert_eq!(stream.push(259).as_deref(), Ok(""));
    assert_eq!(stream.push(260).as_deref(), Ok("h"));
    assert_eq!(stream.push(3 + 0xc3).as_deref(), Ok(""));
    assert_eq!(stream.push(3 + 0xa9).as_deref(), Ok("é"));
    assert_eq!(stream.push(3 + 0xe2).as_deref(), Ok(""));
    assert_eq!(stream.push(261).as_deref(), Ok("\u{fffd}i"));
    assert_eq!(stream.push(3 + 0xf0).as_deref(), Ok(""));
    assert_eq!(stream.finish(), "\u{fffd}");
    // After a prompt, the first space belongs to the text.
    let mut stream = tokenizer.stream_decoder(true).continuing();
    assert_eq!(stream.push(259).as_deref(), Ok(" "));
}
