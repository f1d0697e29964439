#[cfg(feature = "model")]
use super::Asked;
use super::select::{normalised, row};
use super::{Reduction, TokenReducer, TokenView, tome};
use crate::VisionError;
#[cfg(feature = "model")]
use lexigraft_models::vision::{Matching, Rule};

/// Merging by Ward's criterion (J. H. Ward 1963, DOI 10.1080/01621459.1963.10500845), our own use
/// of it: again and again the two tokens become one whose union adds least to the patches' squared
/// distance from the mean of their token, `size_a size_b / (size_a + size_b) |a - b|²` over hidden
/// states of length one.
///
/// Beside bipartite matching every pair may meet, several tokens may join in one block, and large
/// tokens merge last, since moving their mean moves many patches. What a patch differed from its
/// token by is kept and added again at the end.
#[derive(Debug, Clone, Copy)]
pub struct Ward;

impl TokenReducer for Ward {
    fn name(&self) -> &'static str {
        "ward"
    }

    /// One token remains at least. Each is the mean of its members by size, in the order of their first members.
    fn reduce(&self, view: &TokenView<'_>, keep: usize) -> Result<Reduction, VisionError> {
        view.check(keep)?;
        let (tokens, leading, n) = (view.tokens(), view.leading, view.reducible());
        if keep == n {
            return Ok(Reduction::all(tokens));
        }
        let sizes = view.sizes.get(leading..).unwrap_or_default();
        let labels = cluster(view.features(), view.width, sizes, keep);
        let mut groups: Vec<Vec<usize>> = vec![Vec::new(); n];
        for (index, &label) in labels.iter().enumerate() {
            if let Some(group) = groups.get_mut(label) {
                group.push(leading + index);
            }
        }
        let mut reduction = Reduction::begin(tokens, leading);
        for group in groups.iter().filter(|group| !group.is_empty()) {
            tome::push_mean(&mut reduction, group, view.sizes);
        }
        Ok(reduction)
    }

    #[cfg(feature = "model")]
    fn rule(&self, _asked: Asked) -> Option<Rule> {
        Some(Rule::Merge(Matching::Ward))
    }

    fn proportional_attention(&self) -> bool {
        true
    }

    fn restores_differences(&self) -> bool {
        true
    }
}

/// Ward's clustering of the rows of `[n, width]`, scaled to length one, that stand for `sizes`
/// items each, down to `clusters` (one at least): for each row the lowest row of its cluster.
///
/// Costs of a union follow from those of its parts (Lance and Williams 1967), so rows are looked at
/// once: `n² width / 2` products, then about `n` steps a merge. Among equal costs the pair with the
/// lower first, then the lower second row merges.
pub fn cluster(rows: &[f32], width: usize, sizes: &[f32], clusters: usize) -> Vec<usize> {
    let mut pairs = Pairs::new(rows, width, sizes);
    let mut labels: Vec<usize> = (0..sizes.len()).collect();
    for _ in clusters.max(1)..sizes.len() {
        let Some((kept, gone)) = pairs.merge_cheapest() else {
            break;
        };
        labels
            .iter_mut()
            .filter(|label| **label == gone)
            .for_each(|label| *label = kept);
    }
    labels
}

/// Rows that meet another together, so that it is read once for all of them.
const TOGETHER: usize = 4;

/// `|a - b|²` of each of the rows a with b.
fn squared_distances(rows: [&[f32]; TOGETHER], other: &[f32]) -> [f32; TOGETHER] {
    let [a, b, c, d] = rows.map(|row| row.as_chunks::<8>());
    let (chunks, rest) = other.as_chunks::<8>();
    let add = |sums: &mut [f32; 8], x: &[f32; 8], y: &[f32; 8]| {
        // Eight sums at once, which the compiler keeps in registers.
        for ((sum, x), y) in sums.iter_mut().zip(x).zip(y) {
            *sum += (x - y) * (x - y);
        }
    };
    let [mut to_a, mut to_b, mut to_c, mut to_d] = [[0f32; 8]; TOGETHER];
    let rows = a.0.iter().zip(b.0).zip(c.0).zip(d.0);
    for ((((a, b), c), d), y) in rows.zip(chunks) {
        add(&mut to_a, a, y);
        add(&mut to_b, b, y);
        add(&mut to_c, c, y);
        add(&mut to_d, d, y);
    }
    let tail = |row: &[f32]| -> f32 {
        let pairs = row.iter().zip(rest);
        pairs.map(|(x, y)| (x - y) * (x - y)).sum()
    };
    let sum = |sums: [f32; 8]| sums.iter().sum::<f32>();
    [
        sum(to_a) + tail(a.1),
        sum(to_b) + tail(b.1),
        sum(to_c) + tail(c.1),
        sum(to_d) + tail(d.1),
    ]
}

/// Hidden states that are no numbers merge last: the count stays what was asked for.
fn bounded(cost: f32) -> f32 {
    if cost < 1e30 { cost } else { 1e30 }
}

/// What merging each pair would cost.
struct Pairs {
    n: usize,
    /// `[n, n]`, symmetric; infinite where a row is gone and on the diagonal.
    costs: Vec<f32>,
    sizes: Vec<f32>,
    /// For each row the cheapest of the later rows and its cost.
    cheapest: Vec<(usize, f32)>,
}

impl Pairs {
    fn new(rows: &[f32], width: usize, sizes: &[f32]) -> Self {
        let n = sizes.len();
        let unit = normalised(rows, width);
        let mut costs = vec![f32::INFINITY; n * n];
        let size = |index: usize| sizes.get(index).copied().unwrap_or(1.0);
        for first in (0..n).step_by(TOGETHER) {
            // Those that fill up the last ones repeat the last row, and are not written.
            let together: [usize; TOGETHER] = std::array::from_fn(|at| (first + at).min(n - 1));
            let rows = together.map(|index| row(&unit, index, width));
            for b in first + 1..n {
                let distances = squared_distances(rows, row(&unit, b, width));
                for (a, distance) in (first..b).zip(distances) {
                    let (size_a, size_b) = (size(a), size(b));
                    let cost = bounded(distance * (size_a * size_b / (size_a + size_b)));
                    for at in [a * n + b, b * n + a] {
                        if let Some(slot) = costs.get_mut(at) {
                            *slot = cost;
                        }
                    }
                }
            }
        }
        let mut pairs = Self {
            n,
            costs,
            sizes: sizes.to_vec(),
            cheapest: Vec::new(),
        };
        pairs.cheapest = (0..n).map(|index| pairs.look(index)).collect();
        pairs
    }

    fn costs_of(&self, index: usize) -> &[f32] {
        row(&self.costs, index, self.n)
    }

    /// The cheapest later row for a row, the lowest among equals.
    fn look(&self, index: usize) -> (usize, f32) {
        let later = self.costs_of(index).iter().enumerate().skip(index + 1);
        later.fold((index, f32::INFINITY), |best, (other, &cost)| {
            if cost < best.1 { (other, cost) } else { best }
        })
    }

    /// Merges the cheapest pair into the lower row: that row and the one that is gone. `None` when
    /// no pair is left.
    fn merge_cheapest(&mut self) -> Option<(usize, usize)> {
        let best = |best: (usize, usize, f32), (index, &(other, cost)): (usize, &(usize, f32))| {
            if cost < best.2 {
                (index, other, cost)
            } else {
                best
            }
        };
        let all = self.cheapest.iter().enumerate();
        let (kept, gone, cost) = all.fold((0, 0, f32::INFINITY), best);
        if cost == f32::INFINITY {
            return None;
        }
        let (size_kept, size_gone) = (*self.sizes.get(kept)?, *self.sizes.get(gone)?);
        let merged: Vec<f32> = self
            .costs_of(kept)
            .iter()
            .zip(self.costs_of(gone))
            .zip(&self.sizes)
            .map(|((to_kept, to_gone), size)| {
                // The two themselves, and rows that are gone.
                if to_kept.is_infinite() || to_gone.is_infinite() {
                    return f32::INFINITY;
                }
                let sum = (size_kept + size) * to_kept + (size_gone + size) * to_gone;
                bounded((sum - size * cost) / (size_kept + size_gone + size))
            })
            .collect();
        for (index, (&cost, line)) in merged
            .iter()
            .zip(self.costs.chunks_exact_mut(self.n))
            .enumerate()
        {
            if index == kept {
                line.copy_from_slice(&merged);
            } else if index == gone {
                line.fill(f32::INFINITY);
            }
            for (at, value) in [(kept, cost), (gone, f32::INFINITY)] {
                if let Some(slot) = line.get_mut(at) {
                    *slot = value;
                }
            }
        }
        *self.sizes.get_mut(kept)? = size_kept + size_gone;
        for index in 0..=gone {
            let Some(&(other, least)) = self.cheapest.get(index) else {
                break;
            };
            let cost = merged.get(index).copied().unwrap_or(f32::INFINITY);
            let lower = index < kept && (cost, kept) < (least, other);
            let now = if index == gone {
                (gone, f32::INFINITY)
            } else if index == kept || other == gone || other == kept {
                self.look(index)
            } else if lower {
                (kept, cost)
            } else {
                continue;
            };
            if let Some(slot) = self.cheapest.get_mut(index) {
                *slot = now;
            }
        }
        Some((kept, gone))
    }
}
