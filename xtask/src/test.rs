//! `cargo xtask test`: every check there is, one heavy compilation at a time.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::build::{self, Module};
use crate::report::{Counts, Report};
use crate::{browser, docs, models, node, notebooks, process, supply_chain, workspace};

#[derive(clap::Args)]
pub struct Args {
    /// Leave out the lints and the browser tests on the software WebGPU adapter
    #[arg(long)]
    quick: bool,
    /// Run only one group
    #[arg(long, value_enum)]
    only: Option<Group>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Group {
    /// Format, lint and test the Rust crates
    Native,
    /// Type-check, lint and unit-test the npm package and the page
    Web,
    /// Build everything and test it in the browser
    Browser,
}

pub fn run(args: &Args) -> Result<()> {
    let wanted = |group: Group| args.only.is_none_or(|only| only == group);
    let mut report = Report::default();
    if wanted(Group::Native) || wanted(Group::Browser) {
        report.stage("models", |_| models::get(&[], false).map(drop));
    }
    if wanted(Group::Native) {
        native(&mut report, args.quick);
    }
    if wanted(Group::Web) {
        web(&mut report);
    }
    if wanted(Group::Browser) {
        in_browser(&mut report, args.quick);
    }
    if !report.close() {
        bail!("something failed; the stages above say what");
    }
    Ok(())
}

/// Its crate stands apart; Cargo.toml says why.
const GRAMMAR: &str = "lexigraft-grammar";

fn native(report: &mut Report, quick: bool) {
    report.stage("rust format", |_| {
        process::run(process::cargo()?.args(["fmt", "--all", "--check"]))
    });
    report.stage("vulkan driver", |_| browser::vulkan());
    // Plain `cargo test` of the default members, so that a developer's own run shares the build:
    // any other choice of packages gives Burn other features and builds it again.
    report.stage("rust tests", |tests| {
        counted(process::cargo()?.args(["test", "--no-fail-fast"]), tests)
    });
    report.stage("xtask tests", |tests| {
        counted(process::cargo()?.args(["test", "-p", "xtask"]), tests)
    });
    report.stage("licences of the crates", |_| {
        if !supply_chain::check_if_ready()? {
            println!("  cargo-deny is not there; `cargo xtask supply-chain` installs it");
        }
        Ok(())
    });
    // By itself, and left out below: in one build its features would be Burn's too.
    report.stage("grammar tests", |tests| {
        counted(
            process::cargo()?.args(["test", "-p", GRAMMAR, "--no-fail-fast"]),
            tests,
        )
    });
    if !quick {
        report.stage("rust lints", |_| {
            let mut cargo = process::cargo()?;
            let strict = ["--all-targets", "--", "-D", "warnings"];
            process::run(
                cargo
                    .args(["clippy", "--workspace", "--exclude", GRAMMAR])
                    .args(strict),
            )?;
            process::run(
                process::cargo()?
                    .args(["clippy", "-p", GRAMMAR])
                    .args(strict),
            )
        });
    }
}

fn web(report: &mut Report) {
    if !report.stage("npm packages", |_| node::packages()) {
        return report.left_out("web checks", "the npm packages are missing");
    }
    report.stage("web lint", |_| {
        process::run(node::npm().args(["run", "lint"]))
    });
    // The page's types come from the package, so the package is checked first.
    report.stage("package types", |_| {
        process::run(node::npm().args(["run", "check", "-w", "pkg"]))
    });
    report.stage("package tests", |tests| workspace_tests("pkg", tests));
    report.stage("report and docs tests", |tests| {
        workspace_tests("tests", tests)
    });
    report.stage("documentation site", |_| docs::build().map(drop));
}

/// The unit tests of one of the npm workspaces, which need no browser.
fn workspace_tests(workspace: &str, tests: &mut Counts) -> Result<()> {
    let mut npm = node::npm();
    npm.args(["run", "test", "-w", workspace]);
    // Node's other format, the default in a pipe, takes four lines for each test.
    counted(npm.env("NODE_OPTIONS", "--test-reporter=spec"), tests)
}

fn in_browser(report: &mut Report, quick: bool) {
    let mut built = true;
    for module in Module::ALL {
        let stage = format!("build module {}", module.name());
        built &= report.stage(&stage, |_| build::module(module, false));
    }
    if !built {
        return report.left_out("browser tests", "a module did not build");
    }
    if !report.stage("build package and page", |_| build::web()) {
        return report.left_out("browser tests", "the page did not build");
    }
    // After the build, because the page's types come from the built package.
    report.stage("page tests", |tests| workspace_tests("www", tests));
    if !report.stage("bundlers", |_| bundlers().map(drop)) {
        return report.left_out("browser tests", "the bundlers are missing");
    }
    report.stage("browser tests", |tests| {
        let files = browser_tests(quick)?;
        let mut node = node::node();
        // One file at a time: each runs a model, and there may be two cores.
        node.args(["--test", "--test-concurrency=1", "--test-reporter=spec"]);
        node.arg(format!("--test-timeout={FILE_TIMEOUT_MS}"))
            .args(files);
        node.env("CHROME", browser::ready()?);
        node.env("LEXIGRAFT_BUNDLERS", bundlers()?);
        counted(&mut node, tests)
    });
    notebooks::stage(report);
}

/// The bundlers that the package is tried with, in the cache.
fn bundlers() -> Result<PathBuf> {
    let sources = workspace::root().join("tests").join("bundlers");
    let folder = workspace::cache()?.join("bundlers");
    node::locked_packages(&sources, &folder, "Vite, webpack, Rollup and esbuild")?;
    Ok(folder)
}

/// A browser that hangs fails its file instead of holding up the run.
const FILE_TIMEOUT_MS: u32 = 20 * 60 * 1000;

/// In the names of the files that need the software WebGPU adapter, where a token takes seconds.
const SLOW_BROWSER_TESTS: &str = "webgpu";

fn browser_tests(quick: bool) -> Result<Vec<PathBuf>> {
    let folder = workspace::root().join("tests").join("browser");
    let entries = folder
        .read_dir()
        .with_context(|| format!("cannot list {}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.ends_with(".test.mjs") && !(quick && name.contains(SLOW_BROWSER_TESTS))
        })
        .collect();
    files.sort();
    if files.is_empty() {
        bail!("{} holds no test", folder.display());
    }
    Ok(files)
}

/// Runs a test runner and adds what it counted.
pub fn counted(command: &mut Command, tests: &mut Counts) -> Result<()> {
    command.env("LEXIGRAFT_MODELS", workspace::models()?);
    if std::io::IsTerminal::is_terminal(&std::io::stdout()) {
        // The runner writes to a pipe and would drop its colours.
        command
            .env("CARGO_TERM_COLOR", "always")
            .env("FORCE_COLOR", "1");
    }
    let succeeded = process::run_watched(command, |line| tests.read(line))?;
    if !succeeded {
        bail!("tests failed");
    }
    if tests.passed == 0 {
        bail!("the runner executed no test");
    }
    Ok(())
}
