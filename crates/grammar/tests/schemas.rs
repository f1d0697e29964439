//! JSON schemas as people write them: what is let through, and what chance writes under them.

use lexigraft_grammar::{ByteGrammar, END};
use serde_json::Value;

fn accepts(schema: &ByteGrammar, text: &str) -> bool {
    let mut state = schema.clone();
    for byte in text.bytes() {
        if !state.allowed()[usize::from(byte)] {
            return false;
        }
        state.advance(byte);
    }
    state.may_end()
}

const PERSON: &str = r#"{"type": "object", "properties": {
    "name": {"type": "string", "minLength": 1, "maxLength": 8},
    "age": {"type": "integer", "minimum": 0, "maximum": 150},
    "mood": {"enum": ["glad", "sad", "désolé", null]},
    "scores": {"type": "array", "items": {"type": "number", "minimum": -1, "maximum": 1},
        "minItems": 1, "maxItems": 3},
    "home": {"type": "object", "properties": {"city": {"type": "string", "maxLength": 6},
        "code": {"type": "string", "pattern": "^[A-Z]{2}[0-9]{3}$"}},
        "required": ["city", "code"], "additionalProperties": false}},
    "required": ["name", "age", "mood", "scores", "home"], "additionalProperties": false}"#;

#[test]
fn what_satisfies_a_schema_is_let_through() {
    let schema = ByteGrammar::json_schema(PERSON).unwrap();
    let home = r#""home": {"city": "Ulm", "code": "DE890"}"#;
    let yes = [
        format!(
            r#"{{"name": "Zoë", "age": 41, "mood": "glad", "scores": [0.5, -1, 1.0], {home}}}"#
        ),
        format!(r#"{{"name": "名前", "age": 0, "mood": "désolé", "scores": [0], {home}}}"#),
        format!(r#"{{"name": "😀", "age": 150, "mood": null, "scores": [-0.25], {home}}}"#),
        format!(r#"{{"name":"a\"\n","age":7,"mood":"sad","scores":[1],{home}}}"#),
        format!(
            "{{\n  \"name\": \"A\",\n  \"age\": 1,\n  \"mood\": null,\n  \"scores\": [ 1 ],\n  {home}\n}}"
        ),
    ];
    for text in yes {
        assert!(accepts(&schema, &text), "{text}");
        assert!(serde_json::from_str::<Value>(&text).is_ok());
    }
    let no = [
        // A name of no or nine characters, an age that is none, a mood, scores, a code.
        format!(r#"{{"name": "", "age": 41, "mood": "glad", "scores": [1], {home}}}"#),
        format!(r#"{{"name": "123456789", "age": 41, "mood": "glad", "scores": [1], {home}}}"#),
        format!(r#"{{"name": "A", "age": -1, "mood": "glad", "scores": [1], {home}}}"#),
        format!(r#"{{"name": "A", "age": 151, "mood": "glad", "scores": [1], {home}}}"#),
        format!(r#"{{"name": "A", "age": 4.5, "mood": "glad", "scores": [1], {home}}}"#),
        format!(r#"{{"name": "A", "age": 041, "mood": "glad", "scores": [1], {home}}}"#),
        format!(r#"{{"name": "A", "age": 41, "mood": "angry", "scores": [1], {home}}}"#),
        format!(r#"{{"name": "A", "age": 41, "mood": "sad", "scores": [], {home}}}"#),
        format!(r#"{{"name": "A", "age": 41, "mood": "sad", "scores": [1, 1, 1, 1], {home}}}"#),
        format!(r#"{{"name": "A", "age": 41, "mood": "sad", "scores": [1.5], {home}}}"#),
        r#"{"name": "A", "age": 41, "mood": "sad", "scores": [1], "home": {"city": "", "code": "de890"}}"#
            .to_owned(),
        r#"{"name": "A", "age": 41, "mood": "sad", "scores": [1]}"#.to_owned(),
        format!(r#"{{"name": "A", "age": 41, "mood": "sad", "scores": [1], {home}, "x": 1}}"#),
        format!(r#"{{"name": "A", "age": 41, "mood": "sad", "scores": [1], {home}"#),
    ];
    for text in no {
        assert!(!accepts(&schema, &text), "{text}");
    }
}

#[test]
fn keys_come_in_the_order_of_the_schema() {
    let schema = ByteGrammar::json_schema(
        r#"{"type": "object", "properties": {"z": {"type": "null"}, "a": {"type": "null"}},
            "required": ["z", "a"], "additionalProperties": false}"#,
    );
    let schema = schema.unwrap();
    assert!(accepts(&schema, r#"{"z": null, "a": null}"#));
    assert!(!accepts(&schema, r#"{"a": null, "z": null}"#));
}

#[test]
fn blanks_are_few_unless_the_schema_says_otherwise() {
    let pair = |more: &str| {
        let schema =
            format!(r#"{{"type": "array", "items": {{"enum": [1]}}, "minItems": 2{more}}}"#);
        ByteGrammar::json_schema(&schema).unwrap()
    };
    let usual = pair("");
    for text in ["[1,1]", "[1, 1]", "[\n  1,\n  1\n]", "[\n            1,1]"] {
        assert!(accepts(&usual, text), "{text}");
    }
    for text in ["[1,  1]", "[\n\n1,1]", "[\t1,1]", "[\n             1,1]"] {
        assert!(!accepts(&usual, text), "{text}");
    }
    let free = pair(r#", "x-guidance": {"whitespace_flexible": true}"#);
    assert!(accepts(&free, "[1,  \t\n\n 1]"));
    let none = pair(r#", "x-guidance": {"whitespace_flexible": false}"#);
    assert!(accepts(&none, "[1,1]") && !accepts(&none, "[1, 1]"));
    let tabs = pair(r#", "x-guidance": {"whitespace_pattern": "\\t"}"#);
    assert!(accepts(&tabs, "[1,\t1]") && !accepts(&tabs, "[1, 1]"));
    let anything = ByteGrammar::json_schema("true").unwrap();
    assert!(accepts(&anything, r#"{"a": [1, null]}"#) && !accepts(&anything, "[1,  1]"));
}

/// Numbers that look random and are the same every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }
}

/// A text that is written by taking any of what is allowed until the end is taken.
fn written(schema: &ByteGrammar, dice: &mut Dice) -> String {
    let mut state = schema.clone();
    let mut bytes = Vec::new();
    loop {
        let allowed = state.allowed();
        let open: Vec<usize> = (0..=END).filter(|slot| allowed[*slot]).collect();
        assert!(!open.is_empty(), "{:?}", String::from_utf8_lossy(&bytes));
        match u8::try_from(open[dice.roll(open.len())]) {
            Ok(byte) => {
                bytes.push(byte);
                state.advance(byte);
            }
            Err(_) => return String::from_utf8(bytes).unwrap(),
        }
        assert!(
            bytes.len() < 4_000,
            "no end: {:?}",
            String::from_utf8_lossy(&bytes)
        );
    }
}

fn chars(value: &Value) -> usize {
    value.as_str().unwrap().chars().count()
}

#[test]
fn whatever_chance_writes_satisfies_the_schema() {
    let schema = ByteGrammar::json_schema(PERSON).unwrap();
    let mut dice = Dice(7);
    let mut moods = std::collections::BTreeSet::new();
    for _ in 0..150 {
        let text = written(&schema, &mut dice);
        let value: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
        assert!((1..=8).contains(&chars(&value["name"])), "{text}");
        assert!(
            value["age"].as_u64().is_some_and(|age| age <= 150),
            "{text}"
        );
        moods.insert(value["mood"].to_string());
        let scores = value["scores"].as_array().unwrap();
        assert!((1..=3).contains(&scores.len()), "{text}");
        for score in scores {
            assert!(
                score.as_f64().is_some_and(|s| (-1.0..=1.0).contains(&s)),
                "{text}"
            );
        }
        assert!(chars(&value["home"]["city"]) <= 6, "{text}");
        let code = value["home"]["code"].as_str().unwrap().as_bytes();
        assert!(
            code.len() == 5 && code[..2].iter().all(u8::is_ascii_uppercase),
            "{text}"
        );
        assert!(code[2..].iter().all(u8::is_ascii_digit), "{text}");
        assert_eq!(value.as_object().unwrap().len(), 5, "{text}");
    }
    assert_eq!(moods.len(), 4);
}

#[test]
fn references_alternatives_and_recursion_hold() {
    let schema = ByteGrammar::json_schema(
        r##"{"$defs": {"tree": {"type": "object", "properties": {
                "value": {"anyOf": [{"type": "boolean"}, {"type": "string", "maxLength": 3}]},
                "branches": {"type": "array", "items": {"$ref": "#/$defs/tree"}, "maxItems": 2}},
                "required": ["value", "branches"], "additionalProperties": false}},
            "$ref": "#/$defs/tree"}"##,
    );
    let schema = schema.unwrap();
    assert!(accepts(&schema, r#"{"value": true, "branches": []}"#));
    assert!(accepts(
        &schema,
        r#"{"value": "ü", "branches": [{"value": false, "branches": []}]}"#
    ));
    assert!(!accepts(&schema, r#"{"value": 1, "branches": []}"#));
    assert!(!accepts(&schema, r#"{"value": true, "branches": [{}]}"#));
}
