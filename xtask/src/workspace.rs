//! Where things are: the repository, and the cache that outlives a clone.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The repository's root.
pub fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_path_buf()
}

/// The cache root: `LEXIGRAFT_CACHE`, else `XDG_CACHE_HOME/lexigraft`, else `~/.cache/lexigraft`.
///
/// The two Burn builds and the models take a few gigabytes and most of an hour; a fresh clone or a
/// CI run must not pay for them again.
pub fn cache() -> Result<PathBuf> {
    if let Some(path) = set("LEXIGRAFT_CACHE") {
        return Ok(std::path::absolute(path)?);
    }
    if let Some(path) = set("XDG_CACHE_HOME") {
        return Ok(PathBuf::from(path).join("lexigraft"));
    }
    let home = env::home_dir().context("no home directory; set LEXIGRAFT_CACHE to a folder")?;
    Ok(home.join(".cache").join("lexigraft"))
}

/// Installed helper programs.
pub fn tools() -> Result<PathBuf> {
    Ok(cache()?.join("tools"))
}

/// The models: `LEXIGRAFT_MODELS`, else `models` in the cache. The tests read the same variable.
pub fn models() -> Result<PathBuf> {
    match set("LEXIGRAFT_MODELS") {
        Some(path) => Ok(std::path::absolute(path)?),
        None => Ok(cache()?.join("models")),
    }
}

/// Cargo's target directory for native builds.
pub fn native_target() -> Result<PathBuf> {
    match set("CARGO_TARGET_DIR") {
        Some(path) => Ok(std::path::absolute(path)?),
        None => Ok(cache()?.join("target").join("native")),
    }
}

/// Cargo's target directory for both WebAssembly modules. It is apart from the native one because
/// the compiler may be another one.
pub fn wasm_target() -> Result<PathBuf> {
    match set("CARGO_TARGET_DIR") {
        Some(path) => Ok(std::path::absolute(path)?.join("wasm")),
        None => Ok(cache()?.join("target").join("wasm")),
    }
}

/// The version that `Cargo.lock` holds for a package, the first one where there are several.
pub fn locked_version(package: &str) -> Result<String> {
    let path = root().join("Cargo.lock");
    let lock = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    find_version(&lock, package).with_context(|| format!("Cargo.lock has no package {package}"))
}

fn find_version(lock: &str, package: &str) -> Option<String> {
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines();
    lines.find(|line| *line == name)?;
    let version = lines.next()?.strip_prefix("version = \"")?;
    Some(version.trim_end_matches('"').to_owned())
}

fn set(name: &str) -> Option<std::ffi::OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_locked_version() {
        let lock = "[[package]]\nname = \"wasm-bindgen-futures\"\nversion = \"0.4.1\"\n\n[[package]]\nname = \"wasm-bindgen\"\nversion = \"0.2.130\"\n";
        assert_eq!(
            find_version(lock, "wasm-bindgen").as_deref(),
            Some("0.2.130")
        );
        assert_eq!(find_version(lock, "burn"), None);
    }

    #[test]
    fn this_workspace_locks_wasm_bindgen() {
        assert!(locked_version("wasm-bindgen").is_ok());
    }
}
