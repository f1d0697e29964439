//! Orthogonal matching pursuit (Pati et al. 1993) between two models' embeddings: a row of the
//! donor as a sparse sum of its shared rows, and the same sum of the model's rows.

use super::{Context, Initialise, Rows, RowsFuture, Weights, done};
use crate::vectors::dot;
use crate::{SourceModel, StoredRows, TransferError};

/// Shared rows in a sum, at most, as in mergekit's transplant.
pub const ATOMS: usize = 64;

/// Below this share of the row's length the rest counts as nothing.
const NOTHING: f32 = 1e-6;

/// A new row is `sum c_j base_j`, where `sum c_j donor_j` is the sparse approximation of the token's
/// row in the *donor*, a model whose own tokenizer is the target. The head's rows are made in the
/// same way from the donor's head.
pub struct Omp<'c> {
    context: Context<'c>,
    input: Atoms<'c>,
    output: Option<Atoms<'c>>,
    most: usize,
}

/// Rows of the donor: those to be approximated, and those of shared tokens.
struct Atoms<'c> {
    donor: &'c StoredRows,
    values: Vec<f32>,
    /// Source ids of the shared tokens.
    ids: Vec<u32>,
}

impl<'c> Atoms<'c> {
    fn new(context: Context<'_>, donor: &'c StoredRows) -> Result<Self, TransferError> {
        let (targets, ids): (Vec<u32>, Vec<u32>) = context.overlap.shared().unzip();
        Ok(Self {
            donor,
            values: donor.gather(&targets)?,
            ids,
        })
    }

    fn weights(&self, id: u32, most: usize) -> Result<Weights, TransferError> {
        let row = self.donor.gather(&[id])?;
        let sparse = pursue(&row, &self.values, most).code;
        let source = |(place, weight): (usize, f32)| Some((*self.ids.get(place)?, weight));
        Ok(sparse.into_iter().filter_map(source).collect())
    }
}

impl<'c> Omp<'c> {
    /// With at most `most` shared rows in a sum.
    ///
    /// # Errors
    /// `tokenizer-mismatch` for a donor with another tokenizer than the target.
    pub fn new(
        context: Context<'c>,
        donor: &'c SourceModel,
        most: usize,
    ) -> Result<Self, TransferError> {
        let same = |id: u32| donor.tokens().bytes(id) == context.target.bytes(id);
        let tokens = context.target.len();
        if donor.tokens().len() != tokens || !(0..tokens as u32).all(same) {
            return Err(TransferError::Mismatch(
                "the donor has another tokenizer than the one to be grafted; give a donor of that \
                 tokenizer"
                    .to_owned(),
            ));
        }
        let output = match context.source.is_tied() {
            true => None,
            false => Some(Atoms::new(context, donor.output())?),
        };
        Ok(Self {
            context,
            input: Atoms::new(context, donor.input())?,
            output,
            most,
        })
    }
}

impl Initialise for Omp<'_> {
    fn name(&self) -> &'static str {
        "omp"
    }

    fn rows<'a>(&'a mut self, ids: &'a [u32]) -> RowsFuture<'a> {
        let sums = |atoms: &Atoms<'_>, rows: &StoredRows, mean: &[f32]| {
            let weights: Result<Vec<Weights>, TransferError> =
                ids.iter().map(|id| atoms.weights(*id, self.most)).collect();
            super::sums_of(rows, mean, &weights?)
        };
        let source = self.context.source;
        done((|| {
            Ok(Rows {
                input: sums(&self.input, source.input(), source.mean())?,
                output: match &self.output {
                    Some(atoms) => Some(sums(atoms, source.output(), source.output_mean())?),
                    None => None,
                },
                bias: None,
            })
        })())
    }
}

/// What [`pursue`] finds.
#[derive(Debug, Clone, PartialEq)]
pub struct Pursuit {
    /// Places of atoms and their weights, in the order in which they were chosen.
    pub code: Vec<(usize, f32)>,
    /// Length of the rest before the first choice and after each.
    pub residuals: Vec<f32>,
}

/// Approximates `row` by at most `most` of the `atoms`, `[atoms, row.len()]`: each time the one whose
/// inner product with the rest is largest, with weights that are the best for those chosen.
pub fn pursue(row: &[f32], atoms: &[f32], most: usize) -> Pursuit {
    let columns = row.len().max(1);
    let length = |x: &[f32]| dot(x, x).sqrt();
    let full = length(row);
    let mut rest = row.to_vec();
    // Orthonormal directions of the chosen atoms, and R of their QR by columns.
    let (mut directions, mut factor): (Vec<Vec<f32>>, Vec<Vec<f32>>) = (Vec::new(), Vec::new());
    let (mut chosen, mut residuals) = (Vec::new(), vec![full]);
    while chosen.len() < most.min(columns) && length(&rest) > full * NOTHING {
        let products = atoms
            .chunks_exact(columns)
            .map(|atom| dot(atom, &rest).abs());
        let free = products
            .enumerate()
            .filter(|(place, _)| !chosen.contains(place));
        let Some((place, best)) = free.max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))
        else {
            break;
        };
        let start = place * columns;
        let atom = atoms.get(start..start + columns).unwrap_or_default();
        // Twice is enough (Kahan and Parlett).
        let mut direction = atom.to_vec();
        let mut column = vec![0f32; directions.len()];
        for _ in 0..2 {
            for (known, share) in directions.iter().zip(&mut column) {
                let along = dot(known, &direction);
                *share += along;
                direction
                    .iter_mut()
                    .zip(known)
                    .for_each(|(x, k)| *x -= along * k);
            }
        }
        let left = length(&direction);
        if best <= 0.0 || left <= length(atom) * NOTHING {
            break;
        }
        direction.iter_mut().for_each(|x| *x /= left);
        column.push(left);
        directions.push(direction);
        factor.push(column);
        chosen.push(place);
        // From the row itself, so that errors do not add up.
        rest = row.to_vec();
        for _ in 0..2 {
            for known in &directions {
                let along = dot(known, &rest);
                rest.iter_mut()
                    .zip(known)
                    .for_each(|(x, k)| *x -= along * k);
            }
        }
        residuals.push(length(&rest));
    }
    // R c = Q^T row, from the last weight to the first.
    let mut weights: Vec<f32> = directions.iter().map(|known| dot(known, row)).collect();
    for at in (0..weights.len()).rev() {
        let Some(column) = factor.get(at) else {
            continue;
        };
        let pivot = column.get(at).copied().unwrap_or(1.0);
        let weight = weights.get(at).copied().unwrap_or(0.0) / pivot;
        for (earlier, share) in weights.iter_mut().zip(column).take(at) {
            *earlier -= weight * share;
        }
        if let Some(slot) = weights.get_mut(at) {
            *slot = weight;
        }
    }
    Pursuit {
        code: chosen.into_iter().zip(weights).collect(),
        residuals,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn atoms(random: &mut ChaCha8Rng, count: usize, columns: usize) -> Vec<f32> {
        (0..count * columns)
            .map(|_| random.random_range(-1f32..1.0))
            .collect()
    }

    fn sum(atoms: &[f32], columns: usize, code: &[(usize, f32)]) -> Vec<f32> {
        let mut out = vec![0f32; columns];
        for (place, weight) in code {
            for (out, x) in out.iter_mut().zip(&atoms[place * columns..][..columns]) {
                *out += weight * x;
            }
        }
        out
    }

    #[test]
    fn planted_sparse_codes_are_recovered() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let (count, columns) = (300, 128);
        let atoms = atoms(&mut random, count, columns);
        for _ in 0..20 {
            let mut planted: Vec<(usize, f32)> = (0..4)
                .map(|_| {
                    (
                        random.random_range(0..count),
                        random.random_range(1f32..2.0),
                    )
                })
                .collect();
            planted.sort_by_key(|(place, _)| *place);
            planted.dedup_by_key(|(place, _)| *place);
            let mut found = pursue(&sum(&atoms, columns, &planted), &atoms, 8).code;
            found.retain(|(_, weight)| weight.abs() > 1e-4);
            found.sort_by_key(|(place, _)| *place);
            assert_eq!(found.len(), planted.len());
            for ((place, weight), (expected, planted)) in found.iter().zip(&planted) {
                assert_eq!(place, expected);
                assert!((weight - planted).abs() < 1e-3, "{weight} {planted}");
            }
        }
    }

    #[test]
    fn the_rest_shrinks_and_is_orthogonal_to_what_was_chosen() {
        let mut random = ChaCha8Rng::seed_from_u64(2);
        let (count, columns) = (200, 48);
        let atoms = atoms(&mut random, count, columns);
        for _ in 0..10 {
            let row = self::atoms(&mut random, 1, columns);
            let found = pursue(&row, &atoms, 24);
            assert_eq!(found.code.len(), 24);
            assert!(
                found
                    .residuals
                    .windows(2)
                    .all(|pair| pair[1] <= pair[0] * (1.0 + 1e-6))
            );
            let approximation = sum(&atoms, columns, &found.code);
            let rest: Vec<f32> = row.iter().zip(&approximation).map(|(a, b)| a - b).collect();
            let length = dot(&rest, &rest).sqrt();
            assert!(
                (length - found.residuals[24]).abs() < 1e-3,
                "weights give the rest"
            );
            for (place, _) in &found.code {
                let along = dot(&atoms[place * columns..][..columns], &rest);
                assert!(along.abs() < 2e-3, "{along}");
            }
        }
    }

    #[test]
    fn the_first_choice_is_the_best_by_hand() {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let atoms = atoms(&mut random, 50, 8);
        let row = self::atoms(&mut random, 1, 8);
        let products = atoms.chunks_exact(8).map(|atom| {
            atom.iter()
                .zip(&row)
                .map(|(a, b)| f64::from(*a) * f64::from(*b))
                .sum::<f64>()
                .abs()
        });
        let best = products
            .enumerate()
            .max_by(|a, b| a.1.total_cmp(&b.1))
            .unwrap()
            .0;
        assert_eq!(pursue(&row, &atoms, 3).code[0].0, best);
        // Eight atoms make any row of eight.
        let all = pursue(&row, &atoms, 64);
        assert_eq!(all.code.len(), 8);
        assert!(all.residuals[8] < 1e-4);
        assert!(pursue(&[0.0; 8], &atoms, 3).code.is_empty());
    }
}
