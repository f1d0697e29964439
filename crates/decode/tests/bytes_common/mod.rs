//! Small tokenizers and models, and sums over tokenizations written down as they are defined.
#![allow(dead_code)] // Each test binary uses its part.

use std::collections::HashMap;

use lexigraft_decode::DecodeError;
use lexigraft_decode::bytes::{Cost, TokenScorer};
use lexigraft_text::{ByteVocabulary, Tokenizer};
use serde_json::json;

/// A small generator, so that a failure can be repeated.
#[derive(Debug, Clone)]
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// A tokenizer without splits: symbols, merges of them, and control tokens behind.
#[derive(Debug, Clone)]
pub struct Toy {
    /// Bytes of each text token, the symbols first.
    pub tokens: Vec<Vec<u8>>,
    /// Pairs of text tokens, and what they become, in the order of ranks.
    pub merges: Vec<[usize; 3]>,
    pub controls: usize,
}

/// GPT-2's letters for bytes, for the bytes that the tests use.
fn letter(byte: u8) -> char {
    match byte {
        b'!'..=b'~' => byte.into(),
        0xa1..=0xac | 0xae..=0xff => char::from(byte),
        // 0..=32, 127..=160 and 173 follow one another from U+0100 on.
        0..=32 => char::from_u32(0x100 + u32::from(byte)).unwrap(),
        127..=160 => char::from_u32(0x121 + u32::from(byte) - 127).unwrap(),
        173 => char::from_u32(0x143).unwrap(),
    }
}

impl Toy {
    /// The dossier's: a, b, ab and an end.
    pub fn dossier() -> Self {
        Self {
            tokens: vec![b"a".to_vec(), b"b".to_vec(), b"ab".to_vec()],
            merges: vec![[0, 1, 2]],
            controls: 1,
        }
    }

    /// Up to eight merged tokens over two to four symbols, which may be parts of characters.
    pub fn random(random: &mut Random) -> Self {
        let alphabets: [&[u8]; 5] = [b"ab", b"abc", b"ab c", "aé".as_bytes(), "b€".as_bytes()];
        let symbols = alphabets[random.below(alphabets.len())];
        let mut tokens: Vec<Vec<u8>> = symbols.iter().map(|byte| vec![*byte]).collect();
        let mut merges: Vec<[usize; 3]> = Vec::new();
        for _ in 0..1 + random.below(8) {
            let (left, right) = (random.below(tokens.len()), random.below(tokens.len()));
            let merged = [tokens[left].as_slice(), &tokens[right]].concat();
            let known = tokens.iter().position(|token| *token == merged);
            if merges.iter().any(|[l, r, _]| (*l, *r) == (left, right)) {
                continue;
            }
            let place = known.unwrap_or_else(|| {
                tokens.push(merged);
                tokens.len() - 1
            });
            merges.push([left, right, place]);
        }
        Self {
            tokens,
            merges,
            controls: 1 + random.below(2),
        }
    }

    pub fn size(&self) -> usize {
        self.tokens.len() + self.controls
    }

    pub fn tokenizer(&self) -> Tokenizer {
        let name = |token: &[u8]| token.iter().map(|b| letter(*b)).collect::<String>();
        let mut vocab = serde_json::Map::new();
        for (id, token) in self.tokens.iter().enumerate() {
            vocab.insert(name(token), id.into());
        }
        let merge = |[left, right, _]: &[usize; 3]| {
            json!([name(&self.tokens[*left]), name(&self.tokens[*right])])
        };
        let controls: Vec<_> = (0..self.controls)
            .map(|at| {
                json!({"id": self.tokens.len() + at, "content": format!("<{at}>"), "special": true,
                    "single_word": false, "lstrip": false, "rstrip": false, "normalized": false})
            })
            .collect();
        let json = json!({
            "added_tokens": controls,
            "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false,
                "trim_offsets": true, "use_regex": false},
            "decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true,
                "use_regex": false},
            "model": {"type": "BPE", "vocab": vocab,
                "merges": self.merges.iter().map(merge).collect::<Vec<_>>()}
        });
        Tokenizer::from_json(json.to_string().as_bytes()).expect("is a tokenizer")
    }

    pub fn vocabulary(&self) -> ByteVocabulary {
        ByteVocabulary::new(&self.tokenizer()).expect("has bytes")
    }

    /// Byte-pair encoding as it is defined: the best-ranked pair, leftmost first.
    pub fn encode(&self, text: &[u8]) -> Vec<usize> {
        let symbol = |byte: &u8| self.tokens.iter().position(|t| t == &[*byte]).unwrap();
        let mut ids: Vec<usize> = text.iter().map(symbol).collect();
        // Of a pair that stands twice the later rank counts, as in the engine; there are none.
        loop {
            let best = self.merges.iter().find_map(|[left, right, merged]| {
                let at = ids.windows(2).position(|pair| pair == [*left, *right])?;
                Some((at, *merged))
            });
            let Some((at, merged)) = best else {
                return ids;
            };
            ids[at] = merged;
            ids.remove(at + 1);
        }
    }

    fn bytes(&self, path: &[usize]) -> Vec<u8> {
        path.iter()
            .flat_map(|id| &self.tokens[*id])
            .copied()
            .collect()
    }

    pub fn is_canonical(&self, path: &[usize]) -> bool {
        self.encode(&self.bytes(path)) == path
    }
}

/// A model whose logits are a hash of all tokens before, or always the same.
#[derive(Debug, Clone)]
pub struct ToyScorer {
    pub seed: u64,
    pub size: usize,
    pub fixed: Option<Vec<f32>>,
    pub context_length: usize,
    pub cost: Cost,
}

impl ToyScorer {
    pub fn new(seed: u64, size: usize) -> Self {
        Self {
            seed,
            size,
            fixed: None,
            context_length: 1024,
            cost: Cost::default(),
        }
    }

    /// Independent tokens with these probabilities.
    pub fn fixed(probs: &[f32]) -> Self {
        Self {
            fixed: Some(probs.iter().map(|p| p.ln()).collect()),
            ..Self::new(0, probs.len())
        }
    }

    pub fn logits_after(&self, path: &[u32]) -> Vec<f32> {
        if let Some(fixed) = &self.fixed {
            return fixed.clone();
        }
        let mut random = Random(self.seed);
        for id in path {
            random.0 ^= u64::from(*id).wrapping_add(1);
            random.next();
        }
        let logit = |_| (random.unit() * 8.0 - 4.0) as f32;
        (0..self.size).map(logit).collect()
    }

    fn probs_after(&self, path: &[u32]) -> Vec<f64> {
        let weights: Vec<f64> = (self.logits_after(path).iter())
            .map(|l| f64::from(*l).exp())
            .collect();
        let total: f64 = weights.iter().sum();
        weights.iter().map(|w| w / total).collect()
    }
}

impl TokenScorer for ToyScorer {
    fn context_length(&self) -> usize {
        self.context_length
    }

    async fn logits(&mut self, paths: &[&[u32]]) -> Result<Vec<Vec<f32>>, DecodeError> {
        if let Some(long) = paths.iter().find(|path| path.len() > self.context_length) {
            return Err(DecodeError::PromptTooLong {
                tokens: long.len(),
                context: self.context_length,
            });
        }
        self.cost.evaluations += paths.len();
        Ok(paths.iter().map(|path| self.logits_after(path)).collect())
    }

    fn cost(&self) -> Cost {
        self.cost
    }
}

/// Masses of the next byte and of the end after `text`, by going through every covering
/// sequence; with canonical ones only, those whose bytes are encoded into themselves.
pub fn brute_force(
    toy: &Toy,
    scorer: &ToyScorer,
    context: &[u32],
    text: &[u8],
    canonical: bool,
) -> Vec<f64> {
    let mut masses = vec![0.0; 257];
    let mut open: Vec<(Vec<usize>, f64)> = vec![(Vec::new(), 1.0)];
    let mut known: HashMap<Vec<usize>, bool> = HashMap::new();
    while let Some((path, weight)) = open.pop() {
        let done = toy.bytes(&path).len();
        let rest = &text[done..];
        let ids: Vec<u32> = (context.iter().copied())
            .chain(path.iter().map(|id| *id as u32))
            .collect();
        let probs = scorer.probs_after(&ids);
        if rest.is_empty() {
            masses[256] += weight * probs[toy.tokens.len()..].iter().sum::<f64>();
        }
        for (id, token) in toy.tokens.iter().enumerate() {
            let next = [path.as_slice(), &[id]].concat();
            if canonical
                && !*known
                    .entry(next.clone())
                    .or_insert_with(|| toy.is_canonical(&next))
            {
                continue;
            }
            if rest.starts_with(token) && !token.is_empty() && !rest.is_empty() {
                open.push((next, weight * probs[id]));
            } else if token.starts_with(rest) {
                masses[usize::from(token[rest.len()])] += weight * probs[id];
            }
        }
    }
    masses
}

/// The masses as log-probabilities.
pub fn normalised(masses: &[f64]) -> Vec<f64> {
    let total: f64 = masses.iter().sum();
    masses.iter().map(|mass| (mass / total).ln()).collect()
}
