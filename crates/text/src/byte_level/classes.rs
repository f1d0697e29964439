//! What the split patterns of byte-level tokenizers can tell of a character.
//!
//! The patterns speak of general categories (`\p{L}`, `\p{N}`, …), white space, line ends,
//! apostrophes and, after these, of the letters of English contractions. Everything else is
//! alike to them, so a text is a short string over these classes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use regex_syntax::Parser;
use regex_syntax::hir::{Class as HirClass, HirKind};

/// A character as the patterns see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Class {
    /// `\p{Lu}`, `\p{Lt}`.
    Upper,
    /// `\p{Ll}`.
    Lower,
    /// `\p{Lm}`, `\p{Lo}`.
    OtherLetter,
    /// `\p{M}`.
    Mark,
    /// `\p{N}`.
    Number,
    /// A space.
    Space,
    /// `\s` other than a space and line ends.
    Blank,
    /// `\r`, `\n`.
    Newline,
    Apostrophe,
    Slash,
    /// Anything else, and bytes that are no UTF-8, which read as U+FFFD.
    Other,
    /// A lower-case letter of a contraction: one of `s t r e v m l d`.
    LowerIn(u8),
    /// The same in upper case.
    UpperIn(u8),
    /// U+017F, which a pattern that ignores case takes for an s.
    LongS,
    /// A whole token that is found in the text before it is split.
    Added,
}

impl Class {
    pub(crate) fn is_letter(self) -> bool {
        self.is_cased_upper() || self.is_cased_lower() || self == Class::OtherLetter
    }

    pub(crate) fn is_cased_upper(self) -> bool {
        matches!(self, Class::Upper | Class::UpperIn(_))
    }

    pub(crate) fn is_cased_lower(self) -> bool {
        matches!(self, Class::Lower | Class::LowerIn(_) | Class::LongS)
    }

    pub(crate) fn is_space(self) -> bool {
        matches!(self, Class::Space | Class::Blank | Class::Newline)
    }

    /// The class where no contraction can read the letter.
    pub(crate) fn without_letter(self) -> Self {
        match self {
            Class::LowerIn(_) | Class::LongS => Class::Lower,
            Class::UpperIn(_) => Class::Upper,
            class => class,
        }
    }

    /// `[^\s\p{L}\p{N}]`.
    pub(crate) fn is_symbol(self) -> bool {
        matches!(
            self,
            Class::Mark | Class::Apostrophe | Class::Slash | Class::Other
        )
    }

    /// The letter that a contraction would read here.
    pub(crate) fn contraction_letter(self, ignore_case: bool) -> Option<u8> {
        match self {
            Class::LowerIn(letter) => Some(letter),
            Class::UpperIn(letter) if ignore_case => Some(letter),
            Class::LongS if ignore_case => Some(b's'),
            _ => None,
        }
    }
}

const CONTRACTION_LETTERS: &[u8] = b"strevmld";

/// Every letter of a contraction, in both cases.
pub(crate) fn contraction_letters() -> impl Iterator<Item = Class> {
    let both = |letter: &u8| [Class::LowerIn(*letter), Class::UpperIn(*letter)];
    CONTRACTION_LETTERS.iter().flat_map(both)
}

pub(crate) fn class_of(c: char) -> Class {
    match c {
        ' ' => Class::Space,
        '\r' | '\n' => Class::Newline,
        '\'' => Class::Apostrophe,
        '/' => Class::Slash,
        '\u{17f}' => Class::LongS,
        'a'..='z' if CONTRACTION_LETTERS.contains(&(c as u8)) => Class::LowerIn(c as u8),
        'A'..='Z' if CONTRACTION_LETTERS.contains(&(c as u8).to_ascii_lowercase()) => {
            Class::UpperIn((c as u8).to_ascii_lowercase())
        }
        _ => category_of(u32::from(c)),
    }
}

fn category_of(code: u32) -> Class {
    let table = categories();
    let at = table.partition_point(|(start, ..)| *start <= code);
    match at.checked_sub(1).and_then(|at| table.get(at)) {
        Some((_, end, class)) if code <= *end => *class,
        _ => Class::Other,
    }
}

/// Ranges of code points, sorted, from the tables that the pattern engine itself uses.
fn categories() -> &'static [(u32, u32, Class)] {
    static TABLE: OnceLock<Vec<(u32, u32, Class)>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let named = [
            (r"[\p{Lu}\p{Lt}]", Class::Upper),
            (r"\p{Ll}", Class::Lower),
            (r"[\p{Lm}\p{Lo}]", Class::OtherLetter),
            (r"\p{M}", Class::Mark),
            (r"\p{N}", Class::Number),
            (r"\s", Class::Blank),
        ];
        let mut table = Vec::new();
        for (pattern, class) in named {
            if let Ok(hir) = Parser::new().parse(pattern)
                && let HirKind::Class(HirClass::Unicode(set)) = hir.kind()
            {
                let ranges = set.ranges().iter();
                table.extend(ranges.map(|r| (u32::from(r.start()), u32::from(r.end()), class)));
            }
        }
        table.sort_unstable_by_key(|(start, ..)| *start);
        table
    })
}

/// The classes of the characters that a started one may become, for the one to three bytes of
/// `start`. Empty where `start` is no start of a character.
///
/// Remembered: the first byte of a rare character may begin a quarter of a million of them.
pub(crate) fn completions(start: &[u8]) -> Arc<[Class]> {
    type Known = Mutex<HashMap<Vec<u8>, Arc<[Class]>>>;
    static KNOWN: OnceLock<Known> = OnceLock::new();
    let known = KNOWN.get_or_init(Known::default);
    if let Ok(known) = known.lock()
        && let Some(found) = known.get(start)
    {
        return found.clone();
    }
    let mut found = Vec::new();
    complete(&mut start.to_vec(), &mut found);
    let found: Arc<[Class]> = found.into();
    if let (Ok(mut known), 0..4) = (known.lock(), start.len()) {
        known.insert(start.to_vec(), found.clone());
    }
    found
}

fn complete(bytes: &mut Vec<u8>, found: &mut Vec<Class>) {
    match std::str::from_utf8(bytes) {
        Ok(text) => {
            for class in text.chars().map(class_of) {
                if !found.contains(&class) {
                    found.push(class);
                }
            }
        }
        Err(error) if error.error_len().is_none() => {
            for byte in 0x80..=0xbf {
                bytes.push(byte);
                complete(bytes, found);
                bytes.pop();
            }
        }
        Err(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_those_of_the_patterns() {
        let cases = [
            ('A', Class::Upper),
            ('T', Class::UpperIn(b't')),
            ('ǅ', Class::Upper),
            ('ß', Class::Lower),
            ('中', Class::OtherLetter),
            ('ʰ', Class::OtherLetter),
            ('\u{301}', Class::Mark),
            ('½', Class::Number),
            ('Ⅷ', Class::Number),
            ('\u{a0}', Class::Blank),
            ('\u{3000}', Class::Blank),
            ('\t', Class::Blank),
            ('€', Class::Other),
            ('😀', Class::Other),
        ];
        for (c, class) in cases {
            assert_eq!(class_of(c), class, "{c}");
        }
    }

    #[test]
    fn a_started_character_may_become_several_classes() {
        assert_eq!(*completions(&[0xe4, 0xb8]), [Class::OtherLetter]);
        let dash = completions(&[0xe2, 0x80]);
        assert!(dash.contains(&Class::Blank) && dash.contains(&Class::Other));
        assert!(completions(&[0x80]).is_empty());
    }
}
