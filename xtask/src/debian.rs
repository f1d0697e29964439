//! Debian's packages, the fallback where a tool has no better source.

use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, bail};

use crate::process;

/// Installs packages when this is Debian (or a relative) and we are root; otherwise the error is
/// one line that says what is missing and what to install.
pub fn install(what: &str, packages: &[&str]) -> Result<()> {
    let list = packages.join(" ");
    if process::find(&["apt-get"]).is_none() {
        bail!("{what} is missing. Install it with your system's package manager");
    }
    if !is_root() {
        bail!("{what} is missing. Install it: sudo apt-get install {list}");
    }
    process::say(&format!("Installing {what}: {list}"));
    update()?;
    apt_get(
        &[
            &["install", "-y", "-q", "--no-install-recommends"],
            packages,
        ]
        .concat(),
    )
    .with_context(|| format!("{what} is missing and apt-get could not install {list}"))
}

fn is_root() -> bool {
    process::ask(Command::new("id").arg("-u")).as_deref() == Some("0")
}

/// Brings apt's lists up to date, once a run.
fn update() -> Result<()> {
    static DONE: OnceLock<()> = OnceLock::new();
    if DONE.get().is_none() {
        apt_get(&["update", "-q"])?;
        let _ = DONE.set(());
    }
    Ok(())
}

fn apt_get(arguments: &[&str]) -> Result<()> {
    process::run_quiet(
        process::command("apt-get")
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive"),
    )
}
