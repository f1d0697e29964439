//! A small `tokenizer.json` of every kind of model, with the parts around it that real files have.

use serde_json::{Value, json};

pub fn all() -> Vec<(&'static str, Value)> {
    let byte_level = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
    let vocab = json!({"a": 0, "b": 1, "c": 2, "ab": 3, "Ġ": 4, "Ġab": 5});
    let merges = json!(["a b", ["Ġ", "ab"]]);
    let bytes = file(
        json!([added(6, "<|x|>", true), added(7, "<b>", false)]),
        json!({"type": "NFC"}),
        byte_level.clone(),
        byte_level.clone(),
        byte_level.clone(),
        json!({"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
            "ignore_merges": true, "vocab": vocab, "merges": merges}),
    );
    let split = json!({"type": "Sequence", "pretokenizers": [
        {"type": "Split", "pattern": {"Regex": r"(?i:'s|'t)|\p{L}+|\p{N}{1,3}|\s+(?!\S)|\s+"},
            "behavior": "Isolated", "invert": false},
        {"type": "Split", "pattern": {"String": "x"}, "behavior": "Removed", "invert": true},
        {"type": "Digits", "individual_digits": true},
        {"type": "Punctuation", "behavior": "Contiguous"},
        {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false},
    ]});
    let template = json!({"type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<|x|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {"<|x|>": {"id": "<|x|>", "ids": [6], "tokens": ["<|x|>"]}}});
    let splits = file(
        json!([added(6, "<|x|>", true)]),
        Value::Null,
        split,
        json!({"type": "Sequence", "processors": [byte_level.clone(), template]}),
        byte_level.clone(),
        json!({"type": "BPE", "vocab": vocab, "merges": merges}),
    );
    let marked = file(
        json!([added(0, "<unk>", true)]),
        json!({"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "▁"},
            {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]}),
        Value::Null,
        Value::Null,
        json!({"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
            {"type": "ByteFallback"}, {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}),
        json!({"type": "BPE", "unk_token": "<unk>", "fuse_unk": true, "byte_fallback": true,
            "vocab": {"<unk>": 0, "<0x61>": 1, "▁": 2, "b": 3, "▁b": 4}, "merges": ["▁ b"]}),
    );
    let pieces = file(
        json!([added(0, "[PAD]", true), added(2, "[CLS]", true), added(3, "[SEP]", true)]),
        json!({"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
            "strip_accents": null, "lowercase": true}),
        json!({"type": "BertPreTokenizer"}),
        json!({"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]}),
        json!({"type": "WordPiece", "prefix": "##", "cleanup": true}),
        json!({"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "a": 4, "##b": 5}}),
    );
    let metaspace = json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true});
    let unigram = file(
        json!([]),
        json!({"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "Lowercase"},
            {"type": "StripAccents"}, {"type": "Strip", "strip_left": true, "strip_right": true},
            {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}]}),
        metaspace.clone(),
        json!({"type": "RobertaProcessing", "sep": ["b", 2], "cls": ["a", 1], "trim_offsets": true,
            "add_prefix_space": true}),
        metaspace,
        json!({"type": "Unigram", "unk_id": 0, "byte_fallback": false,
            "vocab": [["<unk>", 0.0], ["a", -1.5], ["b", -2.0], ["▁ab", -3.0]]}),
    );
    let words = file(
        json!([]),
        Value::Null,
        json!({"type": "Sequence", "pretokenizers": [{"type": "Whitespace"}, {"type": "FixedLength", "length": 3},
            {"type": "CharDelimiterSplit", "delimiter": "-"}, {"type": "UnicodeScripts"}]}),
        Value::Null,
        json!({"type": "BPEDecoder", "suffix": "</w>"}),
        json!({"type": "WordLevel", "unk_token": "[UNK]", "vocab": {"[UNK]": 0, "ab": 1}}),
    );
    vec![
        ("bytes", bytes),
        ("splits", splits),
        ("marked", marked),
        ("pieces", pieces),
        ("unigram", unigram),
        ("words", words),
    ]
}

fn file(
    added_tokens: Value,
    normalizer: Value,
    pre_tokenizer: Value,
    post_processor: Value,
    decoder: Value,
    model: Value,
) -> Value {
    json!({"version": "1.0", "truncation": null, "padding": null, "added_tokens": added_tokens,
        "normalizer": normalizer, "pre_tokenizer": pre_tokenizer, "post_processor": post_processor,
        "decoder": decoder, "model": model})
}

fn added(id: u32, content: &str, special: bool) -> Value {
    json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": !special, "special": special})
}
