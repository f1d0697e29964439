//! Where each patch went over all blocks.

use crate::reduce::Reduction;

/// What became of a patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is in this token at the end.
    Token(u32),
    /// It was dropped in this block.
    Dropped(u32),
}

/// The fate of every patch, and the last hidden states of those that were dropped.
#[derive(Debug, Clone)]
pub struct SourceMap {
    fates: Vec<Fate>,
    width: usize,
    /// `[patches, width]`; rows of patches that live are zero.
    last: Vec<f32>,
}

impl SourceMap {
    /// Each of `patches` patches is its own token, behind `leading` others.
    pub fn new(patches: usize, leading: usize, width: usize) -> Self {
        Self {
            fates: (0..patches)
                .map(|patch| Fate::Token((leading + patch) as u32))
                .collect(),
            width,
            last: vec![0.0; patches * width],
        }
    }

    /// Follows a reduction in block `layer` over tokens whose hidden states before it were `hidden`.
    pub fn follow(&mut self, reduction: &Reduction, hidden: &[f32], layer: usize) {
        let rows = self.last.chunks_exact_mut(self.width.max(1));
        for (fate, last) in self.fates.iter_mut().zip(rows) {
            let Fate::Token(token) = *fate else { continue };
            let token = token as usize;
            match reduction.destinations().get(token).copied().flatten() {
                Some(output) => *fate = Fate::Token(output),
                None => {
                    *fate = Fate::Dropped(layer as u32);
                    let row = hidden.get(token * self.width..(token + 1) * self.width);
                    if let Some(row) = row {
                        last.copy_from_slice(row);
                    }
                }
            }
        }
    }

    pub fn fates(&self) -> &[Fate] {
        &self.fates
    }

    /// Patches in each of the `tokens` final tokens.
    pub fn patch_counts(&self, tokens: usize) -> Vec<usize> {
        let mut counts = vec![0; tokens];
        for fate in &self.fates {
            if let Fate::Token(token) = fate
                && let Some(count) = counts.get_mut(*token as usize)
            {
                *count += 1;
            }
        }
        counts
    }

    /// A row for every patch: that of its token in `hidden`, `[tokens, width]`, or its own last one
    /// before it was dropped. `[patches, width]`.
    pub fn unmerge(&self, hidden: &[f32]) -> Vec<f32> {
        let mut out = self.last.clone();
        let rows = out.chunks_exact_mut(self.width.max(1));
        for (fate, out) in self.fates.iter().zip(rows) {
            if let Fate::Token(token) = *fate {
                let start = token as usize * self.width;
                if let Some(row) = hidden.get(start..start + self.width) {
                    out.copy_from_slice(row);
                }
            }
        }
        out
    }
}
