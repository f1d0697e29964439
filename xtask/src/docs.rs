//! `cargo xtask docs`: the site of `docs/`, and the pictures in it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::http::{self, Site};
use crate::{browser, demo, models, node, process, workspace};

#[derive(clap::Args)]
pub struct Args {
    /// Serve the site when it is built
    #[arg(long)]
    serve: bool,
    /// Serve it and open it in the default browser
    #[arg(long)]
    open: bool,
    /// The port to serve at; the next free one when it is taken
    #[arg(long, default_value_t = 8081)]
    port: u16,
    /// Take the pictures anew, from the built page with the real models in Chromium
    #[arg(long)]
    pictures: bool,
}

pub fn run(args: &Args) -> Result<()> {
    if args.pictures {
        pictures()?;
    }
    let site = build()?;
    println!("The site is in {}", site.display());
    if args.serve || args.open {
        serve(site, args.port, args.open)?;
    }
    Ok(())
}

/// Builds the site; a link that leads nowhere fails. Returns its folder.
pub fn build() -> Result<PathBuf> {
    let folder = workspace::root().join("docs");
    packages(&folder)?;
    // TypeDoc reads the package's sources, whose types the workspace's packages complete.
    node::packages()?;
    process::run(node::npm().args(["run", "build", "--prefix", "docs"]))
        .context("the site did not build")?;
    Ok(folder.join(".vitepress").join("dist"))
}

/// Installs what `docs/package-lock.json` names, unless that was done. It is apart from the
/// repository's packages, which nobody needs VitePress for.
fn packages(folder: &Path) -> Result<()> {
    let lock = fs::read_to_string(folder.join("package-lock.json"))?;
    let stamp = folder.join("node_modules").join(".installed-lock.json");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    node::check()?;
    process::say("Installing VitePress and TypeDoc");
    let mut npm = node::npm();
    npm.current_dir(folder);
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
    process::run(&mut npm).context("npm could not install the site's packages")?;
    fs::write(&stamp, lock).with_context(|| format!("cannot write {}", stamp.display()))
}

fn pictures() -> Result<()> {
    models::get(&["smollm2", "tokenizer-llama3", "vit"], false)?;
    let mut node = node::node();
    node.arg("docs/scripts/pictures.mjs");
    node.env("LEXIGRAFT_MODELS", workspace::models()?);
    process::run(node.env("CHROME", browser::ready()?))
        .context("the pictures could not be taken; is the page built? run: cargo xtask build")
}

fn serve(site: PathBuf, port: u16, open: bool) -> Result<()> {
    let (server, port) = http::listen(port)?;
    let address = format!("http://localhost:{port}/");
    process::say(&format!("The documentation is at {address}"));
    println!("Press Ctrl+C to stop.");
    if open && !demo::open(&address) {
        println!("No browser could be opened; open the address yourself.");
    }
    http::serve(
        server,
        Site {
            mounts: vec![("/", site)],
            isolated: false,
        },
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    /// The shell lines of a page's blocks.
    fn commands(page: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut shell = false;
        for line in page.lines().map(str::trim) {
            if let Some(language) = line.strip_prefix("```") {
                shell = !shell && language == "sh";
            } else if shell {
                found.push(line.split(" #").next().unwrap_or(line).trim().to_owned());
            }
        }
        found
    }

    #[test]
    fn every_xtask_command_of_the_documentation_is_understood() {
        let root = workspace::root();
        let mut pages: Vec<PathBuf> = std::fs::read_dir(root.join("docs"))
            .unwrap()
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|end| end == "md"))
            .collect();
        pages.push(root.join("README.md"));
        let mut count = 0;
        for page in pages {
            for command in commands(&std::fs::read_to_string(&page).unwrap()) {
                let Some(rest) = command.strip_prefix("cargo xtask ") else {
                    continue;
                };
                let words = std::iter::once("xtask").chain(rest.split_whitespace());
                if let Err(error) = crate::Cli::try_parse_from(words) {
                    panic!("{}: {command}\n{error}", page.display());
                }
                count += 1;
            }
        }
        assert!(count > 15, "only {count} commands were found");
    }

    #[test]
    fn comments_are_no_part_of_a_command() {
        let page = "```sh\ncargo xtask demo    # set up\n```\ncargo xtask no\n```ts\nx\n```\n";
        assert_eq!(commands(page), ["cargo xtask demo"]);
    }
}
