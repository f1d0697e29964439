//! Running other programs: each command is shown before it runs, and a failure names it.

use std::env;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::workspace;

/// Says what is about to happen.
pub fn say(text: &str) {
    if std::io::stdout().is_terminal() {
        println!("\x1b[1m{text}\x1b[0m");
    } else {
        println!("{text}");
    }
}

/// A command in the repository's root.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(workspace::root());
    command
}

/// The cargo that runs this program, for native builds.
///
/// Cargo tells the programs that it runs about themselves through the environment; build scripts
/// that watch such a variable would see a change and build again, so none is handed on.
pub fn cargo() -> Result<Command> {
    let mut cargo = command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    forget_this_crate(&mut cargo);
    cargo.env("CARGO_TARGET_DIR", workspace::native_target()?);
    Ok(cargo)
}

/// Removes what cargo told this program about itself from a child's environment.
pub fn forget_this_crate(command: &mut Command) {
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        let about_this_crate = [
            "CARGO_PKG_",
            "CARGO_MANIFEST_",
            "CARGO_BIN_",
            "CARGO_CRATE_",
        ];
        if about_this_crate
            .iter()
            .any(|prefix| text.starts_with(prefix))
            || text == "CARGO_PRIMARY_PACKAGE"
            || text == "OUT_DIR"
        {
            command.env_remove(&name);
        }
    }
}

/// Runs a command with its output shown.
pub fn run(command: &mut Command) -> Result<()> {
    show(command);
    let status = command
        .status()
        .with_context(|| format!("cannot start {}", name(command)))?;
    if !status.success() {
        bail!("{} failed ({status})", line(command));
    }
    Ok(())
}

/// Runs a command that shows all there is to see itself, its failure included, and ends with its
/// exit code.
pub fn hand_over(command: &mut Command) -> Result<()> {
    // It runs where the user is, whose paths it is given.
    if let Ok(here) = env::current_dir() {
        command.current_dir(here);
    }
    let status = command
        .status()
        .with_context(|| format!("cannot start {}", name(command)))?;
    match status.code() {
        Some(0) => Ok(()),
        Some(code) => std::process::exit(code),
        None => bail!("{} was stopped ({status})", name(command)),
    }
}

/// Runs a command quietly; its output is part of the error when it fails.
pub fn run_quiet(command: &mut Command) -> Result<()> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {}", name(command)))?;
    if !output.status.success() {
        let text = [output.stdout, output.stderr].concat();
        bail!(
            "{} failed ({})\n{}",
            line(command),
            output.status,
            String::from_utf8_lossy(&text).trim_end()
        );
    }
    Ok(())
}

/// What a command prints, without the space around it; `None` when it cannot start or fails.
pub fn ask(command: &mut Command) -> Option<String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Runs a command with its standard output both shown and handed on, line by line. Returns whether
/// it succeeded.
pub fn run_watched(command: &mut Command, mut on_line: impl FnMut(&str)) -> Result<bool> {
    show(command);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", name(command)))?;
    let stdout = child.stdout.take().context("no standard output")?;
    let mut reader = BufReader::new(stdout);
    let mut bytes = Vec::new();
    // By bytes, not by lines(): a test may print anything.
    while reader.read_until(b'\n', &mut bytes)? > 0 {
        let text = String::from_utf8_lossy(&bytes);
        print!("{text}");
        std::io::stdout().flush()?;
        on_line(text.trim_end());
        bytes.clear();
    }
    Ok(child.wait()?.success())
}

/// The first of these programs that is on the PATH.
pub fn find(programs: &[&str]) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let folders: Vec<PathBuf> = env::split_paths(&path).collect();
    programs.iter().find_map(|program| {
        folders
            .iter()
            .map(|folder| folder.join(program))
            .find(|file| is_program(file))
    })
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata()
        .is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &Path) -> bool {
    path.is_file()
}

fn show(command: &Command) {
    println!("  $ {}", line(command));
}

fn name(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

fn line(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let program = program
        .file_name()
        .unwrap_or(program.as_os_str())
        .to_string_lossy();
    let mut text = program.into_owned();
    for argument in command.get_args() {
        let argument = argument.to_string_lossy();
        text.push(' ');
        if argument.is_empty() || argument.contains([' ', '"', '\'', ';']) {
            text.push_str(&format!("{argument:?}"));
        } else {
            text.push_str(&argument);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_command_and_shows_its_output() {
        let error = run_quiet(command("cargo").arg("no-such-subcommand"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("cargo no-such-subcommand"), "{error}");
        assert!(error.contains("no such command"), "{error}");
    }

    #[test]
    fn watched_output_arrives_line_by_line() {
        let mut lines = Vec::new();
        let ok = run_watched(command("cargo").arg("--version"), |line| {
            lines.push(line.to_owned())
        })
        .unwrap();
        assert!(ok);
        assert!(lines.first().is_some_and(|line| line.starts_with("cargo ")));
    }

    #[test]
    fn an_absent_program_is_not_found() {
        assert_eq!(find(&["lexigraft-no-such-program"]), None);
    }
}
