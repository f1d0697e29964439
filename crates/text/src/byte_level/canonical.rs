//! Which sequences of tokens a tokenizer can write.
//!
//! A sequence is *canonical so far* if some text that begins with its bytes is encoded into
//! tokens that begin with it. The tokens of one piece must stand side by side
//! ([`Adjacency`](super::adjacency::Adjacency)), a piece may not end inside a token, and where
//! pieces end can depend on what follows: on whether a blank is the last of its run, whether an
//! apostrophe opens a contraction, what a started character becomes. So the characters since
//! the last certain end of a piece are kept, and each way the text may go on is tried.

use std::sync::Arc;

use super::added::Recent;
use super::adjacency::After;
use super::classes::{Class, completions, contraction_letters};
use super::outcomes::{Outcome, Outcomes};
use super::split::SplitRule;
use super::units::{Join, Unit, characters, forget_letters, seen_by, shorten};
use super::{ByteVocabulary, Canon, Mark};

/// What must be known of a sequence of tokens to tell which tokens may follow it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CanonicalState {
    last: Option<u32>,
    /// Characters since the last certain end of a piece.
    window: Vec<Unit>,
    /// The first bytes of an unfinished character, and what stands before it.
    tail: Vec<u8>,
    tail_join: Join,
    recent: Recent,
    complete: bool,
}

impl CanonicalState {
    pub(crate) fn start() -> Self {
        Self {
            last: None,
            window: Vec::new(),
            tail: Vec::new(),
            tail_join: Join::Loose,
            recent: Recent::default(),
            complete: true,
        }
    }

    /// Whether the sequence is the encoding of its own bytes. One that is not can only be the
    /// beginning of an encoding: two blanks as two tokens, before a digit.
    pub fn is_complete(&self) -> bool {
        self.complete
    }
}

/// How a text may go on, as far as a rule can tell: one character is enough to settle what came
/// before. `None` is the end of the text.
fn futures(rule: SplitRule, units: &[Unit]) -> Vec<Option<Class>> {
    let plain = [
        Class::Lower,
        Class::Other,
        Class::Space,
        Class::Number,
        Class::Newline,
        Class::Added,
    ];
    let mut found: Vec<Option<Class>> = vec![None];
    if rule == SplitRule::Whole {
        found.extend([Class::Other, Class::Added].map(Some));
        return found;
    }
    found.extend(plain.map(Some));
    if rule == SplitRule::Gpt4o {
        found.extend([Class::Upper, Class::OtherLetter, Class::Mark].map(Some));
    }
    let near = units.iter().rev().take(2);
    if near.clone().any(|unit| unit.class == Class::Apostrophe) {
        found.extend(contraction_letters().map(|class| Some(seen_by(rule, class))));
    }
    found
}

/// One way a text may go on: the character that its last bytes become, and the next one.
type Future = (Option<Class>, Option<Class>);

fn all_futures(rule: SplitRule, units: &[Unit], tail: &[u8]) -> Vec<Future> {
    let next = futures(rule, units);
    if tail.is_empty() {
        return next.into_iter().map(|class| (None, class)).collect();
    }
    let mut becomes: Vec<Class> = vec![Class::Other];
    for class in completions(tail).iter() {
        let class = seen_by(rule, *class);
        if !becomes.contains(&class) {
            becomes.push(class);
        }
    }
    let pairs = becomes.iter().flat_map(|first| {
        let next = next.iter();
        next.map(|class| (Some(*first), *class))
    });
    pairs.collect()
}

/// Where pieces start in `units` and the future, and whether the seams allow it.
struct Trial {
    starts: Vec<bool>,
    allowed: bool,
    /// Whether a piece starts at the seam that is asked about.
    apart: bool,
}

fn attempt(rule: SplitRule, units: &[Unit], tail_join: Join, future: Future) -> Trial {
    let mut classes: Vec<Class> = units.iter().map(|unit| unit.class).collect();
    classes.extend(future.0);
    let known = classes.len();
    classes.extend(future.1);
    let mut starts = vec![false; classes.len() + 1];
    let mut at = 0;
    while at < classes.len() {
        if let Some(start) = starts.get_mut(at) {
            *start = true;
        }
        at = rule.piece_end(&classes, at).max(at + 1);
    }
    let (mut allowed, mut apart) = (true, false);
    for (at, start) in starts.iter().take(known).enumerate() {
        // A window begins where a piece does.
        match units.get(at).map_or(tail_join, |unit| unit.join) {
            Join::Inside if at > 0 => allowed &= !start,
            Join::Apart => allowed &= start,
            Join::Asked => apart = *start,
            Join::Inside | Join::Loose => {}
        }
    }
    Trial {
        starts,
        allowed,
        apart,
    }
}

fn is_contracted(class: Class) -> bool {
    matches!(class, Class::LowerIn(_) | Class::UpperIn(_))
}

/// Whether a token ends in the beginning of a contraction of two letters.
pub(super) fn begins_contraction(bytes: &[u8]) -> bool {
    matches!(bytes, [.., b'\'', letter] if b"rvlRVL".contains(letter))
}

/// What a token looks like after a state.
struct Extension {
    units: Vec<Unit>,
    tail: Vec<u8>,
    tail_join: Join,
    /// The seam is inside a character, so that no piece can start there.
    inside: bool,
}

impl Canon {
    /// The window with a token behind it; its seam is marked as asked about.
    fn extend(&self, state: &CanonicalState, bytes: &[u8], is_added: bool) -> Extension {
        let mut units = state.window.clone();
        if is_added {
            units.extend(self.cut_off(state));
            units.push(Unit {
                class: Class::Added,
                join: Join::Asked,
            });
            return Extension {
                units,
                tail: Vec::new(),
                tail_join: Join::Loose,
                inside: false,
            };
        }
        let seam = state.tail.len();
        let text = [&state.tail, bytes].concat();
        let (found, end) = characters(self.rule, &text);
        let join_at = |at: usize| match at {
            _ if at == seam => Join::Asked,
            0 => state.tail_join,
            _ => Join::Inside,
        };
        units.extend(found.iter().map(|(class, at)| Unit {
            class: *class,
            join: join_at(*at),
        }));
        let tail = text.get(end..).unwrap_or_default().to_vec();
        let at_seam = found.iter().any(|(_, at)| *at == seam) || end == seam && !tail.is_empty();
        Extension {
            units,
            tail_join: if tail.is_empty() {
                Join::Loose
            } else {
                join_at(end)
            },
            tail,
            inside: !at_seam,
        }
    }

    /// An unfinished character that stays so.
    fn cut_off(&self, state: &CanonicalState) -> Option<Unit> {
        (!state.tail.is_empty()).then_some(Unit {
            class: seen_by(self.rule, Class::Other),
            join: state.tail_join,
        })
    }

    /// Whether some future allows the extension with its seam between two pieces, and whether
    /// some does with its seam inside one.
    fn outcome(&self, extension: &Extension) -> Outcome {
        let mut outcome = Outcome::default();
        for future in all_futures(self.rule, &extension.units, &extension.tail) {
            let trial = attempt(self.rule, &extension.units, extension.tail_join, future);
            if trial.allowed {
                outcome.apart |= trial.apart;
                outcome.joined |= !trial.apart;
            }
            if outcome.apart && outcome.joined {
                break;
            }
        }
        if extension.inside {
            outcome.apart = false;
        }
        outcome
    }

    /// The state after one more token, if the sequence is then still canonical so far.
    fn push(&self, state: &CanonicalState, id: u32, bytes: &[u8]) -> Option<CanonicalState> {
        let is_added = self.is_added(id);
        let recent = self.added.push(&state.recent, id, bytes, is_added)?;
        if !self.completes_rightly(state, id, bytes) {
            return None;
        }
        let adjacent = state
            .last
            .is_none_or(|last| self.adjacency.adjacent(last, id));
        let mut extension = self.extend(state, bytes, is_added);
        if extension.inside && !adjacent || !is_added && !self.adjacency.is_reachable(id) {
            return None;
        }
        let join = if adjacent { Join::Loose } else { Join::Apart };
        for unit in &mut extension.units {
            if unit.join == Join::Asked {
                unit.join = join;
            }
        }
        if extension.tail_join == Join::Asked {
            extension.tail_join = join;
        }
        let (units, tail_join) = (&extension.units, extension.tail_join);
        let (mut possible, mut complete) = (false, false);
        // Letters that the text must go on with, if with nothing else.
        let mut forced: Option<Vec<Class>> = Some(Vec::new());
        // Starts of pieces that every future has, as long as all agree on those before.
        let mut agreed: Option<Vec<bool>> = None;
        let mut certain = units.len();
        for future in all_futures(self.rule, units, &extension.tail) {
            let trial = attempt(self.rule, units, tail_join, future);
            possible |= trial.allowed;
            match (&mut forced, future.1) {
                (Some(letters), Some(class)) if trial.allowed && is_contracted(class) => {
                    letters.push(class);
                }
                _ if trial.allowed => forced = None,
                _ => {}
            }
            let ends = future.1.is_none();
            if ends {
                let stays = future
                    .0
                    .is_none_or(|class| class == seen_by(self.rule, Class::Other));
                complete |= stays && trial.allowed;
                continue;
            }
            match &agreed {
                None => agreed = Some(trial.starts),
                Some(agreed) => {
                    let pairs = agreed.iter().zip(&trial.starts);
                    let same = pairs.take_while(|(a, b)| a == b).count();
                    certain = certain.min(same.saturating_sub(1));
                }
            }
        }
        // The end of a contraction that was begun inside the token is a token of its own.
        let can_be_next = |class: &Class| {
            let next = self.letter(*class);
            next.is_some_and(|next| self.adjacency.adjacent(id, next))
        };
        if !possible || forced.is_some_and(|letters| !letters.iter().any(can_be_next)) {
            return None;
        }
        let starts = agreed.unwrap_or_default();
        let cut = (0..=certain)
            .rev()
            .find(|at| starts.get(*at) == Some(&true));
        let mut window = extension.units;
        window.drain(..cut.unwrap_or(0).min(window.len()));
        // No contraction reaches over the start of a piece.
        forget_letters(&mut window, 0);
        shorten(&mut window);
        Some(CanonicalState {
            last: Some(id),
            window,
            tail: extension.tail,
            tail_join,
            recent,
            complete,
        })
    }

    /// The symbol of a letter of a contraction.
    fn letter(&self, class: Class) -> Option<u32> {
        let byte = match class {
            Class::LowerIn(letter) => letter,
            Class::UpperIn(letter) => letter.to_ascii_uppercase(),
            _ => return None,
        };
        let known = self.characters.get(&char::from(byte)).copied();
        known.or_else(|| self.bytes.get(usize::from(byte)).copied().flatten())
    }

    /// Whether bytes that stand for themselves do not make a character that has a token.
    fn completes_rightly(&self, state: &CanonicalState, id: u32, bytes: &[u8]) -> bool {
        if !self.is_fallback(id) {
            return true;
        }
        let character = [&state.tail, bytes].concat();
        match std::str::from_utf8(&character) {
            Ok(text) => text.chars().all(|c| !self.characters.contains_key(&c)),
            Err(_) => std::str::from_utf8(bytes).map_or(true, |text| {
                text.chars().all(|c| !self.characters.contains_key(&c))
            }),
        }
    }
}

/// The tokens that may follow one state, asked one by one.
#[derive(Debug)]
pub struct Check<'a> {
    vocabulary: &'a ByteVocabulary,
    canon: &'a Canon,
    state: &'a CanonicalState,
    outcomes: Arc<Outcomes>,
    /// What may stand after the last token, once that was asked.
    after: Option<After<'a>>,
    /// Whether the first letters of a token may end a contraction.
    near_apostrophe: bool,
}

impl<'a> Check<'a> {
    pub(crate) fn new(
        vocabulary: &'a ByteVocabulary,
        canon: &'a Canon,
        state: &'a CanonicalState,
    ) -> Self {
        let last = state.window.iter().rev().take(2);
        Self {
            vocabulary,
            canon,
            state,
            outcomes: canon
                .outcomes
                .of(&state.window, &state.tail, state.tail_join),
            after: None,
            near_apostrophe: last.clone().any(|unit| unit.class == Class::Apostrophe),
        }
    }

    /// Whether the sequence with the token at `place` of the trie is canonical so far.
    pub fn allows(&mut self, place: usize) -> bool {
        let (canon, state) = (self.canon, self.state);
        let Some(mark) = canon.marks.get(place).filter(|mark| mark.is_written) else {
            return false;
        };
        let trie = self.vocabulary.trie();
        let touched = mark.is_added || mark.touches_added || state.recent != Recent::default();
        if touched || mark.is_fallback || mark.begins_contraction {
            let (id, bytes) = (trie.id(place), trie.token(place));
            let added = || canon.added.push(&state.recent, id, bytes, mark.is_added);
            if touched && added().is_none() || !canon.completes_rightly(state, id, bytes) {
                return false;
            }
            if mark.begins_contraction {
                return canon.push(state, id, bytes).is_some();
            }
        }
        let outcome = self.outcome(place, mark);
        if outcome.apart || !outcome.joined {
            return outcome.apart;
        }
        let Some(last) = state.last else {
            return true;
        };
        if mark.is_added || canon.is_added(last) {
            return canon.adjacency.adjacent(last, trie.id(place));
        }
        let after = self
            .after
            .get_or_insert_with(|| canon.adjacency.after(last));
        after.allows(trie.id(place), mark.number)
    }

    fn outcome(&self, place: usize, mark: &Mark) -> Outcome {
        let (canon, state) = (self.canon, self.state);
        let slot = canon.slot(mark, self.near_apostrophe);
        if let Some(outcome) = self.outcomes.get(slot) {
            return outcome;
        }
        let outcome = match canon.shapes.get(slot) {
            Some(shape) => self.of_shape(shape),
            None => {
                let bytes = self.vocabulary.trie().token(place);
                canon.outcome(&canon.extend(state, bytes, mark.is_added))
            }
        };
        self.outcomes.set(slot, outcome);
        outcome
    }

    fn of_shape(&self, shape: &[Unit]) -> Outcome {
        let (canon, state) = (self.canon, self.state);
        let mut units = state.window.clone();
        units.extend(canon.cut_off(state));
        let start = units.len();
        units.extend_from_slice(shape);
        if let Some(first) = units.get_mut(start) {
            first.join = Join::Asked;
        }
        canon.outcome(&Extension {
            units,
            tail: Vec::new(),
            tail_join: Join::Loose,
            inside: false,
        })
    }
}

impl ByteVocabulary {
    /// The state after one more token; `None` where the sequence is then no beginning of an
    /// encoding, or where the tokenizer is of a kind without canonical sequences.
    pub fn advance(&self, state: &CanonicalState, id: u32) -> Option<CanonicalState> {
        let canon = self.canon().ok()?;
        canon.push(state, id, self.tokenizer().token_bytes(id)?)
    }
}
