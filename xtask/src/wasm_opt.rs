//! What binaryen does to a module after the compiler.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use indicatif::HumanBytes;
use serde_json::json;

use crate::{node, process, workspace};

/// `wasm-opt` comes from this npm package; it is large and used by --release alone, so it is kept
/// in the cache and not among the repository's packages.
const BINARYEN: &str = "132.0.0";
/// The features that Rust and wasm-bindgen use; a module that uses one that was not named is rejected.
const FEATURES: [&str; 8] = [
    "--enable-simd",
    "--enable-threads",
    "--enable-bulk-memory",
    "--enable-nontrapping-float-to-int",
    "--enable-sign-ext",
    "--enable-mutable-globals",
    "--enable-reference-types",
    "--enable-multivalue",
];

/// Runs wasm-opt in place. Its result is kept beside the input's hash: an unchanged module costs nothing.
pub fn optimise(wasm: &Path, target: &Path, name: &str) -> Result<()> {
    let bytes = fs::read(wasm)?;
    let kept = target.join(format!("optimised-{}-{}.wasm", name, fingerprint(&bytes)));
    if !kept.exists() {
        process::say(&format!(
            "wasm-opt on {} (several minutes)",
            HumanBytes(bytes.len() as u64)
        ));
        let program = binaryen("wasm-opt")?;
        let unfinished = kept.with_extension("unfinished");
        let mut command = node::node();
        command
            .arg("--max-old-space-size=8192")
            .arg(program)
            .args(["-Oz", "--strip-debug"])
            .args(FEATURES);
        process::run(command.arg(wasm).arg("-o").arg(&unfinished))?;
        fs::rename(&unfinished, &kept)?;
    }
    fs::copy(&kept, wasm)?;
    Ok(())
}

/// Leaves out every export but those in `kept`, and whatever only the others reach.
pub fn keep_exports(wasm: &Path, kept: &[&str]) -> Result<()> {
    let nodes = kept
        .iter()
        .map(|name| json!({"name": name, "export": name}));
    let root = json!({"name": "page", "root": true, "reaches": kept});
    let graph = wasm.with_extension("exports.json");
    let graph_json: Vec<_> = std::iter::once(root).chain(nodes).collect();
    fs::write(&graph, serde_json::to_string(&graph_json)?)?;
    let smaller = wasm.with_extension("smaller");
    let mut command = node::node();
    command.arg(binaryen("wasm-metadce")?).args(FEATURES);
    command.arg("--graph-file").arg(&graph);
    // It lists all that it drops.
    process::run_quiet(command.arg(wasm).arg("-o").arg(&smaller))?;
    fs::rename(&smaller, wasm)?;
    fs::remove_file(&graph)?;
    Ok(())
}

fn binaryen(program: &str) -> Result<PathBuf> {
    let folder = workspace::tools()?.join(format!("binaryen-{BINARYEN}"));
    let program = folder
        .join("node_modules")
        .join("binaryen")
        .join("bin")
        .join(program);
    if !program.exists() {
        fs::create_dir_all(&folder)?;
        let package = format!("binaryen@{BINARYEN}");
        let mut npm = node::npm();
        npm.args([
            "install",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--prefix",
        ])
        .arg(&folder)
        .arg(&package);
        process::run(&mut npm).context("wasm-opt is missing and npm could not install binaryen")?;
    }
    Ok(program)
}

fn fingerprint(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes)
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
