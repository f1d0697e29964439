//! Vectors of length 1, and weights made of their cosines.

/// Vectors of length 1, `[rows, columns]`. A row without direction is all zero and like nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct UnitVectors {
    columns: usize,
    values: Vec<f32>,
}

impl UnitVectors {
    /// Takes rows of `columns` elements and makes them 1 long.
    pub fn new(mut values: Vec<f32>, columns: usize) -> Self {
        let columns = columns.max(1);
        values.truncate(values.len() / columns * columns);
        for row in values.chunks_exact_mut(columns) {
            let length = row.iter().map(|x| x * x).sum::<f32>().sqrt();
            let inverse = if length > 0.0 && length.is_finite() {
                1.0 / length
            } else {
                0.0
            };
            row.iter_mut().for_each(|x| *x *= inverse);
        }
        Self { columns, values }
    }

    /// Elements of a row.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Rows.
    pub fn len(&self) -> usize {
        self.values.len() / self.columns
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// A row; empty outside.
    pub fn row(&self, row: usize) -> &[f32] {
        let start = row.saturating_mul(self.columns);
        self.values
            .get(start..start.saturating_add(self.columns))
            .unwrap_or_default()
    }

    /// Whether a row has a direction.
    pub fn has(&self, row: usize) -> bool {
        self.row(row).iter().any(|x| *x != 0.0)
    }

    /// All values, `[rows, columns]`.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The same, without a copy.
    pub fn into_values(self) -> Vec<f32> {
        self.values
    }
}

/// The `k` largest values and their places, largest first; of equals the first.
pub fn largest(values: &[f32], k: usize) -> Vec<(usize, f32)> {
    let mut found: Vec<(usize, f32)> = values.iter().copied().enumerate().collect();
    let larger = |a: &(usize, f32), b: &(usize, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    if k < found.len() && k > 0 {
        found.select_nth_unstable_by(k - 1, larger);
    }
    found.truncate(k);
    found.sort_unstable_by(larger);
    found
}

/// The inner product, in eight sums so that it becomes SIMD.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a8, a_rest) = a.as_chunks::<8>();
    let (b8, b_rest) = b.as_chunks::<8>();
    let mut sums = [0f32; 8];
    for (a, b) in a8.iter().zip(b8) {
        for ((sum, x), y) in sums.iter_mut().zip(a).zip(b) {
            *sum += x * y;
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum();
    sums.iter().sum::<f32>() + rest
}

/// `exp(x / temperature)`, divided by their sum.
pub fn softmax(values: &[f32], temperature: f32) -> Vec<f32> {
    let max = values.iter().copied().fold(f32::MIN, f32::max);
    let mut weights: Vec<f32> = values
        .iter()
        .map(|x| ((x - max) / temperature).exp())
        .collect();
    let sum: f32 = weights.iter().sum();
    weights.iter_mut().for_each(|weight| *weight /= sum);
    weights
}

/// The nearest point of the simplex (arXiv 1602.02068): weights that sum to 1, most of them 0.
/// Returns places and weights of the others.
pub fn sparsemax(values: &[f32]) -> Vec<(usize, f32)> {
    let max = values.iter().copied().fold(f32::MIN, f32::max);
    // No more than those within 1 of the largest can be in the support.
    let mut support: Vec<(usize, f64)> = (0..)
        .zip(values)
        .filter(|(_, x)| **x > max - 1.0)
        .map(|(at, x)| (at, f64::from(*x)))
        .collect();
    // The threshold only rises, and those at or under it leave for good (Michelot 1986): a few
    // passes, where a sort of forty thousand cosines took most of the time of FOCUS.
    loop {
        let sum: f64 = support.iter().map(|(_, x)| x).sum();
        let threshold = (sum - 1.0) / support.len().max(1) as f64;
        let before = support.len();
        support.retain(|(_, x)| *x > threshold);
        if support.len() == before {
            let weight = |(at, x): (usize, f64)| (at, (x - threshold) as f32);
            return support.into_iter().map(weight).collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The projection by bisection of the threshold.
    fn by_bisection(values: &[f32]) -> Vec<f64> {
        let values: Vec<f64> = values.iter().map(|x| f64::from(*x)).collect();
        let max = values.iter().copied().fold(f64::MIN, f64::max);
        let (mut low, mut high) = (max - 1.0, max);
        for _ in 0..200 {
            let middle = (low + high) / 2.0;
            let sum: f64 = values.iter().map(|x| (x - middle).max(0.0)).sum();
            if sum > 1.0 {
                low = middle
            } else {
                high = middle
            }
        }
        values.iter().map(|x| (x - low).max(0.0)).collect()
    }

    proptest! {
        #[test]
        fn sparsemax_is_the_projection(values in proptest::collection::vec(-2f32..2.0, 1..40)) {
            let expected = by_bisection(&values);
            let found = sparsemax(&values);
            let mut dense = vec![0f64; values.len()];
            for (at, weight) in &found {
                dense[*at] = f64::from(*weight);
            }
            for (a, b) in dense.iter().zip(&expected) {
                prop_assert!((a - b).abs() < 1e-5, "{dense:?} {expected:?}");
            }
        }

        #[test]
        fn the_largest_are_those_of_a_full_sort(
            values in proptest::collection::vec(-1f32..1.0, 60), k in 0usize..25,
        ) {
            let mut all: Vec<(usize, f32)> = values.iter().copied().enumerate().collect();
            all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            all.truncate(k);
            prop_assert_eq!(largest(&values, k), all);
        }
    }

    #[test]
    fn softmax_is_a_distribution() {
        let found = softmax(&[1.0, 2.0, 2.0], 0.5);
        let sum = 1.0 + 2.0 * 2f32.exp();
        for (found, expected) in found
            .iter()
            .zip([1.0 / sum, 2f32.exp() / sum, 2f32.exp() / sum])
        {
            assert!((found - expected).abs() < 1e-6);
        }
    }

    #[test]
    fn the_inner_product_takes_any_length() {
        for len in 0..40 {
            let a: Vec<f32> = (0..len).map(|i| i as f32).collect();
            let expected: f32 = a.iter().map(|x| x * x).sum();
            assert_eq!(dot(&a, &a), expected);
        }
    }
}
