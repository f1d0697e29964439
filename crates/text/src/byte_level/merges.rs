//! Ranked merges, looked up by their pair.

use std::ops::Range;

/// What joining two tokens gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Merge {
    pub(crate) rank: u32,
    pub(crate) merged: u32,
}

/// Merges in rows by their left token, each row sorted by the right token: half a million of
/// them take 6 MB, where a hash map takes three times as much.
#[derive(Debug)]
pub(crate) struct MergeTable {
    starts: Vec<u32>,
    rights: Vec<u32>,
    merges: Vec<Merge>,
}

impl MergeTable {
    /// `merges` are left, right and merged token in the order of ranks; of a pair that stands
    /// twice the later rank counts, as in the engine.
    pub(crate) fn new(merges: &[[u32; 3]], vocab_size: usize) -> Self {
        let mut rows: Vec<(u32, u32, Merge)> = (0u32..)
            .zip(merges)
            .map(|(rank, [left, right, merged])| {
                let merged = *merged;
                (*left, *right, Merge { rank, merged })
            })
            .collect();
        rows.sort_unstable_by_key(|(left, right, merge)| (*left, *right, u32::MAX - merge.rank));
        rows.dedup_by_key(|(left, right, _)| (*left, *right));
        let mut table = Self {
            starts: Vec::with_capacity(vocab_size + 1),
            rights: Vec::with_capacity(rows.len()),
            merges: Vec::with_capacity(rows.len()),
        };
        for (left, right, merge) in rows {
            while table.starts.len() <= left as usize {
                table.starts.push(table.rights.len() as u32);
            }
            table.rights.push(right);
            table.merges.push(merge);
        }
        let end = table.rights.len() as u32;
        table
            .starts
            .resize(table.starts.len().max(vocab_size) + 1, end);
        table
    }

    pub(crate) fn get(&self, left: u32, right: u32) -> Option<Merge> {
        let row = self.range(left);
        let start = row.start;
        let place = self.rights.get(row)?.binary_search(&right).ok()?;
        self.merges.get(start + place).copied()
    }

    /// All merges of a left token, with the right one.
    pub(crate) fn row(&self, left: u32) -> impl Iterator<Item = (u32, Merge)> {
        let row = self.range(left);
        let rights = self.rights.get(row.clone()).unwrap_or_default();
        let merges = self.merges.get(row).unwrap_or_default();
        rights.iter().copied().zip(merges.iter().copied())
    }

    fn range(&self, left: u32) -> Range<usize> {
        let at = left as usize;
        let start = |at: usize| self.starts.get(at).map_or(0, |start| *start as usize);
        start(at)..start(at + 1)
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        (self.starts.capacity() + self.rights.capacity()) * 4 + self.merges.capacity() * 8
    }
}
