//! Where each pair of neighbours is, and which occurs most.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};

pub(super) type Pair = (u32, u32);

/// The places of each pair, kept up to date while tokens are joined.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    places: HashMap<Pair, BTreeSet<usize>>,
    /// What was true of a pair when it changed: how often it occurs and where first. Entries that
    /// are no longer true are passed over.
    queue: BinaryHeap<(usize, Reverse<usize>, Pair)>,
}

impl Pairs {
    pub fn add(&mut self, pair: Pair, place: usize) {
        self.places.entry(pair).or_default().insert(place);
    }

    pub fn remove(&mut self, pair: Pair, place: usize) {
        if let Some(places) = self.places.get_mut(&pair) {
            places.remove(&place);
        }
    }

    /// Lets [`pop`](Self::pop) know of a pair as it is now.
    pub fn queue(&mut self, pair: Pair) {
        if let Some(places) = self.places.get(&pair)
            && let Some(first) = places.first()
        {
            self.queue.push((places.len(), Reverse(*first), pair));
        }
    }

    /// Lets [`pop`](Self::pop) know of all pairs.
    pub fn queue_all(&mut self) {
        let pairs: Vec<Pair> = self.places.keys().copied().collect();
        for pair in pairs {
            self.queue(pair);
        }
    }

    /// The pair of the most places, of several the one that is seen first, and its places in
    /// order. They are forgotten here.
    pub fn pop(&mut self) -> Option<(Pair, BTreeSet<usize>)> {
        while let Some((count, Reverse(first), pair)) = self.queue.pop() {
            let holds = self
                .places
                .get(&pair)
                .is_some_and(|places| places.len() == count && places.first() == Some(&first));
            if holds && let Some(places) = self.places.remove(&pair) {
                return Some((pair, places));
            }
        }
        None
    }
}
