//! What users may give that is no use: an error with a code, in bounded time, and never a panic.

use std::time::{Duration, Instant};

use lexigraft_grammar::{ByteGrammar, GrammarError, MOST_GRAMMAR_BYTES, MOST_SCHEMA_BYTES};

/// Each takes milliseconds, or a second; the machine may be busy.
const MOST_TIME: Duration = Duration::from_secs(20);

/// Compiles, and if that works reads the first allowed byte again and again.
#[track_caller]
fn tried(made: impl FnOnce() -> Result<ByteGrammar, GrammarError>) -> Result<(), &'static str> {
    let began = Instant::now();
    let result = made().map_err(|error| error.code());
    let result = result.map(|mut grammar| {
        for _ in 0..200 {
            let Some(byte) = grammar.allowed()[..256].iter().position(|allowed| *allowed) else {
                break;
            };
            grammar.advance(u8::try_from(byte).unwrap());
        }
    });
    assert!(began.elapsed() < MOST_TIME, "{:?}", began.elapsed());
    result
}

#[track_caller]
fn lark(grammar: &str) -> Result<(), &'static str> {
    tried(|| ByteGrammar::lark(grammar))
}

#[track_caller]
fn schema(schema: &str) -> Result<(), &'static str> {
    tried(|| ByteGrammar::json_schema(schema))
}

const BAD: Result<(), &str> = Err("bad-constraint");

#[test]
fn what_makes_no_sense() {
    for grammar in [
        "",
        "start: (",
        "start: \"a",
        "start: missing",
        "other: \"a\"",
        "start: /(/",
        "start: /a(?=b)/",
        "start: /(a)\\1/",
        "start: \"a\"\nstart: \"b\"",
        "start: \"a\"{2,1}",
        "start: \"a\"{-1,1}",
        "start: <[1-99999999999999999999]>",
        "start: @other",
        "start: %json {",
        "%import nowhere.NOTHING\nstart: NOTHING",
        "%llguidance {\"no_forcing\": 7}\nstart: \"a\"",
        "\u{0}\u{1}\u{feff}",
    ] {
        assert_eq!(lark(grammar), BAD, "{grammar:?}");
    }
    for text in [
        "",
        "{",
        "7",
        "\"string\"",
        "[]",
        "null",
        r#"{"type": "nonsense"}"#,
        r#"{"type": 7}"#,
        r#"{"$ref": "https://example.com/schema.json"}"#,
        r##"{"$ref": "#/nowhere"}"##,
        r#"{"type": "string", "pattern": "("}"#,
        r#"{"type": "string", "minLength": -1}"#,
        r#"{"type": "array", "uniqueItems": true}"#,
        r#"{"properties": 7}"#,
    ] {
        assert_eq!(schema(text), BAD, "{text:?}");
    }
}

#[test]
fn what_nothing_satisfies() {
    for text in [
        "false",
        r#"{"enum": []}"#,
        r#"{"allOf": [{"type": "string"}, {"type": "number"}]}"#,
        r#"{"type": "integer", "minimum": 3, "maximum": 2}"#,
        r#"{"type": "string", "minLength": 3, "maxLength": 2}"#,
        r##"{"$ref": "#"}"##,
    ] {
        let code = schema(text);
        let either = [BAD, Err("contradictory-constraints")];
        assert!(either.contains(&code), "{text}: {code:?}");
    }
    // Rules that never end, and an expression that matches nothing.
    for text in [
        "start: start",
        "start: a\na: b\nb: a",
        "start: /a/ & /b/",
        "start: A\nA: /a/ & /b/",
    ] {
        let code = lark(text);
        let either = [BAD, Err("contradictory-constraints")];
        assert!(either.contains(&code), "{text}: {code:?}");
    }
}

/// The parser looks ahead for as long as there is one byte to choose, and gives up.
#[test]
fn what_has_no_end() {
    let mut grammar = ByteGrammar::lark("start: \"a\" start").unwrap();
    grammar.advance(b'a');
    assert!(!grammar.allowed().contains(&true));
    assert!(grammar.failure().is_some());
    let mut grammar = ByteGrammar::lark("start: (\"a\" | \"b\") start").unwrap();
    for _ in 0..100 {
        assert!(grammar.allowed()[usize::from(b'b')] && !grammar.may_end());
        grammar.advance(b'b');
    }
}

#[test]
fn what_is_too_long() {
    let spaces = " ".repeat(MOST_GRAMMAR_BYTES);
    assert_eq!(lark(&format!("start: \"a\"{spaces}")), BAD);
    let spaces = " ".repeat(MOST_SCHEMA_BYTES);
    assert_eq!(schema(&format!("true{spaces}")), BAD);
    assert_eq!(schema(&format!("{{}}{}", " ".repeat(1000))), Ok(()));
}

#[test]
fn what_is_nested_too_deeply() {
    for depth in [1_000, 30_000] {
        let brackets = format!("start: {}\"a\"{}", "(".repeat(depth), ")".repeat(depth));
        assert_eq!(lark(&brackets), BAD);
        assert_eq!(lark(&format!("start: {}", "(".repeat(depth))), BAD);
        assert_eq!(lark(&format!("start: {}\"a\"", "~".repeat(depth))), BAD);
        assert_eq!(lark(&format!("start: {}", "[".repeat(depth))), BAD);
        let expression = format!("start: /{}a{}/", "(".repeat(depth), ")".repeat(depth));
        assert_eq!(lark(&expression), BAD);
        assert_eq!(
            schema(&format!("{}true", r#"{"items":"#.repeat(depth))),
            BAD
        );
        assert_eq!(schema(&"[".repeat(depth)), BAD);
    }
    let depth = 10_000;
    let pattern = format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(
        schema(&format!(r#"{{"type": "string", "pattern": "{pattern}"}}"#)),
        BAD
    );
    assert_eq!(
        lark(&format!("start: {}", "%json {\"a\": ".repeat(5_000))),
        BAD
    );
}

#[test]
fn rules_inside_rules() {
    // As many as fit, each in the one before: a recursion as deep as there are rules.
    let chain = |count: usize| {
        let rules = (0..count).map(|i| format!("r{i}: r{} | \"a\"\n", i + 1));
        format!("start: r0\n{}r{count}: \"b\"", rules.collect::<String>())
    };
    let long = chain(3_000);
    assert!(long.len() < MOST_GRAMMAR_BYTES && long.len() > MOST_GRAMMAR_BYTES * 3 / 4);
    assert!(matches!(lark(&long), Ok(()) | BAD));
    assert_eq!(lark(&chain(100)), Ok(()));
    let tokens = (0..2_500).map(|i| format!("T{i}: T{} | \"a\"\n", i + 1));
    let tokens = format!("start: T0\n{}T2500: \"b\"", tokens.collect::<String>());
    assert!(matches!(lark(&tokens), Ok(()) | BAD));
    let references = (0..2_000).map(|i| format!(r##""d{i}": {{"$ref": "#/$defs/d{}"}},"##, i + 1));
    let references = format!(
        r##"{{"$defs": {{{} "d2000": {{"type": "null"}}}}, "$ref": "#/$defs/d0"}}"##,
        references.collect::<String>()
    );
    assert!(matches!(schema(&references), Ok(()) | BAD));
}

#[test]
fn what_would_take_for_ever() {
    for grammar in [
        "start: /((a{1,1000}){1,1000}){1,1000}/",
        "start: /(a|b)*a(a|b){2000}/",
        "start: \"a\"{1000000}",
        "start: (\"a\"{1,5000}){1,5000}",
        "start: x{5000}\nx: y{5000}\ny: \"a\"",
        "start: A\nA: /.*a.{30}/ & /.*b.{30}/ & /.*c.{30}/ & /.*d.{30}/ & ~/.*e.{30}/",
        "start: start start | \"a\" | \"\"",
        "start: a*\na: b*\nb: \"x\"*",
    ] {
        assert!(matches!(lark(grammar), Ok(()) | BAD), "{grammar}");
    }
    for text in [
        r#"{"type": "string", "minLength": 1000000000}"#,
        r#"{"type": "string", "pattern": "^((a{1,500}){1,500}){1,500}$"}"#,
        r#"{"type": "array", "minItems": 1000000000}"#,
        r#"{"type": "array", "items": {"type": "array", "minItems": 9999}, "minItems": 9999}"#,
        r#"{"type": "number", "multipleOf": 0.000000001, "minimum": 1e-300, "maximum": 1e300}"#,
        r##"{"anyOf": [{"$ref": "#"}, {"$ref": "#"}, {"type": "null"}]}"##,
    ] {
        let code = schema(text);
        let known = [Ok(()), BAD, Err("contradictory-constraints")];
        assert!(known.contains(&code), "{text}: {code:?}");
    }
    let many = (0..15_000)
        .map(|i| format!("\"key {i}\""))
        .collect::<Vec<_>>();
    assert_eq!(
        schema(&format!("{{\"enum\": [{}]}}", many.join(","))),
        Ok(())
    );
}

#[test]
fn a_byte_that_is_not_allowed_ends_everything() {
    let mut grammar = ByteGrammar::lark("start: \"ab\"").unwrap();
    grammar.advance(b'x');
    assert!(!grammar.allowed().contains(&true));
    grammar.advance(b'a');
    assert!(!grammar.allowed().contains(&true));
}

/// What was too much to make is known at once, the rest when it is met.
#[test]
fn a_grammar_that_becomes_too_much_work_says_so() {
    let mut grammar = ByteGrammar::lark("start: \"a\"{1000000}").unwrap();
    assert_eq!(grammar.failure(), None);
    grammar.advance(b'a');
    assert!(!grammar.allowed().contains(&true));
    let failure = grammar.failure().unwrap();
    assert!(failure.contains("Too many items"), "{failure}");
    assert!(!failure.contains("verbose"), "{failure}");
}

/// Grammars with a piece cut out, doubled or moved.
#[test]
fn what_was_garbled() {
    let whole = [
        "start: sum\nsum: product | sum \"+\" product\nproduct: NUMBER (\"*\" NUMBER)*\n\
         NUMBER: /[1-9][0-9]*/ & ~/13/\n%ignore / +/\nlist[capture]: %json {\"type\": \"null\"}",
        r##"{"type": "object", "properties": {"a": {"$ref": "#/$defs/b"}, "c": {"type": "string",
            "pattern": "^[a-z]{1,3}$"}}, "$defs": {"b": {"enum": [1, "x"]}}, "required": ["a"]}"##,
    ];
    let mut state = 1u64;
    let mut roll = |sides: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(state >> 33).unwrap() % sides
    };
    let known = ["bad-constraint", "contradictory-constraints"];
    let mut refused = 0;
    for round in 0..400 {
        let mut text: Vec<char> = whole[round % 2].chars().collect();
        for _ in 0..1 + roll(3) {
            let (from, to) = (roll(text.len()), roll(text.len()));
            let (from, to) = (from.min(to), from.max(to).min(from.min(to) + 12));
            let piece: Vec<char> = text.drain(from..to).collect();
            let at = roll(text.len());
            for _ in 0..roll(3) {
                text.splice(at..at, piece.iter().copied());
            }
        }
        let text: String = text.into_iter().collect();
        let result = if round % 2 == 0 {
            lark(&text)
        } else {
            schema(&text)
        };
        if let Err(code) = result {
            assert!(known.contains(&code), "{text}: {code}");
            refused += 1;
        }
    }
    assert!((100..400).contains(&refused), "{refused}");
}
