//! Ids of real models, identical to those of their reference implementations.

mod common;

use common::{fixture, from_json, ids, parse, reference, smollm2, smollm2_vocabulary, texts};
use lexigraft_text::{ChatMessage, ChatTemplate, Tokenizer};
use serde_json::Value;

#[test]
fn smollm2_writes_the_reference_ids() {
    let tokenizer = smollm2();
    let reference = reference("smollm2-135m-instruct-q4_1.json");
    let cases: Vec<Value> = parse(&reference["tokenizer"]);
    assert!(cases.len() >= 22);
    for case in cases {
        let text: String = parse(&case["text"]);
        let got = tokenizer.encode(&text, true).expect("the text encodes");
        assert_eq!(got, ids(&case["ids"]), "{text:?}");
        assert_eq!(tokenizer.decode(&got, false).as_deref(), Ok(text.as_str()));
    }
    let prompts: Vec<Value> = parse(&reference["prompts"]);
    assert_eq!(prompts.len(), 5);
    for prompt in prompts {
        let text: String = parse(&prompt["prompt"]);
        let got = tokenizer.encode(&text, true).expect("the text encodes");
        assert_eq!(got, ids(&prompt["ids"]), "{text:?}");
        let greedy = tokenizer.decode(&ids(&prompt["greedy_ids"]), false);
        assert_eq!(greedy, Ok(parse::<String>(&prompt["greedy_text"])));
    }
}

#[test]
fn smollm2_knows_its_special_tokens() {
    let tokenizer = smollm2();
    assert_eq!(tokenizer.vocab_size(), 49152);
    assert_eq!((tokenizer.bos(), tokenizer.eos()), (Some(1), Some(2)));
    assert_eq!(tokenizer.stop_ids(), [2, 0]);
    assert_eq!(tokenizer.id_of("<|im_start|>"), Some(1));
    assert_eq!(tokenizer.id_of("Ġthe"), Some(260));
    assert!(tokenizer.is_special(2) && !tokenizer.is_special(260));
    assert_eq!(tokenizer.token_bytes(260), Some(&b" the"[..]));
    assert_eq!(tokenizer.token_bytes(2), Some(&b"<|im_end|>"[..]));
    assert_eq!(tokenizer.token_bytes(49152), None);
}

#[test]
fn missing_bytes_are_those_without_a_token() {
    let missing = smollm2().missing_bytes();
    assert_eq!(missing.len(), 21);
    assert!(missing.starts_with(&[0x04, 0x06, 0x13, 0x14, 0x16, 0x1d, 0xc0]));
    let ids = smollm2()
        .encode("a\u{4}b", false)
        .expect("the text encodes");
    assert_eq!(smollm2().decode(&ids, false).as_deref(), Ok("ab"));
    for (name, tokenizer) in common::all() {
        if ["llama3", "qwen3", "gpt4o", "gemma3"].contains(name) {
            assert!(tokenizer.missing_bytes().is_empty(), "{name}");
        }
    }
}

#[test]
fn tokenizers_and_templates_go_between_threads() {
    fn shared<T: Send + Sync + Clone>() {}
    shared::<Tokenizer>();
    shared::<ChatTemplate>();
    shared::<lexigraft_text::StreamDecoder>();
}

#[test]
fn smollm2_renders_the_reference_chat() {
    let vocabulary = smollm2_vocabulary();
    let source = vocabulary.chat_template.clone().expect("a chat template");
    let template = ChatTemplate::new(&source, "<|im_start|>", "<|im_end|>").expect("it parses");
    let reference = reference("smollm2-135m-instruct-q4_1.json");
    let expected: String = parse(&reference["prompts"][4]["prompt"]);
    let messages = [ChatMessage::new("user", "What is gravity?")];
    assert_eq!(template.render(&messages, true), Ok(expected.clone()));
    let shorter = expected
        .strip_suffix("<|im_start|>assistant\n")
        .expect("the prompt opens the assistant's turn");
    assert_eq!(template.render(&messages, false).as_deref(), Ok(shorter));
    let messages = [
        ChatMessage::new("system", "Be brief."),
        ChatMessage::new("user", "Hi"),
    ];
    assert_eq!(
        template.render(&messages, false).as_deref(),
        Ok("<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n")
    );
}

#[test]
fn minilm_writes_the_reference_ids() {
    let tokenizer = from_json("minilm");
    let reference = reference("all-minilm-l6-v2.json");
    let cases: Vec<Value> = parse(&reference["cases"]);
    let mut cut = 0;
    for case in cases {
        let text: String = parse(&case["text"]);
        let expected = ids(&case["ids"]);
        let got = tokenizer.encode_truncated(&text, 256);
        assert_eq!(got, Ok(expected.clone()), "{text:?}");
        // The truncation and padding written in tokenizer.json do not apply.
        let whole = tokenizer.encode(&text, true).expect("the text encodes");
        assert!(whole.len() >= expected.len());
        cut += usize::from(whole.len() > 256);
    }
    assert_eq!(cut, 1, "the over-long text is among the cases");
    assert_eq!(tokenizer.encode("", true), Ok(vec![101, 102]));
    assert_eq!(tokenizer.encode("", false), Ok(vec![]));
    assert_eq!(tokenizer.encode_truncated("cat", 2), Ok(vec![101, 102]));
    let too_short = tokenizer.encode_truncated("cat", 1).expect_err("no room");
    assert_eq!(too_short.code(), "invalid-argument");
    assert_eq!(tokenizer.token_bytes(2075), Some(&b"ing"[..]));
    assert_eq!((tokenizer.bos(), tokenizer.eos()), (Some(101), Some(102)));
}

#[test]
fn tokenizer_json_files_write_the_reference_ids() {
    let expected = fixture("ids.json");
    for (name, tokenizer) in common::all().iter().take(5) {
        let cases: Vec<Value> = parse(&expected[name]);
        assert_eq!(cases.len(), texts().len());
        for (text, case) in texts().iter().zip(&cases) {
            let got = tokenizer.encode(text, true).expect("the text encodes");
            assert_eq!(got, ids(&case["ids"]), "{name}: {text:?}");
            let plain: String = parse(&case["text"]);
            assert_eq!(tokenizer.decode(&got, true), Ok(plain), "{name}: {text:?}");
            let with_special: String = parse(&case["with_special"]);
            let decoded = tokenizer.decode(&got, false);
            assert_eq!(decoded, Ok(with_special), "{name}: {text:?}");
        }
    }
}

#[test]
fn text_comes_back_from_its_ids() {
    for (name, tokenizer) in common::all() {
        for text in texts() {
            // WordPiece forgets case and spacing; Qwen 3 composes characters; SentencePiece
            // writes spaces and marks alike.
            let forgets = match *name {
                "minilm" => true,
                "qwen3" => text.contains('\u{301}'),
                "gemma3" | "spm" | "spm prefix" => text.contains('\u{2581}'),
                _ => false,
            };
            if forgets {
                continue;
            }
            let got = tokenizer.encode(&text, false).expect("the text encodes");
            // A symbol in the middle starts a new run of text, with its own leading space.
            let split = *name == "spm prefix" && text.contains("<|sep|>");
            if !split {
                let back = tokenizer.decode(&got, false);
                assert_eq!(back.as_deref(), Ok(text.as_str()), "{name}");
            }
            let bytes: Vec<u8> = got
                .iter()
                .flat_map(|id| tokenizer.token_bytes(*id).expect("the id is known"))
                .copied()
                .collect();
            let expected = match *name {
                "spm prefix" if !text.is_empty() => format!(" {text}"),
                _ => text.clone(),
            };
            assert_eq!(bytes, expected.as_bytes(), "{name}: {text:?}");
        }
    }
}

#[test]
fn ends_of_text_are_known() {
    let stops = |name: &str| {
        let tokenizer = from_json(name);
        let names: Vec<String> = (tokenizer.stop_ids().into_iter())
            .filter_map(|id| tokenizer.token_bytes(id))
            .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
            .collect();
        (tokenizer, names.join(" "))
    };
    let (llama, names) = stops("llama3");
    assert_eq!(names, "<|end_of_text|> <|eot_id|>");
    assert_eq!(llama.bos(), Some(128_000));
    assert_eq!(llama.vocab_size(), 128_256);
    assert_eq!(stops("qwen3").1, "<|endoftext|> <|im_end|>");
    assert_eq!(stops("gpt4o").1, "<|endoftext|>");
    let (gemma, names) = stops("gemma3");
    assert_eq!(names, "<eos> <end_of_turn>");
    assert_eq!(gemma.bos(), Some(2));
    // GPT-4o leaves holes between its last ids.
    let gpt4o: Tokenizer = from_json("gpt4o");
    assert_eq!(gpt4o.vocab_size(), 200_019);
    assert_eq!(gpt4o.token_bytes(200_000), None);
    assert_eq!(gpt4o.id_of("<|endofprompt|>"), Some(200_018));
}
