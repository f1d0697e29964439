//! Small grammars against recognisers that know nothing of them: over a small alphabet, exactly the
//! texts that the recogniser takes are let through, of every length up to a bound.

use std::collections::BTreeSet;

use lexigraft_grammar::ByteGrammar;

/// The texts over `alphabet` of at most `length` bytes that the grammar lets through to an end.
fn let_through(grammar: &ByteGrammar, alphabet: &[u8], length: usize) -> BTreeSet<String> {
    let mut through = BTreeSet::new();
    let mut open = vec![(String::new(), grammar.clone())];
    while let Some((text, state)) = open.pop() {
        if state.may_end() {
            through.insert(text.clone());
        }
        if text.len() == length {
            continue;
        }
        for byte in alphabet {
            if state.allowed()[usize::from(*byte)] {
                let mut next = state.clone();
                next.advance(*byte);
                assert!(
                    next.allowed().contains(&true),
                    "{text:?} and {:?} lead nowhere",
                    char::from(*byte)
                );
                open.push((format!("{text}{}", char::from(*byte)), next));
            }
        }
    }
    through
}

/// The same of a recogniser, which is asked about every text.
fn recognised(is_one: impl Fn(&str) -> bool, alphabet: &[u8], length: usize) -> BTreeSet<String> {
    let mut all = vec![String::new()];
    let mut last = all.clone();
    for _ in 0..length {
        last = (last.iter())
            .flat_map(|text| {
                let longer = move |byte: &u8| format!("{text}{}", char::from(*byte));
                alphabet.iter().map(longer)
            })
            .collect();
        all.extend(last.iter().cloned());
    }
    all.into_iter().filter(|text| is_one(text)).collect()
}

#[track_caller]
fn same(grammar: &ByteGrammar, alphabet: &str, length: usize, is_one: impl Fn(&str) -> bool) {
    let expected = recognised(is_one, alphabet.as_bytes(), length);
    assert!(expected.len() > 2, "the recogniser takes too little");
    assert_eq!(let_through(grammar, alphabet.as_bytes(), length), expected);
}

#[track_caller]
fn lark(grammar: &str) -> ByteGrammar {
    ByteGrammar::lark(grammar).unwrap()
}

#[track_caller]
fn schema(schema: &str) -> ByteGrammar {
    ByteGrammar::json_schema(schema).unwrap()
}

#[test]
fn balanced_brackets() {
    let grammar = lark("start: item\nitem: \"(\" item* \")\"");
    let balanced = |text: &str| {
        let mut depth = 0i32;
        let closes_at_its_end = text.char_indices().all(|(at, c)| {
            let inside = at == 0 || depth > 0;
            depth += if c == '(' { 1 } else { -1 };
            inside && depth >= 0
        });
        closes_at_its_end && depth == 0 && !text.is_empty()
    };
    same(&grammar, "()", 10, balanced);
}

#[test]
fn as_many_a_as_b() {
    let grammar = lark("start: \"a\" start \"b\" | \"c\"");
    same(&grammar, "abc", 7, |text| {
        let n = text.len() / 2;
        text == format!("{}c{}", "a".repeat(n), "b".repeat(n))
    });
}

#[test]
fn palindromes_whose_middle_cannot_be_seen() {
    let grammar = lark("start: \"a\" start \"a\" | \"b\" start \"b\" | \"a\" | \"b\" | \"\"");
    same(&grammar, "ab", 9, |text| {
        text.bytes().eq(text.bytes().rev())
    });
}

#[test]
fn sums_and_products() {
    let grammar = lark(
        "start: sum\nsum: product | sum \"+\" product\nproduct: atom | product \"*\" atom\n\
         atom: NUMBER | \"(\" sum \")\"\nNUMBER: /[1-9][0-9]*/",
    );
    /// What is left after an atom, a product or a sum; none if there is none.
    fn atom(text: &[u8]) -> Option<&[u8]> {
        match text {
            [b'(', inside @ ..] => sum(inside)?.strip_prefix(b")"),
            [b'1', ..] => {
                let digits = text.iter().take_while(|byte| byte.is_ascii_digit());
                text.get(digits.count()..)
            }
            _ => None,
        }
    }
    fn list<'a>(
        text: &'a [u8],
        sign: u8,
        part: impl Fn(&'a [u8]) -> Option<&'a [u8]>,
    ) -> Option<&'a [u8]> {
        let mut rest = part(text)?;
        while let Some(more) = rest.strip_prefix(&[sign]) {
            rest = part(more)?;
        }
        Some(rest)
    }
    fn sum(text: &[u8]) -> Option<&[u8]> {
        list(text, b'+', |text| list(text, b'*', atom))
    }
    same(&grammar, "10+*()", 6, |text| {
        sum(text.as_bytes()).is_some_and(<[u8]>::is_empty)
    });
}

#[test]
fn expressions_inside_a_grammar() {
    let grammar = lark("start: WORD (\",\" WORD)*\nWORD: /a(b|c){1,2}/ & /[^c].*/");
    same(&grammar, "abc,", 7, |text| {
        text.split(',').all(|word| {
            let rest = word.strip_prefix('a').unwrap_or_default();
            matches!(rest.len(), 1 | 2) && rest.bytes().all(|byte| byte != b'a')
        })
    });
}

#[test]
fn blanks_that_a_grammar_ignores_between_its_parts() {
    let grammar = lark("start: \"a\" \"b\" \"a\"\n%ignore / +/");
    same(&grammar, "ab ", 6, |text| {
        text.trim() == text && text.replace(' ', "") == "aba"
    });
}

#[test]
fn integers_within_bounds() {
    let grammar = schema(r#"{"type": "integer", "minimum": -12, "maximum": 130}"#);
    same(&grammar, "-0123", 5, |text| {
        let number = text.parse::<i32>();
        // JSON has no leading zeros.
        let plain = |n: i32| n.to_string() == text || text == "-0";
        number.is_ok_and(|n| (-12..=130).contains(&n) && plain(n))
    });
}

#[test]
fn arrays_with_blanks() {
    let grammar =
        schema(r#"{"type": "array", "items": {"enum": [1, 11]}, "minItems": 1, "maxItems": 2}"#);
    same(&grammar, "[],1 ", 6, |text| {
        let items: Option<Vec<u32>> = serde_json::from_str(text).ok();
        let fit = |items: Vec<u32>| {
            matches!(items.len(), 1 | 2) && items.iter().all(|item| matches!(item, 1 | 11))
        };
        text.trim() == text && !text.contains("  ") && items.is_some_and(fit)
    });
}

#[test]
fn strings_with_escapes_and_a_length() {
    let grammar = schema(r#"{"type": "string", "maxLength": 2}"#);
    same(&grammar, "\"\\na", 6, |text| {
        let string: Option<String> = serde_json::from_str(text).ok();
        text.trim() == text && string.is_some_and(|string| string.chars().count() <= 2)
    });
}

#[test]
fn objects_with_keys_that_may_be_absent() {
    let grammar = schema(
        r#"{"type": "object", "properties": {"a": {"type": "null"}, "b": {"enum": [1]}},
            "required": ["b"], "additionalProperties": false}"#,
    );
    let texts = let_through(&grammar, b"{}\"ab:1nul,", 18);
    let expected = [r#"{"a":null,"b":1}"#, r#"{"b":1}"#];
    assert_eq!(texts.into_iter().collect::<Vec<_>>(), expected);
}
