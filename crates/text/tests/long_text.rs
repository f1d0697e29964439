//! Texts that make patterns work hard come through whole.

mod common;

use common::all;
use lexigraft_text::Tokenizer;
use serde_json::Value;

fn comes_through_whole(name: &str, tokenizer: &Tokenizer, text: &str) {
    let ids = tokenizer.encode(text, false).expect("the text encodes");
    let back = tokenizer.decode(&ids, false).expect("the ids decode");
    assert!(
        back == text,
        "{name}: {} of {} bytes",
        back.len(),
        text.len()
    );
}

#[test]
fn long_runs_of_one_kind_come_through_whole() {
    let runs =
        ["ab", "AB", "日", "7", "!", "\n", "\t ", "a\u{301}"].map(|part| part.repeat(100_000));
    for (name, tokenizer) in all().iter().filter(|(name, _)| *name != "minilm") {
        for text in &runs {
            // Qwen 3 composes characters.
            if !(*name == "qwen3" && text.contains('\u{301}')) {
                comes_through_whole(name, tokenizer, text);
            }
        }
    }
}

/// More blanks than the regex engine can step back over.
#[test]
fn a_million_blanks_come_through_whole() {
    let text = " ".repeat(1_200_000) + "x";
    for (name, tokenizer) in all() {
        if ["llama3", "gpt4o"].contains(name) {
            comes_through_whole(name, tokenizer, &text);
        }
    }
}

/// Where the pattern itself says what to drop, giving up must not look like dropping.
#[test]
fn blanks_that_cannot_be_split_are_an_error() {
    let mut json: Value =
        serde_json::from_slice(&common::json_bytes("gpt4o")).expect("the file is JSON");
    let pattern = json
        .pointer_mut("/pre_tokenizer/pretokenizers/0/pattern/Regex")
        .expect("its pattern");
    let other = pattern.as_str().expect("text").to_owned() + "|\\s+";
    *pattern = Value::from(other);
    let tokenizer = Tokenizer::from_json(json.to_string().as_bytes()).expect("it loads");
    comes_through_whole("gpt4o", &tokenizer, &(" ".repeat(200_000) + "x"));
    let error = tokenizer
        .encode(&" ".repeat(300_000), false)
        .expect_err("too many blanks");
    assert_eq!(error.code(), "invalid-argument");
}
