//! How tokenizers cut a text into pieces before they look at merges.
//!
//! Each rule is its family's regular expression, read by hand as a leftmost-first matcher would:
//! the alternatives in their order, each as far as it goes. The tests hold them to the engine.

use serde_json::Value;

use super::classes::Class;
use crate::pretokenizers::{GPT4O, LLAMA3, QWEN2};

/// A known way to split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SplitRule {
    /// Not at all.
    Whole,
    /// GPT-2's pattern; `digits` are cut out one by one before it (SmolLM, StarCoder).
    Gpt2 { digits: bool },
    /// Llama 3's pattern with up to `digits` digits a piece; Qwen's has one.
    Llama3 { digits: usize },
    /// GPT-4o's pattern.
    Gpt4o,
}

impl SplitRule {
    /// The rule that a normalizer and pre-tokenizer, as they stand in a `tokenizer.json`, come
    /// down to.
    pub(crate) fn of(normalizer: &Value, pre_tokenizer: &Value) -> Option<Self> {
        let kind = |value: &Value| value.get("type").and_then(Value::as_str).map(str::to_owned);
        let is = |value: &Value, name: &str| kind(value).as_deref() == Some(name);
        let replaces_spaces = |value: &Value| {
            is(value, "Replace") && value.pointer("/pattern/String") == Some(&Value::from(" "))
        };
        let parts = |value: &Value, key: &str| -> Vec<Value> {
            let parts = value.get(key).and_then(Value::as_array);
            parts.cloned().unwrap_or_else(|| vec![value.clone()])
        };
        let normalizers = parts(normalizer, "normalizers");
        let known = |value: &Value| {
            value.is_null() || is(value, "NFC") || is(value, "Prepend") || replaces_spaces(value)
        };
        if !normalizers.iter().all(known) {
            return None;
        }
        let byte_level = |value: &Value, regex: bool| {
            is(value, "ByteLevel")
                && value.get("add_prefix_space") != Some(&Value::Bool(true))
                && value
                    .get("use_regex")
                    .and_then(Value::as_bool)
                    .unwrap_or(true)
                    == regex
        };
        match parts(pre_tokenizer, "pretokenizers").as_slice() {
            [one] if one.is_null() => Some(Self::Whole),
            [one] if byte_level(one, true) => Some(Self::Gpt2 { digits: false }),
            [one] if byte_level(one, false) => Some(Self::Whole),
            // Of spaces, which the normalizer has replaced.
            [one]
                if is(one, "Split")
                    && one.pointer("/pattern/String") == Some(&Value::from(" "))
                    && normalizers.iter().any(replaces_spaces) =>
            {
                Some(Self::Whole)
            }
            [digits, rest]
                if is(digits, "Digits")
                    && digits.get("individual_digits") == Some(&Value::Bool(true))
                    && byte_level(rest, true) =>
            {
                Some(Self::Gpt2 { digits: true })
            }
            [split, rest] if is(split, "Split") && byte_level(rest, false) => {
                let pattern = split.pointer("/pattern/Regex").and_then(Value::as_str)?;
                let isolated = split.get("behavior") == Some(&Value::from("Isolated"));
                let inverted = split.get("behavior") == Some(&Value::from("Removed"))
                    && split.get("invert") == Some(&Value::Bool(true));
                match pattern {
                    LLAMA3 if isolated => Some(Self::Llama3 { digits: 3 }),
                    QWEN2 if isolated => Some(Self::Llama3 { digits: 1 }),
                    GPT4O if isolated || inverted => Some(Self::Gpt4o),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// Where the piece that starts at `start` ends.
    pub(crate) fn piece_end(self, text: &[Class], start: usize) -> usize {
        let isolated = |class: Class| {
            class == Class::Added || class == Class::Number && self == (Self::Gpt2 { digits: true })
        };
        match text.get(start) {
            None => return start,
            Some(class) if isolated(*class) => return start + 1,
            Some(_) => {}
        }
        // What is cut out before ends the text for the pattern.
        let rest = text.get(start..).unwrap_or_default();
        let length = rest.iter().position(|class| isolated(*class));
        let text = Text(rest.get(..length.unwrap_or(rest.len())).unwrap_or_default());
        let end = match self {
            Self::Whole => text.0.len(),
            Self::Gpt2 { .. } => text.gpt2(),
            Self::Llama3 { digits } => text.llama3(digits),
            Self::Gpt4o => text.gpt4o(),
        };
        start + end.max(1)
    }
}

/// A text from the start of a piece on.
struct Text<'a>(&'a [Class]);

impl Text<'_> {
    fn is(&self, at: usize, test: impl Fn(Class) -> bool) -> bool {
        self.0.get(at).is_some_and(|class| test(*class))
    }

    /// The end of the run from `at` on.
    fn run(&self, at: usize, test: impl Fn(Class) -> bool) -> usize {
        let rest = self.0.get(at..).unwrap_or_default();
        at + rest.iter().take_while(|class| test(**class)).count()
    }

    /// `'s|'t|'re|'ve|'m|'ll|'d`.
    fn contraction(&self, at: usize, ignore_case: bool) -> Option<usize> {
        if !self.is(at, |class| class == Class::Apostrophe) {
            return None;
        }
        let letter = |at: usize| self.0.get(at)?.contraction_letter(ignore_case);
        match (letter(at + 1), letter(at + 2)) {
            (Some(b's' | b't' | b'm' | b'd'), _) => Some(at + 2),
            (Some(b'r' | b'v'), Some(b'e')) | (Some(b'l'), Some(b'l')) => Some(at + 3),
            _ => None,
        }
    }

    /// `\s+(?!\S)|\s+`.
    fn spaces(&self) -> usize {
        let end = self.run(0, Class::is_space);
        if end > 1 && end < self.0.len() {
            end - 1
        } else {
            end
        }
    }

    /// `\s*[\r\n]+|\s+(?!\S)|\s+`.
    fn spaces_after_lines(&self) -> usize {
        let end = self.run(0, Class::is_space);
        let spaces = self.0.get(..end).unwrap_or_default();
        match spaces.iter().rposition(|class| *class == Class::Newline) {
            Some(last) => last + 1,
            None => self.spaces(),
        }
    }

    fn gpt2(&self) -> usize {
        if let Some(end) = self.contraction(0, false) {
            return end;
        }
        let at = usize::from(self.is(0, |class| class == Class::Space));
        if self.is(at, Class::is_letter) {
            self.run(at, Class::is_letter)
        } else if self.is(at, |class| class == Class::Number) {
            self.run(at, |class| class == Class::Number)
        } else if self.is(at, Class::is_symbol) {
            self.run(at, Class::is_symbol)
        } else {
            self.spaces()
        }
    }

    /// `\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|` and the spaces, which Llama 3 and GPT-4o share.
    fn numbers_symbols_spaces(&self, digits: usize, closing: impl Fn(Class) -> bool) -> usize {
        if self.is(0, |class| class == Class::Number) {
            return self.run(0, |class| class == Class::Number).min(digits);
        }
        let at = usize::from(self.is(0, |class| class == Class::Space));
        if self.is(at, Class::is_symbol) {
            return self.run(self.run(at, Class::is_symbol), closing);
        }
        self.spaces_after_lines()
    }

    /// Whether `[^\r\n\p{L}\p{N}]?` takes the first character.
    fn may_lead(&self) -> bool {
        self.is(0, |class| {
            !class.is_letter() && class != Class::Number && class != Class::Newline
        })
    }

    fn llama3(&self, digits: usize) -> usize {
        if let Some(end) = self.contraction(0, true) {
            return end;
        }
        let at = usize::from(self.may_lead());
        if self.is(at, Class::is_letter) {
            return self.run(at, Class::is_letter);
        }
        self.numbers_symbols_spaces(digits, |class| class == Class::Newline)
    }

    fn gpt4o(&self) -> usize {
        let upper = |class: Class| {
            class.is_cased_upper() || matches!(class, Class::OtherLetter | Class::Mark)
        };
        let lower = |class: Class| {
            class.is_cased_lower() || matches!(class, Class::OtherLetter | Class::Mark)
        };
        // `[upper]*[lower]+`, then `[upper]+[lower]*`; each with the leading character first.
        let leads: &[usize] = if self.may_lead() { &[1, 0] } else { &[0] };
        let small = leads.iter().find_map(|&at| {
            let end = self.run(at, upper);
            if self.is(end, lower) {
                return Some(self.run(end, lower));
            }
            // Give back characters until one of them can stand for the lower case.
            let given = self.0.get(at..end).unwrap_or_default();
            let last = given.iter().rposition(|class| lower(*class))?;
            Some(at + last + 1)
        });
        let large = || {
            leads.iter().find_map(|&at| {
                let end = self.run(at, upper);
                (end > at).then(|| self.run(end, lower))
            })
        };
        match small.or_else(large) {
            Some(end) => self.contraction(end, true).unwrap_or(end),
            None => self
                .numbers_symbols_spaces(3, |class| matches!(class, Class::Newline | Class::Slash)),
        }
    }
}
