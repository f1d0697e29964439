//! `cargo xtask pack`: the npm package as it would be published.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use indicatif::HumanBytes;
use sha2::{Digest, Sha256};

use crate::{build, licences, node, process, workspace};

#[derive(clap::Args)]
pub struct Args {
    /// Leave out wasm-opt: quicker to make, larger to download
    #[arg(long)]
    no_optimise: bool,
}

pub fn run(args: &Args) -> Result<()> {
    build::everything(!args.no_optimise)?;
    // Before npm counts the package's files.
    licences::write()?;
    let out = workspace::cache()?.join("packages");
    fs::create_dir_all(&out)?;
    let mut npm = node::npm();
    // Otherwise npm prints the output of the package's scripts among its JSON.
    npm.args(["pack", "-w", "pkg", "--json", "--foreground-scripts=false"]);
    let said = process::ask(npm.arg("--pack-destination").arg(&out));
    let said = said.context("npm pack failed; run `npm pack -w pkg` to see why")?;
    let said: serde_json::Value =
        serde_json::from_str(&said).context("npm pack's answer is no JSON")?;
    let entry = &said[0];
    let tarball = out.join(
        entry["filename"]
            .as_str()
            .context("npm pack named no file")?,
    );
    process::say(&format!("\n{}", tarball.display()));
    let bytes = fs::read(&tarball)?;
    println!("  sha256 {}", hex(&Sha256::digest(&bytes)));
    println!(
        "  {:<48} {:>12}",
        "tarball",
        HumanBytes(bytes.len() as u64).to_string()
    );
    println!(
        "  {:<48} {:>12}",
        "unpacked",
        HumanBytes(entry["unpackedSize"].as_u64().unwrap_or(0)).to_string()
    );
    // Node has both compressions that servers use.
    process::run(node::node().arg(Path::new("pkg").join("scripts").join("sizes.mjs")))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
