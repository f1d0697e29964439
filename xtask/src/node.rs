//! Node and the npm packages.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{process, workspace};

/// The oldest Node whose test runner and `fetch` the tests rely on.
const OLDEST: u32 = 20;

/// Checks that Node and npm are there and new enough; returns Node's version.
pub fn check() -> Result<String> {
    let version = process::ask(process::command("node").arg("--version"))
        .with_context(|| format!("Node is missing. Install Node {OLDEST} or newer, with npm"))?;
    let major: Option<u32> = version
        .trim_start_matches('v')
        .split('.')
        .next()
        .and_then(|text| text.parse().ok());
    if major.is_none_or(|major| major < OLDEST) {
        bail!("Node {version} is too old. Install Node {OLDEST} or newer");
    }
    if process::find(&["npm", "npm.cmd"]).is_none() {
        bail!("npm is missing. Install it; it usually comes with Node");
    }
    Ok(version)
}

/// Installs the packages that `package-lock.json` names, unless that was done since it changed.
pub fn packages() -> Result<()> {
    check()?;
    let root = workspace::root();
    let lock = root.join("package-lock.json");
    let done = root.join("node_modules").join(".package-lock.json");
    let changed = |path: &std::path::Path| fs::metadata(path).and_then(|data| data.modified()).ok();
    if let (Some(locked), Some(installed)) = (changed(&lock), changed(&done))
        && installed >= locked
    {
        return Ok(());
    }
    process::say("Installing the npm packages");
    // Scripts stay off: some packages try to download a browser or a binary when installed.
    let verb = if lock.exists() { "ci" } else { "install" };
    process::run(npm().args([verb, "--ignore-scripts", "--no-audit", "--no-fund"]))
        .context("npm could not install the packages")
}

/// `npm` in the repository's root.
pub fn npm() -> Command {
    process::command(if cfg!(windows) { "npm.cmd" } else { "npm" })
}

/// `node` in the repository's root.
pub fn node() -> Command {
    process::command("node")
}
