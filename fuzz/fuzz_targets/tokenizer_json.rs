//! `tokenizer.json`: read, then used in every way that a page uses it.
#![no_main]

use lexigraft_fuzz::within;
use lexigraft_text::{ByteVocabulary, GgufVocabulary, Tokenizer};
use libfuzzer_sys::{Corpus, fuzz_target};

const TEXTS: [&str; 5] = [
    "",
    "Hello, world! 1234\n\n\tx  y",
    "ab abc <|x|> aab",
    "日本語 é a\u{301} \u{0}👩\u{200d}👧",
    "  \r\n \u{a0}▁▁ ##ing",
];

fuzz_target!(|json: &[u8]| -> Corpus {
    // A table of ids may have holes: 65,536 places of 14 bytes more than the tokens have. The rest
    // is the engine's: hash tables, automata for added tokens and patterns.
    let bound = (64 << 20) + 1024 * json.len();
    let Ok(tokenizer) = within(bound, || Tokenizer::from_json(json)) else {
        // Kept where it is JSON, as the way to files that do load.
        return match serde_json::from_slice::<serde::de::IgnoredAny>(json) {
            Ok(_) => Corpus::Keep,
            Err(_) => Corpus::Reject,
        };
    };
    let own = String::from_utf8_lossy(json);
    let own: String = own.chars().take(200).collect();
    for text in TEXTS.into_iter().chain([own.as_str()]) {
        if let Ok(ids) = tokenizer.encode(text, true) {
            for &id in &ids {
                assert!(tokenizer.token_bytes(id).is_some(), "id {id} has no token");
            }
            let whole = tokenizer.decode(&ids, false).expect("its own ids");
            let mut stream = tokenizer.stream_decoder(false);
            let mut streamed = String::new();
            for id in ids {
                streamed += &stream.push(id).expect("its own ids");
            }
            streamed += &stream.finish();
            assert_eq!(whole, streamed);
        }
        if let Ok(segments) = tokenizer.segment(text) {
            let mut last = 0;
            for (_, end) in segments {
                assert!(end <= text.len() && end >= last, "{last}..{end} of {text:?}");
                last = end;
            }
        }
    }
    if let Ok(vocabulary) = ByteVocabulary::new(&tokenizer) {
        for text in TEXTS {
            if let Ok(ids) = vocabulary.encode(text.as_bytes()) {
                let bytes: Vec<u8> = ids
                    .iter()
                    .flat_map(|&id| tokenizer.token_bytes(id).unwrap_or_default())
                    .copied()
                    .collect();
                assert_eq!(bytes, text.as_bytes());
            }
        }
    }
    let _ = GgufVocabulary::from_json(json);
    Corpus::Keep
});
