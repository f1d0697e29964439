//! Byte-pair encoding of one piece.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::merges::MergeTable;

/// Joins the best-ranked pair of neighbours, the leftmost of equals, until none is left.
///
/// `O(n log n)` in the number of symbols: a Gemma text is one piece.
pub(crate) fn merge_all(symbols: &mut Vec<u32>, merges: &MergeTable) {
    let len = symbols.len();
    // `next[i]` and `before[i]` link what is left; a joined symbol stays at its left place.
    let mut next: Vec<usize> = (1..=len).collect();
    let mut before: Vec<usize> = (0..len).map(|at| at.wrapping_sub(1)).collect();
    let mut gone = vec![false; len];
    let mut queue = BinaryHeap::new();
    let pair = |symbols: &[u32], left: usize, right: usize| {
        let merge = merges.get(*symbols.get(left)?, *symbols.get(right)?)?;
        Some((merge.rank, left))
    };
    queue.extend((1..len).filter_map(|right| pair(symbols, right - 1, right).map(Reverse)));
    while let Some(Reverse((rank, left))) = queue.pop() {
        let Some(right) = next.get(left).copied().filter(|right| *right < len) else {
            continue;
        };
        let merge = match (symbols.get(left), symbols.get(right)) {
            (Some(a), Some(b)) if !gone[left] => merges.get(*a, *b),
            _ => None,
        };
        // The pair may have changed since it was queued.
        let Some(merge) = merge.filter(|merge| merge.rank == rank) else {
            continue;
        };
        symbols[left] = merge.merged;
        gone[right] = true;
        let after = next[right];
        next[left] = after;
        if after < len {
            before[after] = left;
            queue.extend(pair(symbols, left, after).map(Reverse));
        }
        let earlier = before[left];
        if earlier < len {
            queue.extend(pair(symbols, earlier, left).map(Reverse));
        }
    }
    let mut kept = gone.iter().map(|gone| !gone);
    symbols.retain(|_| kept.next().unwrap_or(false));
}
