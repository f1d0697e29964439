//! The table of methods and the text form in which one is chosen.

use super::{
    CdPruner, Correlation, DivPrune, EVit, HoloV, Lowest, PruMerge, Random, Schedule, ToMe,
    TokenReducer, VisionZip, VqToken, Ward, ZooPrune,
};
use crate::VisionError;

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Method {
    pub name: &'static str,
    /// One line for people.
    pub summary: &'static str,
    /// Makes the method; the seed matters to those that draw.
    pub make: fn(seed: u64) -> Box<dyn TokenReducer>,
    /// Merges a few tokens in every block, rather than pruning in a few of them.
    pub gradual: bool,
}

/// Every method that runs inside a vision transformer.
pub const METHODS: &[Method] = &[
    Method {
        name: "ward",
        summary: "merge whatever pair of tokens loses least, small ones first",
        make: |_| Box::new(Ward),
        gradual: true,
    },
    Method {
        name: "tome",
        summary: "merge similar tokens, attention counts merged ones by size",
        make: |_| Box::new(ToMe::default()),
        gradual: true,
    },
    Method {
        name: "tome-plain",
        summary: "merge similar tokens, each counts once",
        make: |_| {
            Box::new(ToMe {
                proportional: false,
            })
        },
        gradual: true,
    },
    Method {
        name: "evit",
        summary: "keep what CLS attends to",
        make: |_| Box::new(EVit { fuse: false }),
        gradual: false,
    },
    Method {
        name: "evit-fuse",
        summary: "keep what CLS attends to, one token sums up the rest",
        make: |_| Box::new(EVit { fuse: true }),
        gradual: false,
    },
    Method {
        name: "divprune",
        summary: "keep the most diverse tokens",
        make: |_| Box::new(DivPrune),
        gradual: false,
    },
    Method {
        name: "zoo-prune",
        summary: "keep tokens that are sensitive and diverse",
        make: |seed| {
            Box::new(ZooPrune {
                seed,
                ..ZooPrune::default()
            })
        },
        gradual: false,
    },
    Method {
        name: "cdpruner",
        summary: "keep the subset with the largest determinant",
        make: |_| Box::new(CdPruner),
        gradual: false,
    },
    Method {
        name: "visionzip",
        summary: "keep dominant tokens, merge the rest into contextual ones",
        make: |_| Box::new(VisionZip::default()),
        gradual: false,
    },
    Method {
        name: "prumerge",
        summary: "keep what CLS attends to, each takes in its neighbours",
        make: |_| Box::new(PruMerge::default()),
        gradual: false,
    },
    Method {
        name: "holov",
        summary: "keep the best tokens of every crop",
        make: |_| Box::new(HoloV::default()),
        gradual: false,
    },
    Method {
        name: "correlation",
        summary: "keep distinct tokens that correlate with CLS",
        make: |_| Box::new(Correlation::default()),
        gradual: false,
    },
    Method {
        name: "vqtoken",
        summary: "cluster the tokens, keep the clusters' means",
        make: |seed| {
            Box::new(VqToken {
                seed,
                ..VqToken::default()
            })
        },
        gradual: false,
    },
    Method {
        name: "random",
        summary: "control: keep tokens drawn at random",
        make: |seed| Box::new(Random { seed }),
        gradual: false,
    },
    Method {
        name: "lowest",
        summary: "control: keep what CLS attends to least",
        make: |_| Box::new(Lowest),
        gradual: false,
    },
];

/// Parses `method:key=value,…`, such as `tome:r=16`, `tome:r=8,inflect=0.5`, `evit:keep=0.7`,
/// `divprune:keep=0.5,layers=2/5/8`, `vqtoken:count=64,layers=3`, `tome:macs=0.6` or `random:keep=0.7,seed=3`.
///
/// # Errors
/// `unknown-method`, `invalid-argument` for an unknown key or a value outside its range.
pub fn parse_reduce(text: &str) -> Result<(Box<dyn TokenReducer>, Schedule), VisionError> {
    let (name, rest) = text.split_once(':').unwrap_or((text, ""));
    let method = METHODS
        .iter()
        .find(|method| method.name == name)
        .ok_or_else(|| {
            let known: Vec<&str> = METHODS.iter().map(|method| method.name).collect();
            VisionError::UnknownMethod {
                name: name.to_owned(),
                known: known.join(", "),
            }
        })?;
    let invalid = |what: &str| VisionError::InvalidArgument(format!("`{text}`: {what}"));
    let (mut merges, mut inflect, mut keep, mut macs) = (None, 0f32, None, None);
    let (mut count, mut layers, mut seed) = (None, None, 0u64);
    for pair in rest.split(',').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair
            .split_once('=')
            .ok_or_else(|| invalid("a setting is written key=value"))?;
        let number = || {
            value
                .parse::<f32>()
                .ok()
                .filter(|number| number.is_finite())
                .ok_or_else(|| invalid("a value is no number"))
        };
        let whole = || {
            value
                .parse::<usize>()
                .map_err(|_| invalid("a value is no whole number"))
        };
        match key {
            "r" => merges = Some(whole()?),
            "inflect" => inflect = number()?,
            "keep" => keep = Some(number()?),
            "count" => count = Some(whole()?),
            "macs" => macs = Some(number()?),
            "seed" => seed = whole()? as u64,
            "layers" => {
                let list: Result<Vec<usize>, _> = value.split('/').map(str::parse).collect();
                layers = Some(list.map_err(|_| invalid("layers are numbers such as 3/6/9"))?);
            }
            _ => {
                return Err(invalid(
                    "the settings are r, inflect, keep, count, macs, layers and seed",
                ));
            }
        }
    }
    let layers = layers.unwrap_or_else(|| vec![3, 6, 9]);
    let schedule = match (merges, keep, count, macs) {
        (Some(r), None, None, None) => Schedule::merge(r, inflect)?,
        (None, Some(rate), None, None) => Schedule::keep(rate, layers)?,
        (None, None, Some(count), None) => {
            Schedule::Counts(layers.into_iter().map(|layer| (layer, count)).collect())
        }
        (None, None, None, Some(share)) if method.gradual => Schedule::merge_to_macs(share)?,
        (None, None, None, Some(share)) => Schedule::keep_to_macs(share, layers)?,
        (None, None, None, None) if method.gradual => Schedule::merge(16, inflect)?,
        (None, None, None, None) => Schedule::keep(0.7, layers)?,
        _ => return Err(invalid("give one of r, keep, count and macs")),
    };
    Ok(((method.make)(seed), schedule))
}
