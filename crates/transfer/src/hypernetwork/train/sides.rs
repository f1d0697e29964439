//! The texts and the tokenizers that the whole model is trained on.

use std::collections::{BTreeSet, HashMap};

use burn::tensor::{Tensor, TensorData};
use lexigraft_text::Tokenizer;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::TrainError;
use super::context::{self, Stratum};
use super::run::{Trainer, shuffle};
use super::splits::held_out;
use super::target::Target;

/// Source tokens of a window: long enough for names to come up again.
const WINDOW: usize = 256;
/// How often a window is the first half of one, twice. A model writes again what it has read, and
/// documents are full of names that come up again after more than a window: so whether new tokens
/// can be said again is asked more often than short windows do.
const REPEATED: f64 = 0.25;
/// New tokens drawn beside those of a half batch: of those that occur in the texts, and of the
/// others, of which there are so many to draw from.
const DRAWS: [usize; 2] = [500, 500];
const POOL: usize = 8000;

/// The windows of one text, in an order of their own.
struct Stream {
    share: f64,
    windows: Vec<String>,
    next: usize,
}

/// Texts in windows, each text as often as its share says.
pub struct Streams {
    streams: Vec<Stream>,
    total: f64,
}

impl Streams {
    /// Also `held` windows that are not among them, mostly of the texts that matter most: the same
    /// ones for the same seed, whatever `rng` orders the others by.
    ///
    /// # Errors
    /// `invalid-argument` for texts that are too short.
    pub fn new(
        source: &Tokenizer,
        texts: &[(String, f64)],
        held: usize,
        seed: u64,
        rng: &mut ChaCha8Rng,
    ) -> Result<(Self, Vec<String>), TrainError> {
        let (mut streams, mut out) = (Vec::new(), Vec::new());
        let mut chance = ChaCha8Rng::seed_from_u64(seed);
        for (text, share) in texts {
            let found = context::windows(source, text, WINDOW)?;
            let found = found.into_iter().map(|(text, _)| text);
            let (held, mut windows): (Vec<String>, Vec<String>) =
                found.partition(|text| held_out(text.as_bytes()));
            let weight = |chance: f64| chance.powf(1.0 / share.max(1e-9));
            out.extend(held.into_iter().map(|text| (weight(chance.random()), text)));
            shuffle(&mut windows, rng);
            if !windows.is_empty() {
                streams.push(Stream {
                    share: *share,
                    windows,
                    next: 0,
                });
            }
        }
        if streams.is_empty() || out.is_empty() {
            return Err(TrainError::Nothing("windows"));
        }
        out.sort_by(|a, b| b.0.total_cmp(&a.0));
        let out = out.into_iter().take(held).map(|(_, text)| text).collect();
        let total = streams.iter().map(|stream| stream.share).sum();
        Ok((Self { streams, total }, out))
    }

    /// The next windows of as many texts.
    pub fn draw(&mut self, count: usize, rng: &mut ChaCha8Rng) -> Vec<String> {
        let mut drawn = Vec::with_capacity(count);
        while drawn.len() < count {
            let mut at = rng.random::<f64>() * self.total;
            let stream = self.streams.iter_mut().find(|stream| {
                at -= stream.share;
                at < 0.0
            });
            if let Some(stream) = stream {
                let window = &stream.windows[stream.next % stream.windows.len()];
                stream.next += 1;
                drawn.push(match rng.random::<f64>() < REPEATED {
                    true => twice(window),
                    false => window.clone(),
                });
            }
        }
        drawn
    }

    fn windows(&self) -> impl Iterator<Item = &String> {
        self.streams.iter().flat_map(|stream| &stream.windows)
    }
}

/// The first half of a text, two times, each on lines of its own.
fn twice(text: &str) -> String {
    let half = &text[..text.floor_char_boundary(text.len() / 2)];
    let half = half.rsplit_once([' ', '\n']).map_or(half, |(half, _)| half);
    format!("{half}\n\n{half}\n")
}

/// A tokenizer to train on, with what a step needs of it.
pub struct Side<'a> {
    pub target: &'a Target,
    /// Where the features of its new tokens are.
    pub places: HashMap<u32, u32>,
    /// The new tokens that occur in the texts, and some of those that do not.
    pub strata: [Stratum; 2],
    /// Rows of the shared tokens, `[hidden, shared]`.
    pub shared: Tensor<2>,
}

/// Each tokenizer's side, and the pieces of all tokens that any of them has places for.
pub fn sides<'a>(
    trainer: &'a Trainer,
    streams: &Streams,
    held: &[String],
    rng: &mut ChaCha8Rng,
) -> Result<(Vec<Vec<u32>>, Vec<Side<'a>>), TrainError> {
    let mut keys: HashMap<&[u32], u32> = HashMap::new();
    let mut all: Vec<Vec<u32>> = Vec::new();
    let mut sides = Vec::with_capacity(trainer.targets.len());
    let hidden = trainer.model.sizes.hidden;
    for target in &trainer.targets {
        let mut seen: BTreeSet<u32> = BTreeSet::new();
        for window in streams.windows().chain(held) {
            // A window that comes twice is cut elsewhere, and has tokens of its own there.
            for text in [window, &twice(window)] {
                let ids = target.tokenizer.encode(text, false)?;
                seen.extend(ids.into_iter().filter(|&id| target.pieces(id).is_some()));
            }
        }
        let is_unseen = |id: &u32| !seen.contains(id);
        let unseen: Vec<u32> = target.new.iter().copied().filter(is_unseen).collect();
        let mut others: BTreeSet<u32> = BTreeSet::new();
        while others.len() < POOL.min(unseen.len() / 2) {
            others.insert(unseen[rng.random_range(0..unseen.len())]);
        }
        let mut places = HashMap::new();
        for &id in seen.iter().chain(&others) {
            let Some(pieces) = target.pieces(id) else {
                continue;
            };
            let key = *keys.entry(pieces).or_insert_with(|| {
                all.push(pieces.to_vec());
                all.len() as u32 - 1
            });
            places.insert(id, key);
        }
        let is_shared = target.shared(trainer.model.vocab);
        let shared: Vec<f32> = (0u32..)
            .zip(is_shared)
            .filter(|(_, is_shared)| *is_shared)
            .flat_map(|(id, _)| trainer.model.row(id))
            .copied()
            .collect();
        let shape = [shared.len() / hidden, hidden];
        let shared = Tensor::<2>::from_data(TensorData::new(shared, shape), &trainer.device);
        let stratum = |ids: BTreeSet<u32>, size, draws| Stratum {
            ids: ids.into_iter().collect(),
            size,
            draws,
        };
        let count = seen.len();
        sides.push(Side {
            target,
            places,
            strata: [
                stratum(seen, count, DRAWS[0]),
                stratum(others, unseen.len(), DRAWS[1]),
            ],
            shared: shared.transpose(),
        });
    }
    Ok((all, sides))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_window_comes_twice() {
        assert_eq!(twice("one two three four five"), "one two\n\none two\n");
        assert_eq!(twice("żółćżółć"), "żółć\n\nżółć\n");
        assert_eq!(twice(""), "\n\n\n");
    }
}
