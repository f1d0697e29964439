use crate::VisionError;
use crate::macs;

/// How many tokens each block keeps.
#[derive(Debug, Clone, PartialEq)]
pub enum Schedule {
    /// Merge `r` tokens a block on average; `inflect` from -1 to 1 tilts it linearly, 0 is
    /// constant, positive merges more in later blocks (arXiv 2210.09461).
    Merge { r: usize, inflect: f32 },
    /// Keep this share of the tokens, rounded up, in these blocks.
    Keep { rate: f32, layers: Vec<usize> },
    /// Keep so many tokens in these blocks.
    Counts(Vec<(usize, usize)>),
    /// Merge evenly so that the multiply-accumulates are at most this share of the dense run's.
    MergeToMacs(f32),
    /// Keep a share in these blocks so that the multiply-accumulates are at most this share.
    KeepToMacs { share: f32, layers: Vec<usize> },
}

impl Schedule {
    /// # Errors
    /// `invalid-argument` for a tilt outside -1..=1.
    pub fn merge(r: usize, inflect: f32) -> Result<Self, VisionError> {
        if !(-1.0..=1.0).contains(&inflect) {
            return Err(invalid(format!("a tilt of {inflect} is outside -1 to 1")));
        }
        Ok(Self::Merge { r, inflect })
    }

    /// # Errors
    /// `invalid-argument` for a share outside 0..=1 or no layers.
    pub fn keep(rate: f32, layers: Vec<usize>) -> Result<Self, VisionError> {
        check_share(rate)?;
        check_layers(&layers)?;
        Ok(Self::Keep { rate, layers })
    }

    /// # Errors
    /// As [`Schedule::keep`].
    pub fn merge_to_macs(share: f32) -> Result<Self, VisionError> {
        check_share(share)?;
        Ok(Self::MergeToMacs(share))
    }

    /// # Errors
    /// As [`Schedule::keep`].
    pub fn keep_to_macs(share: f32, layers: Vec<usize>) -> Result<Self, VisionError> {
        check_share(share)?;
        check_layers(&layers)?;
        Ok(Self::KeepToMacs { share, layers })
    }

    /// For each block how the count of reducible tokens changes, for a model of `blocks` blocks
    /// and width `width` on `patches` patches.
    ///
    /// # Errors
    /// `invalid-argument` for a block that the model has not, or a budget that cannot be met.
    pub fn plan(
        &self,
        blocks: usize,
        patches: usize,
        leading: usize,
        width: usize,
    ) -> Result<Vec<Step>, VisionError> {
        let within = |layers: &[usize]| match layers.iter().find(|layer| **layer >= blocks) {
            Some(layer) => Err(invalid(format!(
                "block {layer} is asked for and the model has {blocks}, counted from 0"
            ))),
            None => Ok(()),
        };
        let at = |layers: &[usize], step: Step| -> Vec<Step> {
            (0..blocks)
                .map(|layer| {
                    if layers.contains(&layer) {
                        step
                    } else {
                        Step::All
                    }
                })
                .collect()
        };
        let share_of = |steps: &[Step]| {
            let dense = macs::total(&macs::dense(blocks, leading + patches), width);
            let counts = macs::planned(steps, patches, leading);
            macs::total(&counts, width) as f64 / dense.max(1) as f64
        };
        match self {
            Self::Merge { r, inflect } => Ok(tilted(*r, *inflect, blocks)),
            Self::Keep { rate, layers } => {
                within(layers)?;
                Ok(at(layers, Step::Share(*rate)))
            }
            Self::Counts(counts) => {
                let layers: Vec<usize> = counts.iter().map(|(layer, _)| *layer).collect();
                within(&layers)?;
                Ok((0..blocks)
                    .map(|layer| {
                        let count = counts.iter().find(|(at, _)| *at == layer);
                        count.map_or(Step::All, |(_, keep)| Step::Count(*keep))
                    })
                    .collect())
            }
            Self::MergeToMacs(share) => (0..=patches)
                .map(|total| spread(total, blocks))
                .find(|steps| share_of(steps) <= f64::from(*share))
                .ok_or_else(|| unreachable_budget(*share)),
            Self::KeepToMacs { share, layers } => {
                within(layers)?;
                (0..=1000u16)
                    .rev()
                    .map(|mille| at(layers, Step::Share(f32::from(mille) / 1000.0)))
                    .find(|steps| share_of(steps) <= f64::from(*share))
                    .ok_or_else(|| unreachable_budget(*share))
            }
        }
    }
}

/// What one block does to the reducible tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Step {
    All,
    /// So many fewer.
    Fewer(usize),
    /// This share, rounded up.
    Share(f32),
    Count(usize),
}

impl Step {
    /// Tokens that remain of `reducible`. Merging at most halves them.
    ///
    /// # Errors
    /// `invalid-argument` for a count above the tokens there are.
    pub fn keep(self, reducible: usize) -> Result<usize, VisionError> {
        match self {
            Self::All => Ok(reducible),
            Self::Fewer(r) => Ok(reducible - r.min(reducible / 2)),
            Self::Share(rate) => Ok(share_of(rate, reducible)),
            Self::Count(keep) if keep > reducible => Err(invalid(format!(
                "{keep} tokens are to be kept and there are {reducible}"
            ))),
            Self::Count(keep) => Ok(keep),
        }
    }
}

/// `ceil(rate * n)`. The rate is a decimal that f32 rounds: in f64, with its error taken off,
/// 0.7 of 10 is 7 and not 8.
fn share_of(rate: f32, n: usize) -> usize {
    let exact = f64::from(rate) * n as f64;
    ((exact - 1e-6 * n as f64).ceil().max(0.0) as usize).min(n)
}

/// Counts that fall or rise linearly and whose mean is `r`, as the reference code rounds them.
fn tilted(r: usize, inflect: f32, blocks: usize) -> Vec<Step> {
    let low = (r as f64 * (1.0 - f64::from(inflect))) as usize;
    let high = (2 * r) as f64 - low as f64;
    let slope = (high - low as f64) / (blocks.saturating_sub(1)).max(1) as f64;
    (0..blocks)
        .map(|block| Step::Fewer((low as f64 + slope * block as f64).max(0.0) as usize))
        .collect()
}

/// `total` merges spread evenly.
fn spread(total: usize, blocks: usize) -> Vec<Step> {
    (0..blocks)
        .map(|block| Step::Fewer((block + 1) * total / blocks - block * total / blocks))
        .collect()
}

fn check_share(share: f32) -> Result<(), VisionError> {
    if share > 0.0 && share <= 1.0 {
        return Ok(());
    }
    Err(invalid(format!("a share of {share} is outside 0 to 1")))
}

fn check_layers(layers: &[usize]) -> Result<(), VisionError> {
    if layers.is_empty() {
        return Err(invalid("no blocks are named to prune in".to_owned()));
    }
    Ok(())
}

fn unreachable_budget(share: f32) -> VisionError {
    invalid(format!(
        "no schedule brings the multiply-accumulates down to {share} of the dense run's"
    ))
}

fn invalid(what: String) -> VisionError {
    VisionError::InvalidArgument(what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(schedule: &Schedule, blocks: usize, patches: usize) -> Vec<usize> {
        let mut left = patches;
        schedule
            .plan(blocks, patches, 1, 384)
            .unwrap()
            .iter()
            .map(|step| {
                left = step.keep(left).unwrap();
                left + 1
            })
            .collect()
    }

    #[test]
    fn the_counts_of_the_published_schedules() {
        let merge = |r, inflect| Schedule::merge(r, inflect).unwrap();
        assert_eq!(counts(&merge(16, 0.0), 12, 256)[11], 65);
        assert_eq!(counts(&merge(20, 0.0), 12, 256)[10..], [37, 19]);
        let keep = Schedule::keep(0.7, vec![3, 6, 9]).unwrap();
        assert_eq!(
            counts(&keep, 12, 256),
            [257, 257, 257, 181, 181, 181, 127, 127, 127, 90, 90, 90]
        );
        // parse_r(12, (8, -1.0)) of the reference code: 16 down to 0.
        assert_eq!(
            tilted(8, -1.0, 12),
            [16, 14, 13, 11, 10, 8, 7, 5, 4, 2, 1, 0].map(Step::Fewer)
        );
        assert_eq!(tilted(8, 0.0, 12), [Step::Fewer(8); 12]);
    }

    #[test]
    fn budgets_are_met_and_not_by_much() {
        for (share, schedule) in [
            (0.6, Schedule::merge_to_macs(0.6).unwrap()),
            (0.644, Schedule::keep_to_macs(0.644, vec![3, 6, 9]).unwrap()),
            (1.0, Schedule::merge_to_macs(1.0).unwrap()),
        ] {
            let steps = schedule.plan(12, 256, 1, 384).unwrap();
            let dense = macs::total(&macs::dense(12, 257), 384) as f64;
            let found = macs::total(&macs::planned(&steps, 256, 1), 384) as f64 / dense;
            assert!(found <= share && found > share - 0.01, "{share}: {found}");
        }
        let hopeless = Schedule::merge_to_macs(0.01).unwrap();
        assert_eq!(
            hopeless.plan(12, 256, 1, 384).unwrap_err().code(),
            "invalid-argument"
        );
    }

    #[test]
    fn wrong_schedules_are_refused() {
        for made in [
            Schedule::merge(4, 1.5),
            Schedule::keep(0.0, vec![3]),
            Schedule::keep(1.1, vec![3]),
            Schedule::keep(f32::NAN, vec![3]),
            Schedule::keep(0.5, vec![]),
        ] {
            assert_eq!(made.unwrap_err().code(), "invalid-argument");
        }
        let beyond = Schedule::keep(0.5, vec![12]).unwrap();
        assert!(beyond.plan(12, 256, 1, 384).is_err());
        assert!(Step::Count(11).keep(10).is_err());
        assert_eq!(share_of(0.7, 10), 7);
        assert_eq!(share_of(1.0, 1370), 1370);
    }
}
