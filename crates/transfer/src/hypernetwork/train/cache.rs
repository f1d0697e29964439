//! Windows that the frozen model has read, on disk: they are read once, and trained on many times.

use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::Path;

use half::f16;

use super::TrainError;
use super::context::Window;

/// Appends windows to a file.
///
/// # Errors
/// `io`.
pub fn append(file: &mut File, windows: &[Window]) -> Result<(), TrainError> {
    let mut out = Vec::new();
    for window in windows {
        put(&mut out, window.text.as_bytes().iter().copied(), 1);
        put(
            &mut out,
            window.ends.iter().flat_map(|x| x.to_le_bytes()),
            4,
        );
        for states in [&window.middle, &window.last] {
            put(&mut out, states.iter().flat_map(|x| x.to_le_bytes()), 2);
        }
        out.extend((window.shared.len() as u32).to_le_bytes());
        for sums in &window.shared {
            put(&mut out, sums.iter().flat_map(|x| x.to_le_bytes()), 4);
        }
    }
    file.write_all(&out)?;
    Ok(())
}

/// The number of elements, then the elements.
fn put(out: &mut Vec<u8>, bytes: impl Iterator<Item = u8>, size: usize) {
    let at = out.len();
    out.extend([0; 4]);
    out.extend(bytes);
    let count = ((out.len() - at - 4) / size) as u32;
    out[at..at + 4].copy_from_slice(&count.to_le_bytes());
}

/// Reads all whole windows of a file, none where there is no file; one that is cut short at the end
/// is left out.
///
/// # Errors
/// `io`.
pub fn read(path: &Path) -> Result<Vec<Window>, TrainError> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let mut file = BufReader::new(File::open(path)?);
    let mut windows = Vec::new();
    while let Some(window) = read_one(&mut file) {
        windows.push(window);
    }
    Ok(windows)
}

fn read_one(file: &mut impl Read) -> Option<Window> {
    let text = String::from_utf8(get(file, 1)?).ok()?;
    let singles = |bytes: Vec<u8>| -> Vec<f32> {
        let words = bytes.as_chunks::<4>().0.iter();
        words.map(|x| f32::from_le_bytes(*x)).collect()
    };
    let ends = get(file, 4)?;
    let ends = ends.as_chunks::<4>().0.iter();
    let ends = ends.map(|x| u32::from_le_bytes(*x)).collect();
    let halves = |bytes: Vec<u8>| -> Vec<f16> {
        let words = bytes.as_chunks::<2>().0.iter();
        words.map(|x| f16::from_le_bytes(*x)).collect()
    };
    let middle = halves(get(file, 2)?);
    let last = halves(get(file, 2)?);
    let mut count = [0; 4];
    file.read_exact(&mut count).ok()?;
    let shared = (0..u32::from_le_bytes(count).min(64))
        .map(|_| get(file, 4).map(singles))
        .collect::<Option<_>>()?;
    Some(Window {
        text,
        ends,
        middle,
        last,
        shared,
    })
}

/// A number of elements of `size` bytes, then the elements.
fn get(file: &mut impl Read, size: usize) -> Option<Vec<u8>> {
    let mut count = [0; 4];
    file.read_exact(&mut count).ok()?;
    let mut bytes = Vec::new();
    let wanted = u32::from_le_bytes(count) as u64 * size as u64;
    file.take(wanted).read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 == wanted).then_some(bytes)
}
