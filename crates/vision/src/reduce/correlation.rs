use super::select::{argmax, dot, normalised, ranking, row};
use super::{Reduction, TokenReducer, TokenView};
use crate::VisionError;

/// Token-level correlation-guided compression, after the description of arXiv 2407.14439 (no code
/// is public): a patch is redundant when an earlier patch that is not redundant correlates with it
/// above a threshold; the share of the others is the picture's information density, which sets how
/// many tokens it deserves; which ones is decided by the correlation of each patch with CLS.
#[derive(Debug, Clone, Copy)]
pub struct Correlation {
    /// Cosine from which two patches tell the same.
    pub threshold: f32,
    /// Let the density set the number of tokens, up to the number asked for.
    pub adaptive: bool,
}

impl Default for Correlation {
    fn default() -> Self {
        Self {
            threshold: 0.9,
            adaptive: false,
        }
    }
}

impl Correlation {
    /// Patches that repeat no earlier one, of `[n, width]` rows.
    pub fn distinct(&self, rows: &[f32], width: usize) -> Vec<usize> {
        let unit = normalised(rows, width);
        let mut distinct: Vec<usize> = Vec::new();
        for index in 0..rows.len() / width.max(1) {
            let own = row(&unit, index, width);
            let repeated = distinct
                .iter()
                .any(|&earlier| dot(own, row(&unit, earlier, width)) > self.threshold);
            if !repeated {
                distinct.push(index);
            }
        }
        distinct
    }
}

impl TokenReducer for Correlation {
    fn name(&self) -> &'static str {
        if self.adaptive {
            "correlation-adaptive"
        } else {
            "correlation"
        }
    }

    fn reduce(&self, view: &TokenView<'_>, keep: usize) -> Result<Reduction, VisionError> {
        view.check(keep)?;
        let (n, width) = (view.reducible(), view.width);
        if keep == n && !self.adaptive {
            return Ok(Reduction::all(view.tokens()));
        }
        let distinct = self.distinct(view.features(), width);
        let budget = if self.adaptive {
            keep.min(distinct.len())
        } else {
            keep
        };
        let unit = normalised(view.hidden, width);
        let cls = row(&unit, 0, width);
        let with_cls: Vec<f32> = (0..n)
            .map(|index| dot(cls, row(&unit, view.leading + index, width)))
            .collect();
        // Distinct patches first, by their correlation with CLS; then the rest by theirs.
        let ordered = |wanted: bool| {
            ranking(&with_cls)
                .into_iter()
                .filter(|index| distinct.binary_search(index).is_ok() == wanted)
                .collect::<Vec<usize>>()
        };
        let mut kept = ordered(true);
        kept.extend(ordered(false));
        kept.truncate(budget);
        if kept.is_empty() && budget > 0 {
            kept.extend(argmax(with_cls));
        }
        kept.sort_unstable();
        Ok(Reduction::keep(view.tokens(), view.leading, &kept))
    }
}
