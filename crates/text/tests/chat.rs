//! Chat templates, against Jinja2 as Hugging Face transformers sets it up.

mod common;

use common::{fixture, model_file, parse};
use lexigraft_text::{
    ChatMessage, ChatTemplate, TemplateDate, TemplateOptions, TextError, TokenizerConfig,
};
use serde_json::Value;

#[test]
fn published_templates_and_habits_render_as_in_python() {
    let fixture = fixture("chat.json");
    let cases: Vec<Value> = parse(&fixture["cases"]);
    assert_eq!(cases.len(), 63);
    for case in cases {
        let template = match case["model"].as_str() {
            Some(model) => {
                let config = model_file(&format!("tokenizers/{model}/tokenizer_config.json"));
                let config = TokenizerConfig::from_json(&config).expect("the config is valid");
                let source = config.chat_template.expect("a chat template");
                let bos = config.bos_token.unwrap_or_default();
                let eos = config.eos_token.unwrap_or_default();
                ChatTemplate::new(&source, &bos, &eos)
            }
            None => {
                let source: String = parse(&case["template"]);
                ChatTemplate::new(&source, "<s>", "</s>")
            }
        };
        let template = template.expect("the template parses");
        let messages: Vec<ChatMessage> = parse(&case["messages"]);
        let options = TemplateOptions {
            add_generation_prompt: parse(&case["generation"]),
            variables: match &case["variables"] {
                Value::Object(variables) => variables.clone(),
                _ => Default::default(),
            },
            ..TemplateOptions::default()
        };
        let got = template.render_with(&messages, &options);
        match case["error"].as_str() {
            Some(reason) => {
                assert_eq!(got, Err(TextError::MessagesRefused(reason.to_owned())));
            }
            None => {
                let expected: String = parse(&case["text"]);
                assert_eq!(got, Ok(expected), "{} {}", case["model"], case["name"]);
            }
        }
    }
}

#[test]
fn the_date_is_the_callers() {
    let source = "{{ strftime_now('%d %b %Y') }}";
    let template = ChatTemplate::new(source, "", "").expect("it parses");
    let messages = [ChatMessage::new("user", "Hi")];
    let date = TemplateDate {
        year: 2024,
        month: 7,
        day: 26,
        hour: 0,
        minute: 0,
        second: 0,
    };
    let options = TemplateOptions {
        date: Some(date),
        ..TemplateOptions::default()
    };
    let got = template.render_with(&messages, &options);
    assert_eq!(got.as_deref(), Ok("26 Jul 2024"));
    let without = template
        .render(&messages, false)
        .expect_err("no date was given");
    assert_eq!(without.code(), "bad-template");
    let absurd = TemplateOptions {
        date: Some(TemplateDate { month: 0, ..date }),
        ..TemplateOptions::default()
    };
    assert!(template.render_with(&messages, &absurd).is_err());
}

#[test]
fn bad_templates_say_where() {
    let cases: [(&str, &str, Option<usize>); 12] = [
        ("a\n{% if x %}", "bad-template", Some(2)),
        ("a\nb {{ \n", "bad-template", Some(2)),
        ("a\n{% unknown %}", "bad-template", Some(2)),
        ("a\n\n{{ x | no_such_filter }}", "bad-template", Some(3)),
        ("{{ no_such_function() }}", "bad-template", Some(1)),
        (
            "\n{{ messages[0].content.no_such_method() }}",
            "bad-template",
            Some(2),
        ),
        ("\n\n{{ missing.field.deeper }}", "bad-template", Some(3)),
        (
            "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
            "bad-template",
            Some(1),
        ),
        (
            "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
            "bad-template",
            Some(1),
        ),
        (
            "{% set ns = namespace(s='xxxxxxxx') %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}{{ ns.s }}",
            "bad-template",
            Some(1),
        ),
        ("{{ 'x' * 9999999999 }}", "bad-template", Some(1)),
        ("{{ raise_exception('no') }}", "invalid-argument", None),
    ];
    let messages = [ChatMessage::new("user", "Hi")];
    for (source, code, line) in cases {
        let error = ChatTemplate::new(source, "", "")
            .and_then(|template| template.render(&messages, false))
            .expect_err(source);
        assert_eq!(error.code(), code, "{source}: {error}");
        if let TextError::BadTemplate { line: at, .. } = &error {
            assert_eq!(*at, line, "{source}: {error}");
        }
    }
    let nested = "{% if 1 %}".repeat(100_000);
    let deep = "{{ ".to_owned() + &"(".repeat(100_000);
    let long = "x".repeat(2 << 20);
    for source in [nested, deep, long] {
        let error = ChatTemplate::new(&source, "", "").expect_err("a hostile template");
        assert_eq!(error.code(), "bad-template");
    }
    let template = ChatTemplate::new("ok", "", "").expect("it parses");
    let error = template.render(&[], true).expect_err("no message");
    assert_eq!(error.code(), "invalid-argument");
}

#[test]
fn a_large_conversation_has_fuel_enough() {
    let config = model_file("tokenizers/qwen3/tokenizer_config.json");
    let config = TokenizerConfig::from_json(&config).expect("the config is valid");
    let source = config.chat_template.expect("a chat template");
    let template = ChatTemplate::new(&source, "", "").expect("it parses");
    let turns = ["user", "assistant"];
    let long = "word ".repeat(2_000);
    let messages: Vec<ChatMessage> = (0..1_000)
        .map(|turn| ChatMessage::new(turns[turn % 2], long.as_str()))
        .collect();
    let text = template.render(&messages, true).expect("it renders");
    assert!(text.len() > 1_000 * long.len());
}

#[test]
fn configs_name_tokens_and_templates_in_every_form() {
    let parse = |json: &str| TokenizerConfig::from_json(json.as_bytes());
    let config = parse(
        r#"{"bos_token": {"content": "<s>", "lstrip": false}, "eos_token": null, "unk": 1,
            "chat_template": [{"name": "tool_use", "template": "t"},
                              {"name": "default", "template": "d"}]}"#,
    );
    let expected = TokenizerConfig {
        bos_token: Some("<s>".to_owned()),
        eos_token: None,
        chat_template: Some("d".to_owned()),
    };
    assert_eq!(config, Ok(expected));
    assert_eq!(parse("{}"), Ok(TokenizerConfig::default()));
    for bad in ["", "[]", r#"{"bos_token": 3}"#, r#"{"chat_template": {}}"#] {
        assert_eq!(parse(bad).expect_err(bad).code(), "bad-tokenizer");
    }
    let config = model_file("tokenizers/qwen3/tokenizer_config.json");
    let config = TokenizerConfig::from_json(&config).expect("the config is valid");
    let tokenizer = common::from_json("qwen3");
    let tokenizer = tokenizer
        .with_config(&config)
        .expect("its tokens are known");
    assert_eq!(tokenizer.eos(), tokenizer.id_of("<|im_end|>"));
    assert_eq!(tokenizer.stop_ids(), [151_645, 151_643]);
    let other = TokenizerConfig {
        eos_token: Some("<eos of another model>".to_owned()),
        ..TokenizerConfig::default()
    };
    let error = tokenizer.with_config(&other).expect_err("not its token");
    assert_eq!(error.code(), "bad-tokenizer");
}
