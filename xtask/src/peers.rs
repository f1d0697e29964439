//! What only `cargo xtask bench` needs: transformers.js, and MiniLM as the ONNX file that it reads.
//! Both are large, so they are kept in the cache and not among the repository's packages.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::{models, node, process, workspace};

/// What the export script imports, pinned; installed beside it and not into the user's Python.
const PYTHON_PACKAGES: [&str; 4] = [
    "numpy==2.4.6",
    "onnx==1.23.2",
    "onnxruntime==1.32.0",
    "safetensors==0.8.0",
];
/// The export's folder, by which the page names the model.
const EXPORT: &str = "minilm-onnx";

/// Installs and exports what is missing or was made from other sources; returns the folder that
/// the measuring pages see as `/peers/`.
pub fn ready(models: &Path) -> Result<PathBuf> {
    let folder = workspace::cache()?.join("peers");
    node::locked_packages(&sources(), &folder, "transformers.js (600 MB, once)")?;
    minilm(&folder, models)?;
    Ok(folder)
}

fn sources() -> PathBuf {
    workspace::root().join("tests").join("peers")
}

/// Writes the ONNX file, unless that was done by the same script with the same packages.
fn minilm(folder: &Path, models: &Path) -> Result<()> {
    let script = sources().join("export_minilm.py");
    let wanted = fs::read_to_string(&script)? + &PYTHON_PACKAGES.join("\n");
    let stamp = folder.join("minilm-exported");
    if fs::read_to_string(&stamp).is_ok_and(|made| made == wanted) {
        return Ok(());
    }
    let python = python_packages(folder)?;
    process::say("Exporting MiniLM to ONNX and checking it");
    let root = workspace::root();
    let mut command = process::command("python3");
    command
        .env("PYTHONPATH", python)
        .arg(&script)
        .arg(models.join("all-minilm-l6-v2"))
        .arg(
            root.join("tests")
                .join("reference")
                .join("all-minilm-l6-v2.json"),
        )
        .arg(folder.join(EXPORT));
    process::run(&mut command).context("MiniLM could not be exported to ONNX")?;
    fs::write(&stamp, wanted)?;
    Ok(())
}

fn python_packages(folder: &Path) -> Result<PathBuf> {
    let place = folder.join("python");
    let stamp = place.join("installed.txt");
    let wanted = PYTHON_PACKAGES.join("\n");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(place);
    }
    models::check_python()?;
    process::say("Installing the Python packages for the export");
    // pip does not replace what lies in a target folder.
    let _ = fs::remove_dir_all(&place);
    let mut pip = process::command("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--only-binary", ":all:"])
        .args(["--disable-pip-version-check", "--no-warn-script-location"])
        .arg("--target")
        .arg(&place)
        .args(PYTHON_PACKAGES);
    process::run(&mut pip).context("pip could not install what the export needs")?;
    fs::write(&stamp, wanted)?;
    Ok(place)
}
