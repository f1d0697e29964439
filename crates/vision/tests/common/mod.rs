//! Random small cases for the methods.
#![allow(dead_code)] // Each test binary uses a part.

use lexigraft_vision::reduce::{Reduction, TokenReducer, TokenView};

/// xorshift64.
pub struct Draw(pub u64);

impl Draw {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn bits(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// From 0 to `limit - 1`.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.bits() >> 20) as usize % limit
    }

    /// From -1 to 1.
    pub fn float(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    pub fn floats(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.float()).collect()
    }
}

/// A picture's tokens, owned.
#[derive(Debug, Clone)]
pub struct Case {
    pub layer: usize,
    pub leading: usize,
    pub width: usize,
    pub key_width: usize,
    pub hidden: Vec<f32>,
    pub keys: Vec<f32>,
    pub attention: Vec<f32>,
    pub sizes: Vec<f32>,
    pub positions: Vec<Option<u32>>,
    pub projected: Option<Vec<f32>>,
}

impl Case {
    /// `tokens` reducible tokens behind one to three leading ones.
    pub fn random(draw: &mut Draw, tokens: usize) -> Self {
        let leading = 1 + draw.below(3);
        let (width, key_width) = (3 + draw.below(7), 2 + draw.below(7));
        let all = leading + tokens;
        let attention: Vec<f32> = (0..all).map(|_| draw.float().abs() + 1e-3).collect();
        let total: f32 = attention.iter().sum();
        Self {
            layer: draw.below(12),
            leading,
            width,
            key_width,
            hidden: draw.floats(all * width),
            keys: draw.floats(all * key_width),
            attention: attention.iter().map(|a| a / total).collect(),
            sizes: (0..all)
                .map(|token| {
                    if token < leading {
                        1.0
                    } else {
                        1.0 + draw.below(3) as f32
                    }
                })
                .collect(),
            positions: (0..all)
                .map(|token| token.checked_sub(leading).map(|patch| patch as u32))
                .collect(),
            projected: None,
        }
    }

    pub fn tokens(&self) -> usize {
        self.sizes.len()
    }

    pub fn reducible(&self) -> usize {
        self.tokens() - self.leading
    }

    pub fn features(&self) -> &[f32] {
        &self.hidden[self.leading * self.width..]
    }

    pub fn feature(&self, index: usize) -> &[f32] {
        &self.features()[index * self.width..][..self.width]
    }

    pub fn key(&self, index: usize) -> &[f32] {
        &self.keys[(self.leading + index) * self.key_width..][..self.key_width]
    }

    pub fn score(&self, index: usize) -> f32 {
        self.attention[self.leading + index]
    }

    pub fn view(&self) -> TokenView<'_> {
        TokenView {
            layer: self.layer,
            leading: self.leading,
            hidden: &self.hidden,
            width: self.width,
            keys: &self.keys,
            key_width: self.key_width,
            cls_attention: &self.attention,
            sizes: &self.sizes,
            positions: &self.positions,
            grid: (1, self.reducible()),
            projected: self.projected.as_deref(),
        }
    }

    /// Projects the method's probes through `tanh` of each value and twice the first.
    pub fn probe(&mut self, method: &dyn TokenReducer) {
        self.projected = method.probes(self.features(), self.width).map(|rows| {
            rows.chunks_exact(self.width)
                .flat_map(|row| {
                    let first = 2.0 * row[0];
                    row.iter().map(|v| v.tanh()).chain([first])
                })
                .collect()
        });
    }

    pub fn reduce(&mut self, method: &dyn TokenReducer, keep: usize) -> Reduction {
        self.probe(method);
        method.reduce(&self.view(), keep).expect("reduces")
    }

    /// The same tokens with the reducible ones in another order: new index -> old index.
    pub fn permuted(&self, order: &[usize]) -> Self {
        let pick = |rows: &[f32], width: usize| -> Vec<f32> {
            let mut out = rows[..self.leading * width].to_vec();
            for &old in order {
                out.extend_from_slice(&rows[(self.leading + old) * width..][..width]);
            }
            out
        };
        let mut positions = self.positions[..self.leading].to_vec();
        positions.extend(order.iter().map(|&old| self.positions[self.leading + old]));
        Self {
            hidden: pick(&self.hidden, self.width),
            keys: pick(&self.keys, self.key_width),
            attention: pick(&self.attention, 1),
            sizes: pick(&self.sizes, 1),
            positions,
            projected: None,
            ..self.clone()
        }
    }
}

/// The reducible tokens that stay as they are, counted from the first reducible one.
pub fn kept(reduction: &Reduction, leading: usize) -> Vec<usize> {
    reduction
        .outputs_with_sources()
        .skip(leading)
        .filter_map(|sources| match sources {
            [(token, 1.0)] => Some(*token as usize - leading),
            _ => None,
        })
        .collect()
}

pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let pairs = || a.iter().zip(b).map(|(x, y)| (f64::from(*x), f64::from(*y)));
    let dot: f64 = pairs().map(|(x, y)| x * y).sum();
    let norms: (f64, f64) = pairs().fold((0.0, 0.0), |(s, t), (x, y)| (s + x * x, t + y * y));
    if norms.0 == 0.0 || norms.1 == 0.0 {
        0.0
    } else {
        dot / (norms.0 * norms.1).sqrt()
    }
}

/// Every subset of `0..n` with k members, in lexicographic order.
pub fn subsets(n: usize, k: usize) -> Vec<Vec<usize>> {
    fn go(from: usize, n: usize, k: usize, chosen: &mut Vec<usize>, out: &mut Vec<Vec<usize>>) {
        if chosen.len() == k {
            return out.push(chosen.clone());
        }
        for next in from..n {
            chosen.push(next);
            go(next + 1, n, k, chosen, out);
            chosen.pop();
        }
    }
    let mut out = Vec::new();
    go(0, n, k, &mut Vec::new(), &mut out);
    out
}

pub fn close(a: &[f32], b: &[f64], tolerance: f64) {
    assert_eq!(a.len(), b.len());
    for (x, y) in a.iter().zip(b) {
        assert!((f64::from(*x) - y).abs() <= tolerance, "{a:?}\n{b:?}");
    }
}
