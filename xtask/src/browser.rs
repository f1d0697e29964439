//! The browser for the tests, and the software Vulkan driver for native WebGPU tests.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::{debian, process};

const NAMES: [&str; 5] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
];
const MAC: &str = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome";
const DRIVER_PACKAGES: [&str; 2] = ["mesa-vulkan-drivers", "libvulkan1"];

/// A Chromium: the `CHROME` variable, one on the PATH, or Debian's installed now.
pub fn ready() -> Result<PathBuf> {
    if let Some(path) = env::var_os("CHROME").filter(|path| !path.is_empty()) {
        let path = PathBuf::from(path);
        if path.is_file() {
            return Ok(path);
        }
        bail!("CHROME names {}, which is not a file", path.display());
    }
    if let Some(found) = find() {
        return Ok(found);
    }
    debian::install(
        "A browser for the tests (Chromium or Chrome; or set CHROME to its path)",
        &["chromium"],
    )?;
    match find() {
        Some(found) => Ok(found),
        None => bail!("Chromium was installed but is not on the PATH; set CHROME to its path"),
    }
}

fn find() -> Option<PathBuf> {
    process::find(&NAMES).or_else(|| Path::new(MAC).is_file().then(|| PathBuf::from(MAC)))
}

/// A Vulkan driver on Linux, so that the wgpu tests have a device; elsewhere the system has one.
pub fn vulkan() -> Result<()> {
    if !cfg!(target_os = "linux") || has_vulkan() {
        return Ok(());
    }
    debian::install(
        "A Vulkan driver for the native WebGPU tests",
        &DRIVER_PACKAGES,
    )
}

fn has_vulkan() -> bool {
    let driver = ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d"]
        .iter()
        .any(|folder| {
            Path::new(folder).read_dir().is_ok_and(|entries| {
                entries
                    .flatten()
                    .any(|entry| entry.path().extension().is_some_and(|e| e == "json"))
            })
        });
    let libraries = [
        "/usr/lib",
        "/usr/lib64",
        "/usr/lib/x86_64-linux-gnu",
        "/usr/lib/aarch64-linux-gnu",
    ];
    driver
        && libraries
            .iter()
            .any(|folder| Path::new(folder).join("libvulkan.so.1").exists())
}
