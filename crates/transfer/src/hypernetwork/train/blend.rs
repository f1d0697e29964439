//! Two networks of one base model, and what lies between them.
//!
//! Batches are small and a run ends somewhere around what it was led to. A mean of the weights of two
//! runs, or of a run and what it began with, is often better than both (arXiv 2203.05482).

use std::collections::HashMap;
use std::path::Path;

use lexigraft_models::hypernetwork::{memory_rows, memory_tensors};
use safetensors::{Dtype, SafeTensors};

use super::TrainError;
use super::memory::Memory;
use super::store::{PIECES, ROWS, Stored, pieces, singles, write};

/// Writes `(1 - share) first + share second`, both files that a run exported. A string that one of
/// them does not remember has a row of noughts there.
///
/// # Errors
/// `io`; `bad-checkpoint` where a file is damaged; `wrong-base-model` where the two are not of the same.
pub fn blend(first: &Path, second: &Path, share: f32, out: &Path) -> Result<(), TrainError> {
    let (first, second) = (std::fs::read(first)?, std::fs::read(second)?);
    let (a, b) = (
        SafeTensors::deserialize(&first)?,
        SafeTensors::deserialize(&second)?,
    );
    let metadata = |bytes: &[u8]| -> Result<HashMap<String, String>, TrainError> {
        let (_, header) = SafeTensors::read_metadata(bytes)?;
        Ok(header.metadata().clone().unwrap_or_default())
    };
    let config = metadata(&first)?;
    if config != metadata(&second)? {
        return Err(TrainError::OtherBase);
    }
    let between = |a: f32, b: f32| a + share * (b - a);
    let mut stored = Vec::new();
    for (name, view) in a.iter().filter(|(name, _)| ![PIECES, ROWS].contains(name)) {
        let others = singles(&b, name, view.shape())?;
        let values = singles(&a, name, view.shape())?.into_iter().zip(others);
        let values: Vec<f32> = values.map(|(a, b)| between(a, b)).collect();
        let shape = view.shape().to_vec();
        stored.push(Stored::floats(name, shape, view.dtype(), &values));
    }
    let columns = a.tensor("head.weight")?.shape().first().copied();
    let columns = columns.unwrap_or_default();
    let (a, b) = (memory(&a, columns)?, memory(&b, columns)?);
    let mut keys = b.keys.clone();
    keys.extend(a.keys.iter().filter(|key| b.slot(key).is_none()).cloned());
    let none = vec![0f32; columns];
    let row = |memory: &Memory, key: &[u32]| {
        let slot = memory.slot(key);
        slot.map_or_else(|| none.clone(), |slot| memory.row(slot).to_vec())
    };
    let mut rows = Vec::with_capacity(keys.len() * columns);
    for key in &keys {
        let pairs = row(&a, key).into_iter().zip(row(&b, key));
        rows.extend(pairs.map(|(a, b)| between(a, b)));
    }
    if !keys.is_empty() {
        let (ids, blocks) = memory_tensors(columns, &keys, &rows)?;
        stored.extend(Stored::memory(keys.len(), &ids, blocks));
    }
    write(&stored, config, out)
}

/// The memory of a file that a run exported; an empty one where it has none.
pub fn memory(file: &SafeTensors<'_>, columns: usize) -> Result<Memory, TrainError> {
    let Ok(rows) = file.tensor(ROWS) else {
        return Ok(Memory::new(columns, Vec::new()));
    };
    if rows.dtype() != Dtype::U8 {
        return Err(TrainError::OtherNetwork(ROWS.to_owned()));
    }
    let mut memory = Memory::new(columns, pieces(file)?);
    memory.rows = memory_rows(columns, memory.keys.len(), rows.data())
        .map_err(|_| TrainError::OtherNetwork(ROWS.to_owned()))?;
    Ok(memory)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: usize = 6;

    fn file(name: &str, base: &str, head: f32, strings: &[(&[u32], f32)]) -> std::path::PathBuf {
        let name = format!("lexigraft-blend-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let floats = |name, shape: [usize; 2], value| {
            let values = vec![value; shape[0] * shape[1]];
            Stored::floats(name, shape.to_vec(), Dtype::F16, &values)
        };
        let keys: Vec<Vec<u32>> = strings.iter().map(|(key, _)| key.to_vec()).collect();
        let rows = strings.iter().flat_map(|(_, value)| [*value; COLUMNS]);
        let rows: Vec<f32> = rows.collect();
        let mut stored = vec![floats("head.weight", [COLUMNS, 3], head)];
        if !keys.is_empty() {
            let (ids, blocks) = memory_tensors(COLUMNS, &keys, &rows).unwrap();
            stored.extend(Stored::memory(keys.len(), &ids, blocks));
        }
        let config = HashMap::from([("config".to_owned(), base.to_owned())]);
        write(&stored, config, &path).unwrap();
        path
    }

    #[test]
    fn what_lies_between_two_files_is_a_mean_of_heads_and_of_rows_by_their_strings() {
        let first = file("first", "base", 1.0, &[(&[1, 2], 4.0), (&[3], 8.0)]);
        let second = file("second", "base", 2.0, &[(&[5, 6, 7], 16.0), (&[1, 2], 6.0)]);
        let empty = file("empty", "base", 0.0, &[]);
        let other = file("other", "another base", 2.0, &[]);
        let out = file("out", "base", 0.0, &[]);
        let blended = |first: &Path, second: &Path, share: f32| {
            blend(first, second, share, &out).unwrap();
            let bytes = std::fs::read(&out).unwrap();
            let file = SafeTensors::deserialize(&bytes).unwrap();
            let head = singles(&file, "head.weight", &[COLUMNS, 3]).unwrap();
            assert!(head.iter().all(|x| *x == head[0]));
            let memory = memory(&file, COLUMNS).unwrap();
            let row = |key: &[u32]| memory.slot(key).map(|slot| memory.row(slot)[5]);
            (head[0], [row(&[1, 2]), row(&[3]), row(&[5, 6, 7])])
        };
        let near = |found: (f32, [Option<f32>; 3]), head: f32, rows: [Option<f32>; 3]| {
            assert_eq!(found.0, head);
            for (found, want) in found.1.into_iter().zip(rows) {
                assert_eq!(found.is_some(), want.is_some());
                assert!((found.unwrap_or(0.0) - want.unwrap_or(0.0)).abs() < 0.01);
            }
        };
        let rows = [Some(5.5), Some(2.0), Some(12.0)];
        near(blended(&first, &second, 0.75), 1.75, rows);
        let rows = [Some(4.0), Some(8.0), Some(0.0)];
        near(blended(&first, &second, 0.0), 1.0, rows);
        near(
            blended(&first, &empty, 0.5),
            0.5,
            [Some(2.0), Some(4.0), None],
        );
        near(blended(&empty, &empty, 0.5), 0.0, [None, None, None]);
        let refused = blend(&first, &other, 0.5, &out).unwrap_err();
        assert_eq!(refused.code(), "wrong-base-model");
        // A head of no rows beside a memory, and rows that are no whole ones.
        let (ids, blocks) = memory_tensors(COLUMNS, &[vec![1, 2]], &[1.0; COLUMNS]).unwrap();
        for (columns, blocks) in [(0, blocks.clone()), (COLUMNS, blocks[1..].to_vec())] {
            let head = Stored::floats("head.weight", vec![columns, 0], Dtype::F16, &[]);
            let [keys, rows] = Stored::memory(1, &ids, blocks);
            write(&[head, keys, rows], HashMap::new(), &other).unwrap();
            let refused = blend(&other, &other, 0.5, &out).unwrap_err();
            assert_eq!(refused.code(), "bad-checkpoint");
        }
        for path in [first, second, empty, other, out] {
            std::fs::remove_file(path).unwrap();
        }
    }
}
