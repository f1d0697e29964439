//! A regular expression over bytes.

use std::sync::Arc;

use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::util::primitives::StateID;
use regex_automata::util::start;
use regex_automata::util::syntax;
use regex_automata::{Anchored, MatchKind};

use super::{ByteConstraint, ByteSet};
use crate::DecodeError;

/// Most memory of an automaton: its states times 257 places of four bytes, and what building
/// it takes.
const MOST_BYTES: usize = 8 << 20;

/// Lets through what an expression matches as a whole.
#[derive(Clone)]
pub struct RegexConstraint {
    pattern: Arc<str>,
    automaton: Arc<dense::DFA<Vec<u32>>>,
    state: StateID,
}

impl std::fmt::Debug for RegexConstraint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("RegexConstraint")
            .field(&self.pattern)
            .finish()
    }
}

impl RegexConstraint {
    /// Builds the automaton of `pattern` in the syntax of the `regex` crate. The text must match
    /// from its first to its last byte; `.*` at the end lets it go on freely. `unicode` makes
    /// classes and dots stand for characters, else they stand for bytes.
    ///
    /// # Errors
    /// `bad-constraint` for a pattern that does not parse, needs look-around that an automaton
    /// cannot have, or becomes too large; `contradictory-constraints` for one that matches
    /// nothing.
    pub fn new(pattern: &str, unicode: bool) -> Result<Self, DecodeError> {
        let bad = |error: &dyn std::fmt::Display| {
            DecodeError::BadConstraint(format!("the expression cannot be used: {error}"))
        };
        let automaton = dense::Builder::new()
            .configure(
                dense::Config::new()
                    .start_kind(StartKind::Anchored)
                    .match_kind(MatchKind::All)
                    .dfa_size_limit(Some(MOST_BYTES))
                    .determinize_size_limit(Some(MOST_BYTES))
                    .minimize(false),
            )
            .syntax(syntax::Config::new().unicode(unicode).utf8(unicode))
            // A text that merely begins with a match goes on: `\z` ends it.
            .build(&format!("(?:{pattern})\\z"))
            .map_err(|error| bad(&error))?;
        let start = start::Config::new().anchored(Anchored::Yes);
        let state = automaton.start_state(&start).map_err(|error| bad(&error))?;
        let constraint = Self {
            pattern: pattern.into(),
            automaton: Arc::new(automaton),
            state,
        };
        if constraint.allowed().is_empty() {
            return Err(DecodeError::ContradictoryConstraints {
                at: 0,
                reason: format!("the expression {pattern} matches nothing"),
            });
        }
        Ok(constraint)
    }
}

impl ByteConstraint for RegexConstraint {
    fn allowed(&self) -> ByteSet {
        let dfa = &self.automaton;
        let ends = dfa.is_match_state(dfa.next_eoi_state(self.state));
        ByteSet::of(ends, |byte| {
            let next = dfa.next_state(self.state, byte);
            !dfa.is_dead_state(next) && !dfa.is_quit_state(next)
        })
    }

    fn push(&mut self, byte: u8) {
        self.state = self.automaton.next_state(self.state, byte);
    }

    fn name(&self) -> String {
        format!("the expression {}", self.pattern)
    }

    fn fork(&self) -> Box<dyn ByteConstraint> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the constraint lets a text through to an end.
    fn accepts(constraint: &RegexConstraint, text: &[u8]) -> bool {
        let mut state = constraint.clone();
        for byte in text {
            if !state.allowed().contains((*byte).into()) {
                return false;
            }
            state.push(*byte);
        }
        state.allowed().contains(256)
    }

    /// Every text over `alphabet` of at most `len` bytes.
    fn texts(alphabet: &[u8], len: usize) -> Vec<Vec<u8>> {
        let mut all = vec![Vec::new()];
        let mut last = all.clone();
        for _ in 0..len {
            last = (last.iter())
                .flat_map(|text| alphabet.iter().map(|b| [text.as_slice(), &[*b]].concat()))
                .collect();
            all.extend(last.iter().cloned());
        }
        all
    }

    #[test]
    fn it_accepts_what_the_matcher_matches_and_never_leads_nowhere() {
        let patterns = [
            "a*b",
            "(ab|a)c?",
            "[^a]+",
            "a{2,3}(b|c)",
            "",
            "(a|b)*abb",
            "a|bc|",
            "(?s).b.",
        ];
        let all = texts(b"abc", 6);
        for pattern in patterns {
            let whole = regex_automata::meta::Regex::new(&format!("^(?:{pattern})$")).unwrap();
            let constraint = RegexConstraint::new(pattern, true).unwrap();
            for text in &all {
                let matches = whole.is_match(text.as_slice());
                assert_eq!(accepts(&constraint, text), matches, "{pattern} {text:?}");
            }
            // What is let through is the beginning of a match: all of these have one of at most
            // six bytes more.
            for text in texts(b"abc", 3) {
                let mut state = constraint.clone();
                let alive = text.iter().all(|byte| {
                    let allowed = state.allowed().contains((*byte).into());
                    state.push(*byte);
                    allowed
                });
                if alive {
                    let can_end = all
                        .iter()
                        .any(|rest| whole.is_match([text.as_slice(), rest].concat().as_slice()));
                    assert!(can_end, "{pattern} {text:?}");
                }
            }
        }
    }

    #[test]
    fn bad_patterns_have_codes() {
        let code = |pattern: &str| RegexConstraint::new(pattern, true).unwrap_err().code();
        assert_eq!(code("("), "bad-constraint");
        assert_eq!(code("[a&&b]"), "contradictory-constraints");
        assert_eq!(code("(?:[a-z]{1000}){1000}"), "bad-constraint");
    }
}
