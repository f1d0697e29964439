//! The `wasm-bindgen` program. It must match the crate in `Cargo.lock` to the last digit.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::{process, workspace};

/// The program of exactly the locked version: on the PATH, in the cache, or installed now.
pub fn ready() -> Result<PathBuf> {
    let version = workspace::locked_version("wasm-bindgen")?;
    if let Some(found) = process::find(&["wasm-bindgen"])
        && is_version(&found, &version)
    {
        return Ok(found);
    }
    let folder = workspace::tools()?.join(format!("wasm-bindgen-{version}"));
    let program = folder
        .join("bin")
        .join(format!("wasm-bindgen{}", std::env::consts::EXE_SUFFIX));
    if is_version(&program, &version) {
        return Ok(program);
    }
    process::say(&format!(
        "Installing wasm-bindgen-cli {version} into the cache (about four minutes, once)"
    ));
    let install = |locked: &[&str]| {
        let mut cargo = process::cargo()?;
        // Cargo's own temporary folder: nothing of this build is worth keeping.
        cargo.env_remove("CARGO_TARGET_DIR");
        cargo
            .args(["install", "wasm-bindgen-cli", "--version", &version])
            .args(locked);
        process::run(cargo.arg("--root").arg(&folder))
    };
    // A registry mirror may lack a version that the program's own lock file names.
    install(&["--locked"])
        .or_else(|_| install(&[]))
        .context("wasm-bindgen-cli is missing and cargo could not install it")?;
    Ok(program)
}

fn is_version(program: &Path, version: &str) -> bool {
    let said = process::ask(process::command(program).arg("--version"));
    said.is_some_and(|text| text.split(' ').nth(1) == Some(version))
}
