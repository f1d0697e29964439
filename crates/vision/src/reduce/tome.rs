#[cfg(feature = "model")]
use super::Asked;
use super::select::{argmax, dot, normalised, ranking, row};
use super::{Reduction, TokenReducer, TokenView};
use crate::VisionError;
#[cfg(feature = "model")]
use lexigraft_models::vision::{Matching, Rule};

/// Token merging by bipartite soft matching (arXiv 2210.09461): reducible tokens are dealt to two
/// sides in turn, each of the second, fourth, … finds its most similar partner among the first,
/// third, … by the cosine of keys, and the most similar pairs are merged by their sizes' mean.
#[derive(Debug, Clone, Copy)]
pub struct ToMe {
    /// Count a merged token in attention as often as the patches in it.
    pub proportional: bool,
}

impl Default for ToMe {
    fn default() -> Self {
        Self { proportional: true }
    }
}

impl TokenReducer for ToMe {
    fn name(&self) -> &'static str {
        if self.proportional {
            "tome"
        } else {
            "tome-plain"
        }
    }

    /// At most half the tokens can be merged at once; `keep` below that is raised to it.
    fn reduce(&self, view: &TokenView<'_>, keep: usize) -> Result<Reduction, VisionError> {
        view.check(keep)?;
        let (tokens, leading) = (view.tokens(), view.leading);
        // With CLS alone in front, the sides are the even and odd tokens of the paper.
        let sources: Vec<usize> = (leading + 1..tokens).step_by(2).collect();
        let targets: Vec<usize> = (leading..tokens).step_by(2).collect();
        let merges = (view.reducible() - keep).min(sources.len());
        if merges == 0 {
            return Ok(Reduction::all(tokens));
        }
        let width = view.key_width;
        let unit = normalised(view.keys, width);
        let matches: Vec<(usize, f32)> = sources
            .iter()
            .map(|&source| {
                let query = row(&unit, source, width);
                let cosines: Vec<f32> = targets
                    .iter()
                    .map(|&target| dot(query, row(&unit, target, width)))
                    .collect();
                let best = argmax(cosines.iter().copied()).unwrap_or(0);
                (best, cosines.get(best).copied().unwrap_or(f32::MIN))
            })
            .collect();
        let similarities: Vec<f32> = matches.iter().map(|&(_, similarity)| similarity).collect();
        let mut members: Vec<Vec<usize>> = targets.iter().map(|&target| vec![target]).collect();
        let mut merged = vec![false; sources.len()];
        for at in ranking(&similarities).into_iter().take(merges) {
            if let (Some(&(target, _)), Some(&source), Some(flag)) =
                (matches.get(at), sources.get(at), merged.get_mut(at))
                && let Some(group) = members.get_mut(target)
            {
                group.push(source);
                *flag = true;
            }
        }
        let mut reduction = Reduction::begin(tokens, leading);
        for (&source, _) in sources.iter().zip(&merged).filter(|(_, merged)| !**merged) {
            reduction.push_kept(source);
        }
        for group in members {
            push_mean(&mut reduction, &group, view.sizes);
        }
        Ok(reduction)
    }

    #[cfg(feature = "model")]
    fn rule(&self, _asked: Asked) -> Option<Rule> {
        Some(Rule::Merge(Matching::Bipartite))
    }

    fn proportional_attention(&self) -> bool {
        self.proportional
    }
}

/// Adds the mean of the tokens, weighted by how many patches each stands for.
pub(super) fn push_mean(reduction: &mut Reduction, group: &[usize], sizes: &[f32]) {
    if let [token] = *group {
        return reduction.push_kept(token);
    }
    let size = |token: usize| sizes.get(token).copied().unwrap_or(1.0);
    let total: f32 = group.iter().map(|&token| size(token)).sum();
    let sources = group
        .iter()
        .map(|&token| (token, size(token) / total))
        .collect();
    reduction.push(sources, group);
}
