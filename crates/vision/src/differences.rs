//! What each patch differs from its token by.

use crate::reduce::Reduction;
use crate::source_map::{Fate, SourceMap};

/// For each patch the sum over all reductions of what its token was before and after. The blocks of
/// a transformer add to the hidden states, so what merging took away from a patch can be added
/// again behind the last of them.
#[derive(Debug, Clone)]
pub struct Differences {
    width: usize,
    /// `[patches, width]`.
    rows: Vec<f32>,
}

impl Differences {
    /// None yet.
    pub fn new(patches: usize, width: usize) -> Self {
        Self {
            width,
            rows: vec![0.0; patches * width],
        }
    }

    /// Takes in a reduction of hidden states `before`, `[inputs, width]`, to `after`, `[outputs,
    /// width]`. `map` has not followed it yet.
    pub fn follow(
        &mut self,
        map: &SourceMap,
        reduction: &Reduction,
        before: &[f32],
        after: &[f32],
    ) {
        let width = self.width.max(1);
        let row = |rows, index: usize| {
            let rows: &[f32] = rows;
            rows.get(index * width..(index + 1) * width)
                .map(<[f32]>::iter)
        };
        for (fate, out) in map.fates().iter().zip(self.rows.chunks_exact_mut(width)) {
            let Fate::Token(token) = *fate else { continue };
            let token = token as usize;
            let output = reduction.destinations().get(token).copied().flatten();
            let Some(output) = output else { continue };
            let (Some(before), Some(after)) = (row(before, token), row(after, output as usize))
            else {
                continue;
            };
            for ((out, before), after) in out.iter_mut().zip(before).zip(after) {
                *out += before - after;
            }
        }
    }

    /// Adds them to the unmerged hidden states, `[patches, width]`.
    pub fn restore(&self, patches: &mut [f32]) {
        for (patch, difference) in patches.iter_mut().zip(&self.rows) {
            *patch += difference;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_blocks_between_every_patch_comes_back() {
        let before = [9.0, 9.0, 1.0, 2.0, 3.0, 4.0, 5.0, 8.0];
        let mut map = SourceMap::new(3, 1, 2);
        let mut differences = Differences::new(3, 2);
        let mut states = before.to_vec();
        // Patches 0 and 2 first, then all of them.
        for groups in [vec![vec![1, 3], vec![2]], vec![vec![1, 2]]] {
            let mut reduction = Reduction::begin(states.len() / 2, 1);
            for group in &groups {
                let share = 1.0 / group.len() as f32;
                let sources = group.iter().map(|&token| (token, share)).collect();
                reduction.push(sources, group);
            }
            let after = reduction.apply(&states, 2);
            differences.follow(&map, &reduction, &states, &after);
            map.follow(&reduction, &states, 0);
            states = after;
        }
        assert_eq!(states.len(), 4);
        let mut patches = map.unmerge(&states);
        assert_ne!(patches, before[2..]);
        differences.restore(&mut patches);
        assert_eq!(patches, before[2..]);
    }

    #[test]
    fn a_dropped_patch_keeps_what_it_had() {
        let before = [1.0, 2.0, 6.0];
        let mut map = SourceMap::new(3, 0, 1);
        let mut differences = Differences::new(3, 1);
        let reduction = Reduction::keep(3, 0, &[0, 2]);
        let after = reduction.apply(&before, 1);
        differences.follow(&map, &reduction, &before, &after);
        map.follow(&reduction, &before, 0);
        let mut patches = map.unmerge(&after);
        differences.restore(&mut patches);
        assert_eq!(patches, before);
    }
}
