//! The source vocabulary as bytes and merges: what a token is cut into, without pre-tokenizer.

use std::collections::HashMap;

/// Tokens and ranked merges of a byte-level BPE vocabulary.
#[derive(Debug, Clone)]
pub struct PieceVocabulary {
    tokens: Vec<Vec<u8>>,
    ids: HashMap<Vec<u8>, u32>,
    /// Left and right id to rank and joined id.
    merges: HashMap<(u32, u32), (u32, u32)>,
    /// The best-ranked pair that makes a token.
    parents: HashMap<u32, (u32, u32)>,
}

impl PieceVocabulary {
    /// `tokens` by id, empty for control tokens; `merges` are pairs of ids in the order of ranks.
    pub fn new(tokens: Vec<Vec<u8>>, merges: &[(u32, u32)]) -> Self {
        let mut ids = HashMap::with_capacity(tokens.len());
        for (id, token) in (0u32..).zip(&tokens) {
            if !token.is_empty() {
                ids.entry(token.clone()).or_insert(id);
            }
        }
        let mut ranked = HashMap::with_capacity(merges.len());
        let mut parents = HashMap::with_capacity(merges.len());
        for (rank, &(left, right)) in (0u32..).zip(merges) {
            let part = |id: u32| {
                tokens
                    .get(id as usize)
                    .map(Vec::as_slice)
                    .unwrap_or_default()
            };
            let joined = [part(left), part(right)].concat();
            if let Some(&merged) = ids.get(&joined) {
                ranked.entry((left, right)).or_insert((rank, merged));
                parents.entry(merged).or_insert((left, right));
            }
        }
        Self {
            tokens,
            ids,
            merges: ranked,
            parents,
        }
    }

    /// One past the greatest id.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether there is no token.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// The bytes of a token; empty for a control token or an unknown id.
    pub fn bytes(&self, id: u32) -> &[u8] {
        self.tokens
            .get(id as usize)
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    /// The token of these bytes.
    pub fn id(&self, bytes: &[u8]) -> Option<u32> {
        self.ids.get(bytes).copied()
    }

    /// The pair whose merge made a token first.
    pub fn parents(&self, id: u32) -> Option<(u32, u32)> {
        self.parents.get(&id).copied()
    }

    /// The pieces of a byte string: the merges alone, without a pre-tokenizer.
    ///
    /// `None` where a byte has no token of its own.
    pub fn decompose(&self, bytes: &[u8]) -> Option<Vec<u32>> {
        if let Some(id) = self.id(bytes) {
            return Some(vec![id]);
        }
        let mut pieces: Vec<u32> = bytes
            .iter()
            .map(|byte| self.id(&[*byte]))
            .collect::<Option<_>>()?;
        loop {
            let best = pieces
                .windows(2)
                .enumerate()
                .filter_map(|(at, pair)| {
                    let (rank, merged) = self.merges.get(&(pair[0], pair[1]))?;
                    Some((*rank, at, *merged))
                })
                .min();
            let Some((_, at, merged)) = best else {
                return Some(pieces);
            };
            pieces[at] = merged;
            pieces.remove(at + 1);
        }
    }
}
