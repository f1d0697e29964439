//! Where the tokens of a text end.

mod common;

use common::{all, from_json, smollm2};
use lexigraft_text::Tokenizer;

const TEXTS: [&str; 6] = [
    "",
    "The river runs through the old town.",
    " a  b\n\n\tc ",
    "Gr\u{fc}\u{df}e \u{1f600}\u{1f9d1}\u{200d}\u{1f680} \u{6f22}\u{5b57} \u{410}\u{431}",
    "don't stop, 12345 <|im_start|> <s> </s>",
    "def f(x):\n    return x ** 2\n",
];

/// Whether the bytes of all tokens are the text.
fn is_exact(tokenizer: &Tokenizer, ids: &[u32], text: &str) -> bool {
    let bytes = ids.iter().flat_map(|&id| tokenizer.bytes_after(id));
    bytes.flatten().collect::<Vec<u8>>() == text.as_bytes()
}

#[test]
fn tokens_end_where_their_bytes_do() {
    for (name, tokenizer) in all() {
        for text in TEXTS {
            let tokens = tokenizer.segment(text).expect("the text encodes");
            let (ids, ends): (Vec<u32>, Vec<usize>) = tokens.into_iter().unzip();
            assert_eq!(
                tokenizer.encode(text, false),
                Ok(ids.clone()),
                "{name}: {text:?}"
            );
            let mut start = 0;
            for (id, end) in ids.iter().zip(&ends) {
                assert!(start <= *end && *end <= text.len(), "{name}: {text:?}");
                if is_exact(tokenizer, &ids, text) {
                    let piece = &text.as_bytes()[start..*end];
                    let bytes = tokenizer.bytes_after(*id).expect("is a token");
                    assert_eq!(bytes, piece, "{name}: {text:?}");
                }
                start = *end;
            }
            if !ids.is_empty() {
                // WordPiece drops blanks at the end of a text.
                let end = text.trim_end().len();
                assert!(start == text.len() || start == end, "{name}: {text:?}");
            }
        }
    }
}

#[test]
fn byte_level_tokens_are_exact_and_a_space_of_their_own_counts_nothing() {
    for (name, tokenizer) in all() {
        let text = "Gr\u{fc}\u{df}e \u{1f600} walking";
        let tokens = tokenizer.segment(text).expect("the text encodes");
        let ids: Vec<u32> = tokens.iter().map(|(id, _)| *id).collect();
        match *name {
            "minilm" => assert!(!is_exact(tokenizer, &ids, text), "it makes letters small"),
            "spm prefix" => {
                let (first, end) = tokens.first().expect("there is a token");
                let bytes = tokenizer.bytes_after(*first).expect("has bytes");
                assert_eq!(
                    *end + 1,
                    bytes.len(),
                    "the space before the text is its own"
                );
            }
            "spm" => {}
            _ => assert!(is_exact(tokenizer, &ids, text), "{name}"),
        }
    }
}

#[test]
fn a_text_is_split_as_its_pattern_says() {
    // By hand from the patterns: SmolLM2 cuts out each digit and is GPT-2's for the rest, Llama 3
    // takes a sign with the letters after it and three digits, Gemma 3 splits nothing.
    let smollm2 = smollm2();
    let others = ["llama3", "gemma3"].map(from_json);
    let wanted = [
        ("", [0, 0, 0]),
        ("walkable", [1, 1, 1]),
        (" walkable", [1, 1, 1]),
        ("walk able", [2, 2, 1]),
        ("(walk", [2, 1, 1]),
        ("12345", [5, 2, 1]),
        ("don't stop", [3, 3, 1]),
        ("   ", [1, 1, 1]),
        ("  a", [2, 2, 1]),
        ("\u{4e16}\u{754c}\u{3002}", [2, 2, 1]),
    ];
    for (text, counts) in wanted {
        let found = [&smollm2, &others[0], &others[1]].map(|tokenizer| {
            let count = tokenizer.count_pretokens(text);
            count.expect("splits")
        });
        assert_eq!(found, counts, "{text:?}");
    }
    // A control token is a part of its own.
    let count = smollm2.count_pretokens("walk<|im_end|>able");
    assert_eq!(count, Ok(3));
    assert_eq!(smollm2.count_pretokens("walk<|im_en|>able"), Ok(7));
}
