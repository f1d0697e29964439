//! Beginnings that sequences share.

use std::collections::HashMap;

/// The places of many short sequences of ids, each beginning once, however many sequences have it.
///
/// Under causal attention a place's state depends on what comes before it alone, so sequences that
/// begin alike have the same states as far as they do.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Prefixes {
    /// Of each place, the place before it; that comes earlier here.
    before: Vec<Option<usize>>,
    /// Of each place, how many come before it in its sequence.
    depths: Vec<usize>,
    /// Of each place, where its id is first, among all ids one after the other.
    firsts: Vec<usize>,
    /// Of each sequence, its last place.
    ends: Vec<usize>,
}

impl Prefixes {
    /// The beginnings of `sequences`, none of them empty: an empty one has no last place and is left
    /// out.
    pub fn new<'a>(sequences: impl IntoIterator<Item = &'a [u32]>) -> Self {
        let mut prefixes = Self::default();
        let mut known: HashMap<(Option<usize>, u32), usize> = HashMap::new();
        let mut at = 0;
        for sequence in sequences {
            let mut before = None;
            for (depth, id) in sequence.iter().enumerate() {
                let new = prefixes.before.len();
                let place = *known.entry((before, *id)).or_insert(new);
                if place == new {
                    prefixes.before.push(before);
                    prefixes.depths.push(depth);
                    prefixes.firsts.push(at);
                }
                before = Some(place);
                at += 1;
            }
            prefixes.ends.extend(before);
        }
        prefixes
    }

    /// `count` sequences of one place each.
    pub(super) fn alone(count: usize) -> Self {
        Self {
            before: vec![None; count],
            depths: vec![0; count],
            firsts: (0..count).collect(),
            ends: (0..count).collect(),
        }
    }

    /// Number of places.
    pub fn len(&self) -> usize {
        self.before.len()
    }

    /// Whether there is no place.
    pub fn is_empty(&self) -> bool {
        self.before.is_empty()
    }

    /// Of each place, where its id is first, among all ids of the sequences one after the other.
    pub fn firsts(&self) -> &[usize] {
        &self.firsts
    }

    /// Of each sequence, its last place.
    pub(super) fn ends(&self) -> &[usize] {
        &self.ends
    }

    /// How many places the longest sequence has.
    pub(super) fn longest(&self) -> usize {
        self.depths.iter().max().map_or(0, |depth| depth + 1)
    }

    /// How many places come before `place` in its sequence.
    pub(super) fn depth(&self, place: usize) -> usize {
        self.depths.get(place).copied().unwrap_or(0)
    }

    /// The places up to `place`, which is the last.
    pub(super) fn path(&self, place: usize, path: &mut Vec<usize>) {
        path.clear();
        let mut next = Some(place);
        while let Some(place) = next {
            path.push(place);
            next = self.before.get(place).copied().flatten();
        }
        path.reverse();
    }
}

#[cfg(test)]
mod tests {
    use super::Prefixes;

    #[test]
    fn a_beginning_is_there_once() {
        let sequences: [&[u32]; 5] = [&[7, 8], &[7, 9, 8], &[7, 8, 1], &[8], &[7, 8]];
        let prefixes = Prefixes::new(sequences);
        // 7, 7 8, 7 9, 7 9 8, 7 8 1, 8.
        assert_eq!(prefixes.len(), 6);
        assert_eq!(prefixes.longest(), 3);
        let ids = sequences.concat();
        let mut path = Vec::new();
        for (sequence, end) in sequences.iter().zip(prefixes.ends()) {
            prefixes.path(*end, &mut path);
            let found: Vec<u32> = path.iter().map(|at| ids[prefixes.firsts()[*at]]).collect();
            assert_eq!(found, *sequence);
            for (depth, place) in path.iter().enumerate() {
                assert_eq!(prefixes.depth(*place), depth);
            }
        }
        assert_eq!(prefixes.ends()[0], prefixes.ends()[4]);
    }

    #[test]
    fn sequences_of_one_place_share_nothing() {
        let alone = Prefixes::alone(3);
        assert_eq!(alone, Prefixes::new([&[5][..], &[6], &[7]]));
        assert!(Prefixes::new([&[][..]]).is_empty());
    }
}
