//! Which tokens a run trains on and draws from.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use lexigraft_text::Tokenizer;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::TrainError;
use super::context::{PRETENDED, Stratum, Window};
use super::splits::Splitter;
use super::target::Target;

/// New tokens of each kind drawn beside those of a batch, and how many of the second kind, those that
/// occur nowhere, there are to draw from. A head learns to quieten those that it is trained on before
/// the rest.
const NEGATIVES: usize = 250;
const POOL: usize = 8000;
/// As many others are never trained on: they say how loud the rest is.
const FRESH: usize = 2500;
/// Ids below this one are of tokens too common to stand for new ones.
const COMMON: u32 = 2000;

/// New tokens of a tokenizer whose features are there.
pub struct Sampled {
    /// Where in the table.
    pub places: HashMap<u32, u32>,
    /// Those that occur in the windows, and some of the others.
    pub strata: Arc<[Stratum; 2]>,
    /// The same with tokens that are not trained on, for held-out losses and calibration.
    pub fresh: Arc<[Stratum; 2]>,
}

/// A split of each token of the windows that is rare enough to be like those that other
/// tokenizers add; ids of byte-level BPE go from common to rare.
pub fn apart(
    source: &Tokenizer,
    windows: &[Window],
    splitter: &Splitter<'_>,
    rng: &mut ChaCha8Rng,
) -> Result<BTreeMap<u32, Vec<u32>>, TrainError> {
    let mut apart = BTreeMap::new();
    for window in windows {
        for id in source.encode(&window.text, false)? {
            if id >= COMMON
                && !apart.contains_key(&id)
                && let Some(split) = splitter.of(id, rng)
            {
                apart.insert(id, split.pieces);
            }
        }
    }
    Ok(apart)
}

/// A row of the table of features: its number, and the pieces that it is made of.
pub type Featured<'a> = (u32, &'a [u32]);

/// The tokens that occur in the windows, those that were taken apart, and some others to draw from:
/// numbers and pieces for a table of features, and for each tokenizer where they are in it. Tokens of the
/// same pieces share their features, whatever tokenizer they are of.
pub fn sampled<'a>(
    targets: &'a [Target],
    windows: &[Window],
    apart: &'a BTreeMap<u32, Vec<u32>>,
    rng: &mut ChaCha8Rng,
) -> Result<(Vec<Featured<'a>>, Vec<Sampled>), TrainError> {
    let mut keys: HashMap<&[u32], u32> = HashMap::new();
    let mut tokens: Vec<Featured<'_>> = Vec::new();
    let mut found = Vec::with_capacity(targets.len());
    let pretended: HashMap<u32, u32> = (0u32..)
        .zip(apart)
        .map(|(key, (&id, pieces))| {
            keys.insert(pieces, key);
            tokens.push((key, pieces));
            (PRETENDED | id, key)
        })
        .collect();
    for target in targets {
        let mut seen: BTreeSet<u32> = BTreeSet::new();
        for window in windows {
            let ids = target.tokenizer.encode(&window.text, false)?;
            seen.extend(ids.into_iter().filter(|&id| target.pieces(id).is_some()));
        }
        if target.new.len() <= seen.len() {
            return Err(TrainError::Nothing("new tokens"));
        }
        let unseen = target.new.len() - seen.len();
        let mut others: Vec<u32> = Vec::new();
        let mut drawn: HashSet<u32> = HashSet::new();
        while others.len() < (POOL + FRESH).min(unseen) {
            let id = target.new[rng.random_range(0..target.new.len())];
            if !seen.contains(&id) && drawn.insert(id) {
                others.push(id);
            }
        }
        let mut places = pretended.clone();
        for &id in seen.iter().chain(&others) {
            let Some(pieces) = target.pieces(id) else {
                continue;
            };
            let next = tokens.len() as u32;
            let key = *keys.entry(pieces).or_insert(next);
            if key == next {
                tokens.push((key, pieces));
            }
            places.insert(id, key);
        }
        let stratum = |ids: Vec<u32>, size| Stratum {
            ids,
            size,
            draws: NEGATIVES,
        };
        let fresh = others.split_off(others.len() - FRESH.min(others.len() / 2));
        let of_seen = seen.len();
        let seen = stratum(seen.into_iter().collect(), of_seen);
        found.push(Sampled {
            places,
            strata: Arc::new([seen.clone(), stratum(others, unseen)]),
            fresh: Arc::new([seen, stratum(fresh, unseen)]),
        });
    }
    Ok((tokens, found))
}
