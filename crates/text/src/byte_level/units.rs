//! A text as the split rules see it, with what the token seams demand of it.

use super::classes::{Class, class_of};
use super::split::SplitRule;

/// What stands before a character.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Join {
    /// The inside of a token: no piece may start here.
    Inside,
    /// A seam of tokens that may stand in one piece or in two.
    Loose,
    /// A seam of tokens that merges would change: a piece must start here.
    Apart,
    /// The seam that is being asked about.
    Asked,
}

/// A character, or a run of bytes that is none and reads as U+FFFD.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Unit {
    pub(crate) class: Class,
    pub(crate) join: Join,
}

/// Of a run of characters that are alike to a rule, this many at each end are kept.
const KEPT: usize = 2;

/// Shortens runs that no rule can tell apart by their length.
///
/// Rules count digits up to three and look at the first two and the last of any other run.
pub(crate) fn shorten(units: &mut Vec<Unit>) {
    let mut kept: Vec<Unit> = Vec::with_capacity(units.len());
    let same = |a: &Unit, b: &Unit| a.class == b.class && a.class != Class::Added;
    for run in units.chunk_by(same) {
        let inner = KEPT..run.len().saturating_sub(KEPT);
        let dropped = |at: usize, unit: &Unit| {
            inner.contains(&at) && !matches!(unit.join, Join::Apart | Join::Asked)
        };
        let rest = run.iter().enumerate();
        kept.extend(
            rest.filter(|(at, unit)| !dropped(*at, unit))
                .map(|(_, u)| *u),
        );
    }
    *units = kept;
}

/// Forgets which letters of contractions there are where none can be: only the two characters
/// after an apostrophe are read. Of the first `open` units, those before are not known.
pub(crate) fn forget_letters(units: &mut [Unit], open: usize) {
    for at in open..units.len() {
        let before = units.get(at.saturating_sub(2)..at).unwrap_or_default();
        if !before.iter().any(|unit| unit.class == Class::Apostrophe)
            && let Some(unit) = units.get_mut(at)
        {
            unit.class = unit.class.without_letter();
        }
    }
}

/// The classes that a rule tells apart.
pub(crate) fn seen_by(rule: SplitRule, class: Class) -> Class {
    match (rule, class) {
        (_, Class::Added) | (SplitRule::Gpt4o, _) => class,
        (SplitRule::Whole, _) => Class::Other,
        (_, Class::Mark | Class::Slash) => Class::Other,
        (_, Class::Upper | Class::OtherLetter) => Class::Lower,
        (SplitRule::Gpt2 { .. }, Class::UpperIn(_) | Class::LongS) => Class::Lower,
        _ => class,
    }
}

/// The bytes of `text` as characters: class and start of each, and where the start of an
/// unfinished last character begins.
///
/// Bytes that are no UTF-8 are one character for each part that `String::from_utf8_lossy`
/// would replace by one U+FFFD.
pub(crate) fn characters(rule: SplitRule, text: &[u8]) -> (Vec<(Class, usize)>, usize) {
    let (mut found, mut at) = (Vec::with_capacity(text.len()), 0);
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            found.push((seen_by(rule, class_of(c)), at));
            at += c.len_utf8();
        }
        let invalid = chunk.invalid();
        if !invalid.is_empty() {
            let last = at + invalid.len() == text.len();
            let unfinished = |error: std::str::Utf8Error| error.error_len().is_none();
            if last && std::str::from_utf8(invalid).is_err_and(unfinished) {
                return (found, at);
            }
            found.push((seen_by(rule, Class::Other), at));
            at += invalid.len();
        }
    }
    (found, at)
}
