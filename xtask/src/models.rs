//! `cargo xtask models`: gets the models with the ordinary clients (pip, npm, apt-get) and keeps them in
//! the cache. Every file is checked by sha256 before it takes its place.

mod manual;
mod store;
pub mod table;
mod texts;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};

use crate::{node, process, workspace};
use store::Store;
use table::{Client, Package};

#[derive(clap::Args)]
pub struct Args {
    /// Get only these, by name; all but the texts of evaluation (`texts`) when none is given
    names: Vec<String>,
    /// Read every file again instead of trusting its size and time
    #[arg(long)]
    verify: bool,
}

pub fn run(args: &Args) -> Result<()> {
    let names: Vec<&str> = args.names.iter().map(String::as_str).collect();
    let folder = get(&names, args.verify)?;
    println!("The models are in {}", folder.display());
    Ok(())
}

/// The name that stands for all texts of evaluation.
const TEXTS: &str = "texts";

/// Makes sure that these models are in the cache, all but the texts when none is named; returns
/// their folder.
pub fn get(names: &[&str], verify: bool) -> Result<PathBuf> {
    let is_text = |package: &Package| texts::TEXTS.iter().any(|text| text.name == package.name);
    let is_named = |package: &Package| {
        names.contains(&package.name)
            || (is_text(package) && names.contains(&TEXTS))
            || (!is_text(package) && names.is_empty())
    };
    let known = |name: &str| name == TEXTS || table::packages().any(|known| known.name == name);
    if let Some(unknown) = names.iter().find(|name| !known(name)) {
        let known: Vec<&str> = table::packages().map(|package| package.name).collect();
        bail!(
            "there is no model {unknown:?}; there are: {}, and {TEXTS} for all texts",
            known.join(", ")
        );
    }
    let folder = workspace::models()?;
    let mut store = Store::open(&folder)?;
    for package in table::packages().filter(|package| is_named(package)) {
        if package.files.iter().all(|file| store.holds(file, verify)) {
            continue;
        }
        fetch(package, &mut store).with_context(|| format!("could not get {}", package.name))?;
    }
    store.save()?;
    Ok(folder)
}

/// Checks for Python and pip; returns pip's version line.
pub fn check_python() -> Result<String> {
    let version = process::ask(process::command("python3").args(["-m", "pip", "--version"]))
        .context("Python's pip is missing. Install python3 with pip")?;
    let words: Vec<&str> = version.split(' ').take(2).collect();
    Ok(words.join(" "))
}

fn fetch(package: &Package, store: &mut Store) -> Result<()> {
    // In the models' folder, so that a file takes its place by a rename.
    let work = store.folder().join(format!(".fetch-{}", package.name));
    let _ = fs::remove_dir_all(&work);
    let result = fetch_in(package, store, &work);
    let _ = fs::remove_dir_all(&work);
    result
}

fn fetch_in(package: &Package, store: &mut Store, work: &Path) -> Result<()> {
    let (download, temporary, unpacked) = (
        work.join("download"),
        work.join("temporary"),
        work.join("unpacked"),
    );
    for folder in [&download, &temporary, &unpacked] {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let mut client = match package.client {
        Client::Pip => {
            check_python()?;
            let mut pip = process::command("python3");
            pip.args([
                "-m",
                "pip",
                "download",
                "--no-deps",
                "--no-cache-dir",
                "--ignore-requires-python",
            ]);
            pip.args([
                "--only-binary",
                ":all:",
                "--disable-pip-version-check",
                "--quiet",
                "--dest",
            ]);
            pip.arg(&download).arg(package.spec);
            pip
        }
        Client::Npm => {
            node::check()?;
            let mut npm = node::npm();
            npm.args(["pack", package.spec, "--silent", "--pack-destination"])
                .arg(&download);
            npm.arg("--cache").arg(&temporary);
            npm
        }
        Client::Apt => {
            if process::find(&["apt-get"]).is_none() || process::find(&["dpkg-deb"]).is_none() {
                bail!("these texts are in packages of Debian; get them on a Debian system");
            }
            let mut apt = process::command("apt-get");
            apt.args(["download", "--quiet", package.spec])
                .current_dir(&download);
            apt
        }
    };
    // The clients show nothing useful when they do not own the terminal, so the bytes that they
    // have written are counted instead; hence their own temporary folder.
    client.env("TMPDIR", &temporary);
    client
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null());
    let errors = work.join("errors.txt");
    client.stderr(fs::File::create(&errors)?);
    let child = client
        .spawn()
        .with_context(|| format!("cannot start {}", client.get_program().display()))?;
    let succeeded = watch(child, package, work)?;
    if !succeeded {
        let said = fs::read_to_string(&errors).unwrap_or_default();
        bail!(
            "{} could not download {}\n{}",
            package.client.name(),
            package.spec,
            said.trim_end()
        );
    }
    let archive = fs::read_dir(&download)?
        .flatten()
        .map(|entry| entry.path())
        .next()
        .with_context(|| format!("{} left no file", package.client.name()))?;
    unpack(&archive, &unpacked)?;
    for file in package.files {
        let inside = unpacked.join(file.inside);
        match package.client {
            Client::Apt => store.adopt(file, &page_as_text(&inside)?)?,
            _ => store.adopt(file, &inside)?,
        }
    }
    Ok(())
}

/// Shows how much has arrived until the client ends; returns whether it succeeded.
fn watch(mut child: Child, package: &Package, work: &Path) -> Result<bool> {
    let bar = ProgressBar::new(package.download_bytes).with_message(package.name);
    bar.set_style(ProgressStyle::with_template(
        "  {msg:<24} {bar:32} {bytes:>10} of {total_bytes:<10} {bytes_per_sec}",
    )?);
    if bar.is_hidden() {
        println!(
            "  getting {} ({}, {})",
            package.name,
            package.spec,
            HumanBytes(package.download_bytes)
        );
    }
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        bar.set_position(bytes_under(work).min(package.download_bytes));
        std::thread::sleep(Duration::from_millis(150));
    };
    if status.success() {
        bar.set_position(package.download_bytes);
        bar.finish();
    } else {
        bar.abandon();
    }
    Ok(status.success())
}

/// The bytes of the files under a folder. Files come and go while a client works; one that is
/// gone counts nothing.
fn bytes_under(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(data) if data.is_dir() => bytes_under(&entry.path()),
            Ok(data) => data.len(),
            Err(_) => 0,
        })
        .sum()
}

/// Unpacks a compressed manual page and writes its text beside it.
fn page_as_text(page: &Path) -> Result<PathBuf> {
    let unpacked = page.with_extension("");
    process::run_quiet(
        process::command("python3")
            .args(["-m", "gzip", "-d"])
            .arg(page),
    )?;
    let read = fs::read_to_string(&unpacked);
    let read = read.with_context(|| format!("cannot read {}", unpacked.display()))?;
    let text = page.with_extension("txt");
    fs::write(&text, manual::text_of(&read))?;
    Ok(text)
}

/// Unpacks a wheel (zip) or an npm tarball with Python, which is here for pip anyway, and a Debian
/// package with Debian's own program.
fn unpack(archive: &Path, into: &Path) -> Result<()> {
    if archive.extension().is_some_and(|end| end == "deb") {
        let mut dpkg = process::command("dpkg-deb");
        return process::run_quiet(dpkg.arg("-x").arg(archive).arg(into));
    }
    let zip = archive.extension().is_some_and(|end| end == "whl");
    let module = if zip { "zipfile" } else { "tarfile" };
    let mut python = process::command("python3");
    process::run_quiet(python.args(["-m", module, "-e"]).arg(archive).arg(into))
}
