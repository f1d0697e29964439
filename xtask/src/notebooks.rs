//! `cargo xtask notebooks`: the notebook package, built and tried in a real JupyterLab.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use indicatif::HumanBytes;

use crate::report::{Counts, Report};
use crate::test::counted;
use crate::{browser, build, models, node, process, workspace};

#[derive(clap::Args)]
pub struct Args {
    /// Use the engine that was built before
    #[arg(long)]
    no_build: bool,
    /// Open JupyterLab with the example notebooks instead of testing
    #[arg(long)]
    lab: bool,
}

/// What the example notebooks and their test read.
const MODELS: [&str; 5] = [
    "smollm2",
    "vit",
    "photographs",
    "tokenizer-qwen3",
    "tokenizer-llama3",
];
/// Named before any test of it runs.
const STAGE: &str = "notebook tests";

pub fn run(args: &Args) -> Result<()> {
    node::packages()?;
    let models = models::get(&MODELS, false)?;
    if !args.no_build {
        build::everything(false)?;
    }
    let jupyter = Jupyter::ready()?;
    if args.lab {
        return jupyter.open(&models);
    }
    let mut report = Report::default();
    report.stage(STAGE, |tests| jupyter.test(tests));
    if !report.close() {
        bail!("something failed; the lines above say what");
    }
    Ok(())
}

/// The stage of `cargo xtask test`. Where JupyterLab cannot be installed, it is left out and said so.
pub fn stage(report: &mut Report) {
    match Jupyter::ready() {
        Ok(jupyter) => {
            report.stage(STAGE, |tests| jupyter.test(tests));
        }
        Err(error) => report.skipped(STAGE, &format!("no JupyterLab: {error:#}")),
    }
}

/// A virtual environment in the cache, with JupyterLab and what tests the package.
struct Jupyter {
    folder: PathBuf,
}

impl Jupyter {
    /// Makes it, unless that was done with the same requirements.
    fn ready() -> Result<Self> {
        let made = Self {
            folder: workspace::cache()?.join("jupyter"),
        };
        let requirements = sources().join("requirements-test.txt");
        let wanted = fs::read_to_string(&requirements)?;
        let stamp = made.folder.join("installed.txt");
        if is_installed(&stamp, &wanted) && made.program("python").is_file() {
            return Ok(made);
        }
        models::check_python()?;
        process::say("Installing JupyterLab and what tests the notebook package (390 MB, once)");
        println!("  into {}", made.folder.display());
        let _ = fs::remove_dir_all(&made.folder);
        let mut venv = process::command("python3");
        process::run_quiet(venv.args(["-m", "venv"]).arg(&made.folder))
            .context("Python could not make a virtual environment (on Debian: python3-venv)")?;
        let mut pip = made.pip();
        pip.args(["install", "--quiet", "--only-binary", ":all:", "-r"]);
        process::run_quiet(pip.arg(&requirements))
            .context("pip could not install what notebooks/requirements-test.txt names")?;
        fs::write(&stamp, wanted)?;
        Ok(made)
    }

    fn program(&self, name: &str) -> PathBuf {
        let folder = if cfg!(windows) { "Scripts" } else { "bin" };
        let name = format!("{name}{}", std::env::consts::EXE_SUFFIX);
        self.folder.join(folder).join(name)
    }

    fn python(&self, module: &str) -> std::process::Command {
        let mut python = process::command(self.program("python"));
        python.args(["-m", module]);
        python
    }

    fn pip(&self) -> std::process::Command {
        let mut pip = self.python("pip");
        pip.arg("--disable-pip-version-check");
        pip
    }

    /// Builds the package's wheel and installs it.
    fn install(&self) -> Result<()> {
        let folder = self.folder.join("wheel");
        // One wheel, whatever its version is.
        let _ = fs::remove_dir_all(&folder);
        let mut build = self.python("hatchling");
        build.args(["build", "-t", "wheel", "-d"]).arg(&folder);
        process::run(build.current_dir(sources()))?;
        let wheel = only_wheel(&folder)?;
        let size = fs::metadata(&wheel)?.len();
        println!(
            "  {} ({})",
            wheel.file_name().unwrap_or_default().display(),
            HumanBytes(size)
        );
        let mut pip = self.pip();
        pip.args(["install", "--quiet", "--no-deps", "--force-reinstall"]);
        process::run(pip.arg(&wheel))
    }

    /// Lints and types, Python by itself, and the example notebooks in the browser.
    fn test(&self, tests: &mut Counts) -> Result<()> {
        process::run(node::npm().args(["run", "check:notebooks"]))?;
        let checks: [&[&str]; 2] = [&["check"], &["format", "--check"]];
        for check in checks {
            process::run(self.python("ruff").args(check).arg("notebooks"))?;
        }
        self.install()?;
        let mut pytest = self.python("pytest");
        counted(pytest.args(["--quiet", "notebooks/tests"]), tests)?;
        let mut node = node::node();
        node.args(["--test", "--test-reporter=spec"]);
        node.arg("tests/notebooks/jupyterlab.test.mjs");
        node.env("CHROME", browser::ready()?)
            .env("LEXIGRAFT_JUPYTER", &self.folder);
        counted(&mut node, tests)
    }

    /// JupyterLab in a copy of the examples, until it is ended.
    fn open(&self, models: &Path) -> Result<()> {
        self.install()?;
        let folder = workspace::cache()?.join("notebooks");
        fs::create_dir_all(&folder)?;
        let examples = sources().join("examples");
        for entry in fs::read_dir(&examples)?.flatten() {
            let place = folder.join(entry.file_name());
            // What someone wrote there stays.
            if entry.path().is_file() && !place.exists() {
                fs::copy(entry.path(), place)?;
            }
        }
        process::run(
            self.python("jupyterlab")
                .current_dir(folder)
                .env("LEXIGRAFT_MODELS", models),
        )
    }
}

fn sources() -> PathBuf {
    workspace::root().join("notebooks")
}

fn is_installed(stamp: &Path, wanted: &str) -> bool {
    fs::read_to_string(stamp).is_ok_and(|installed| installed == wanted)
}

fn only_wheel(folder: &Path) -> Result<PathBuf> {
    let mut wheels: Vec<PathBuf> = folder
        .read_dir()
        .with_context(|| format!("cannot list {}", folder.display()))?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "whl"))
        .collect();
    match (wheels.pop(), wheels.is_empty()) {
        (Some(wheel), true) => Ok(wheel),
        _ => bail!("{} does not hold one wheel", folder.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::table;

    #[test]
    fn what_is_installed_is_known_by_the_requirements() {
        let folder = tempfile::tempdir().unwrap();
        let stamp = folder.path().join("installed.txt");
        assert!(!is_installed(&stamp, "a==1\n"));
        fs::write(&stamp, "a==1\n").unwrap();
        assert!(is_installed(&stamp, "a==1\n"));
        assert!(!is_installed(&stamp, "a==2\n"));
    }

    #[test]
    fn one_wheel_is_found_and_two_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(only_wheel(folder.path()).is_err());
        let wheel = folder.path().join("lexigraft-0.1.0-py3-none-any.whl");
        fs::write(&wheel, "").unwrap();
        fs::write(folder.path().join("notes.txt"), "").unwrap();
        assert_eq!(only_wheel(folder.path()).unwrap(), wheel);
        fs::write(folder.path().join("lexigraft-0.2.0-py3-none-any.whl"), "").unwrap();
        assert!(only_wheel(folder.path()).is_err());
    }

    #[test]
    fn every_requirement_is_pinned_and_every_model_known() {
        let text = fs::read_to_string(sources().join("requirements-test.txt")).unwrap();
        let mut lines = text.lines().filter(|line| !line.starts_with('#'));
        assert!(lines.clone().any(|line| line.starts_with("jupyterlab==")));
        assert!(lines.all(|line| line.contains("==")), "{text}");
        for model in MODELS {
            assert!(
                table::packages().any(|known| known.name == model),
                "{model}"
            );
        }
    }
}
