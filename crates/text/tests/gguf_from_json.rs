//! A `tokenizer.json` as a GGUF vocabulary.

mod common;

use lexigraft_text::{GgufVocabulary, Tokenizer};

const TEXTS: [&str; 8] = [
    "The quick brown fox's 12345 jumps, over\n\n\tthe  lazy dog.",
    "    indented\n        twice\n\n\n\nand   spaced      out",
    "fn main() { println!(\"{}\", x[0]); }\r\n",
    "Über señor naïve Zürich 3,14159 <b>bold</b> <table>",
    "Предварительная подготовка данных занимает время",
    "日本語の文章、中文字符。한국어 텍스트",
    "👩‍👩‍👧 a\u{301} ᚠᚢᚦ \u{1}\u{7f}",
    " leading and trailing ",
];

#[test]
fn real_tokenizers_split_text_as_before() {
    for name in ["llama3", "qwen3", "gpt4o", "gemma3"] {
        let json = common::json_bytes(name);
        let original = Tokenizer::from_json(&json).unwrap();
        let vocabulary = GgufVocabulary::from_json(&json).expect(name);
        assert_eq!(vocabulary.tokens.len(), original.vocab_size());
        let back = Tokenizer::from_gguf(vocabulary).unwrap();
        for text in TEXTS {
            let expected = original.encode(text, true).unwrap();
            assert_eq!(
                back.encode(text, true).unwrap(),
                expected,
                "{name} {text:?}"
            );
            assert_eq!(
                back.decode(&expected, true),
                original.decode(&expected, true)
            );
        }
        for id in (0..original.vocab_size() as u32).step_by(7) {
            assert_eq!(back.is_special(id), original.is_special(id), "{name} {id}");
            if original.token_bytes(id).is_some() {
                assert_eq!(
                    back.token_bytes(id),
                    original.token_bytes(id),
                    "{name} {id}"
                );
            }
        }
        assert_eq!(
            (back.bos(), back.eos()),
            (original.bos(), original.eos()),
            "{name}"
        );
    }
}

#[test]
fn what_a_gguf_file_has_no_name_for_is_refused() {
    let json = common::json_bytes("minilm");
    let error = GgufVocabulary::from_json(&json).unwrap_err();
    assert_eq!(error.code(), "unsupported-tokenizer");
    let json = br#"{"decoder": {"type": "ByteLevel"},
        "pre_tokenizer": {"type": "Whitespace"},
        "model": {"type": "BPE", "vocab": {"h": 0, "i": 1, "hi": 2}, "merges": ["h i"]}}"#;
    let error = GgufVocabulary::from_json(json).unwrap_err();
    assert_eq!(error.code(), "unsupported-tokenizer");
    let error = GgufVocabulary::from_json(b"{}").unwrap_err();
    assert_eq!(error.code(), "bad-tokenizer");
}
