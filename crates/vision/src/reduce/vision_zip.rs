use super::select::{complement, gather, nearest, normalised, top_k};
use super::{Reduction, TokenReducer, TokenView};
use crate::VisionError;

/// VisionZip (arXiv 2412.04467): dominant tokens by CLS attention, then contextual tokens: targets
/// at a uniform stride among the rest, each plus the mean of the tokens nearest to it by keys.
#[derive(Debug, Clone, Copy)]
pub struct VisionZip {
    /// Share of the kept tokens that are contextual; 10 of 64 in the paper.
    pub contextual: f32,
}

impl Default for VisionZip {
    fn default() -> Self {
        Self {
            contextual: 10.0 / 64.0,
        }
    }
}

impl TokenReducer for VisionZip {
    fn name(&self) -> &'static str {
        "visionzip"
    }

    fn reduce(&self, view: &TokenView<'_>, keep: usize) -> Result<Reduction, VisionError> {
        view.check(keep)?;
        let n = view.reducible();
        if keep == n {
            return Ok(Reduction::all(view.tokens()));
        }
        let contextual = ((keep as f32 * self.contextual).round() as usize).min(keep);
        let dominant = top_k(view.scores(), keep - contextual);
        let rest = complement(&dominant, n);
        let mut reduction = Reduction::keep(view.tokens(), view.leading, &dominant);
        if contextual == 0 {
            return Ok(reduction);
        }
        let stride = (rest.len() / contextual).max(1);
        let targets: Vec<usize> = rest
            .iter()
            .copied()
            .step_by(stride)
            .take(contextual)
            .collect();
        let others: Vec<usize> = rest
            .iter()
            .copied()
            .filter(|index| targets.binary_search(index).is_err())
            .collect();
        let width = view.key_width;
        let unit = normalised(view.feature_keys(), width);
        let assigned = nearest(
            &gather(&unit, &others, width),
            &gather(&unit, &targets, width),
            width,
        );
        for (number, &target) in targets.iter().enumerate() {
            let members: Vec<usize> = others
                .iter()
                .zip(&assigned)
                .filter(|(_, to)| **to == number)
                .map(|(&token, _)| view.leading + token)
                .collect();
            let share = 1.0 / members.len().max(1) as f32;
            let target = view.leading + target;
            let mut sources = vec![(target, 1.0)];
            sources.extend(members.iter().map(|&token| (token, share)));
            let all: Vec<usize> = [target].into_iter().chain(members).collect();
            reduction.push(sources, &all);
        }
        Ok(reduction)
    }
}
