//! Where each patch went, from what a graphics card says at the end.

use crate::macs::BlockTokens;
use crate::reduce::Reduction;
use crate::source_map::{Fate, SourceMap};

/// Follows reductions: `destinations` holds for each of them, in the blocks of `tokens` that reduced,
/// the output that each token became part of, or `None` when it was dropped. Returns the fates after
/// each block; `map` has followed all of them, but knows no rows of what was dropped.
pub fn replay(
    map: &mut SourceMap,
    tokens: &[BlockTokens],
    destinations: &[Vec<Option<u32>>],
) -> Vec<Vec<Fate>> {
    let mut destinations = destinations.iter();
    let mut after = Vec::with_capacity(tokens.len());
    for (layer, counts) in tokens.iter().enumerate() {
        if counts.after < counts.before
            && let Some(goes) = destinations.next()
        {
            map.follow(&merged(goes, counts.after), &[], layer);
        }
        after.push(map.fates().to_vec());
    }
    after
}

/// Each output as the plain mean of its tokens.
fn merged(goes: &[Option<u32>], outputs: usize) -> Reduction {
    let mut members: Vec<Vec<usize>> = vec![Vec::new(); outputs];
    for (token, &output) in goes.iter().enumerate() {
        if let Some(members) = output.and_then(|output| members.get_mut(output as usize)) {
            members.push(token);
        }
    }
    let mut reduction = Reduction::begin(goes.len(), 0);
    for members in members {
        let share = 1.0 / members.len().max(1) as f32;
        let sources = members.iter().map(|&token| (token, share)).collect();
        reduction.push(sources, &members);
    }
    reduction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_without_a_reduction_leave_all_where_it_is() {
        let mut map = SourceMap::new(3, 1, 2);
        let counts = |before, after| BlockTokens { before, after };
        let blocks = [counts(4, 3), counts(3, 3), counts(3, 2)];
        let goes =
            [vec![0, 2, 1, 2], vec![0, 1, 1]].map(|goes| goes.into_iter().map(Some).collect());
        let all = replay(&mut map, &blocks, &goes);
        let fates = |tokens: [u32; 3]| tokens.map(Fate::Token).to_vec();
        assert_eq!(all, [fates([2, 1, 2]), fates([2, 1, 2]), fates([1, 1, 1])]);
        assert_eq!(map.fates(), all[2]);
    }

    #[test]
    fn dropped_patches_stay_dropped_and_a_summary_is_nobodys() {
        let mut map = SourceMap::new(3, 1, 2);
        let counts = |before, after| BlockTokens { before, after };
        let blocks = [counts(4, 3), counts(3, 2)];
        // CLS, the second patch, and a summary of the two others.
        let goes = [
            vec![Some(0), None, Some(1), None],
            vec![Some(0), Some(1), None],
        ];
        let all = replay(&mut map, &blocks, &goes);
        let fates = [Fate::Dropped(0), Fate::Token(1), Fate::Dropped(0)];
        assert_eq!(all, [fates, fates]);
    }
}
