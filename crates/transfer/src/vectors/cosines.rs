//! Cosines of many vectors with many others, by Burn's matrix product.

use burn::tensor::{Device, Tensor, TensorData};

use super::UnitVectors;
use crate::TransferError;

/// Queries of one product: its result is 25 MB over 49,152 rows.
const BATCH: usize = 128;

/// Rows that queries are compared with.
#[derive(Debug)]
pub struct Cosines {
    /// `[columns, rows]`.
    rows: Tensor<2>,
    columns: usize,
    len: usize,
}

impl Cosines {
    /// With each of `rows`.
    pub fn new(rows: UnitVectors) -> Self {
        let (len, columns) = (rows.len(), rows.columns());
        let data = TensorData::new(rows.into_values(), [len, columns]);
        Self {
            rows: Tensor::<2>::from_data(data, &Device::flex()).transpose(),
            columns,
            len,
        }
    }

    /// What `make` makes of each of these rows of `queries` and its cosines, `[rows]`; no cosines for
    /// a query without a direction, or where there is no row.
    ///
    /// # Errors
    /// Those of `make`; `tokenizer-mismatch` for queries of another length.
    pub fn for_each<T>(
        &self,
        queries: &UnitVectors,
        ids: &[u32],
        mut make: impl FnMut(u32, &[f32]) -> Result<T, TransferError>,
    ) -> Result<Vec<T>, TransferError> {
        if queries.columns() != self.columns {
            return Err(TransferError::Mismatch(format!(
                "vectors of {} elements cannot be compared with vectors of {}",
                queries.columns(),
                self.columns
            )));
        }
        let mut made = Vec::with_capacity(ids.len());
        for ids in ids.chunks(BATCH) {
            let asked = ids.iter().filter(|id| queries.has(**id as usize));
            let values: Vec<f32> = asked
                .flat_map(|id| queries.row(*id as usize))
                .copied()
                .collect();
            let cosines = self.products(values)?;
            let mut cosines = cosines.chunks_exact(self.len.max(1));
            for id in ids {
                let found = match queries.has(*id as usize) {
                    true => cosines.next(),
                    false => None,
                };
                made.push(make(*id, found.unwrap_or_default())?);
            }
        }
        Ok(made)
    }

    /// `[queries, columns]` to `[queries, rows]`.
    fn products(&self, queries: Vec<f32>) -> Result<Vec<f32>, TransferError> {
        let count = queries.len() / self.columns;
        if count == 0 || self.len == 0 {
            return Ok(Vec::new());
        }
        let data = TensorData::new(queries, [count, self.columns]);
        let queries = Tensor::<2>::from_data(data, &Device::flex());
        let products = queries.matmul(self.rows.clone()).into_data();
        products
            .try_to_vec()
            .map_err(|error| TransferError::InvalidArgument(format!("the products: {error:?}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::dot;

    #[test]
    fn each_query_gets_its_own_cosines() {
        let columns = 13;
        let values = |rows: usize, step: usize| -> Vec<f32> {
            let at = |i: usize| ((i * step % 101) as f32) / 50.0 - 1.0;
            (0..rows * columns).map(at).collect()
        };
        let rows = UnitVectors::new(values(37, 7919), columns);
        let mut queries = values(300, 104_729);
        // One in ten has no direction.
        for query in queries.chunks_exact_mut(10 * columns) {
            query.iter_mut().take(columns).for_each(|x| *x = 0.0);
        }
        let queries = UnitVectors::new(queries, columns);
        let ids: Vec<u32> = (0..300).rev().collect();
        let all = Cosines::new(rows.clone());
        let found = all.for_each(&queries, &ids, |id, cosines| Ok((id, cosines.to_vec())));
        for (id, (made, cosines)) in ids.iter().zip(found.expect("has the same columns")) {
            assert_eq!(*id, made);
            if id % 10 == 0 {
                assert!(cosines.is_empty());
                continue;
            }
            assert_eq!(cosines.len(), rows.len());
            for (row, cosine) in cosines.iter().enumerate() {
                let expected = dot(rows.row(row), queries.row(*id as usize));
                assert!((cosine - expected).abs() < 1e-5, "{id} {row}");
            }
        }
    }

    #[test]
    fn other_columns_are_refused_and_no_rows_have_no_cosines() {
        let all = Cosines::new(UnitVectors::new(vec![1.0; 6], 3));
        let other = UnitVectors::new(vec![1.0; 4], 4);
        let refused = all.for_each(&other, &[0], |_, _| Ok(()));
        assert_eq!(
            refused.expect_err("is refused").code(),
            "tokenizer-mismatch"
        );
        let none = Cosines::new(UnitVectors::new(Vec::new(), 4));
        let found = none.for_each(&other, &[0], |_, cosines| Ok(cosines.len()));
        assert_eq!(found.expect("is made"), [0]);
    }
}
