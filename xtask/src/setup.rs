//! `cargo xtask setup`: finds or installs what the other subcommands need.

use anyhow::{Result, bail};

use crate::wasm_toolchain::WasmToolchain;
use crate::{browser, models, node, process, wasm_bindgen, workspace};

#[derive(clap::Args)]
pub struct Args {
    /// Only what building and the demo need: no test browser, no Vulkan driver
    #[arg(long)]
    build_only: bool,
}

pub fn run(args: &Args) -> Result<()> {
    println!("The cache is {}", workspace::cache()?.display());
    let mut missing = Vec::new();
    let mut check = |what: &str, result: Result<String>| match result {
        Ok(found) => println!("  {what:<22} {found}"),
        Err(error) => missing.push(format!("{error:#}")),
    };
    check("Python with pip", models::check_python());
    check("Node", node::check());
    check(
        "npm packages",
        node::packages().map(|()| "installed".to_owned()),
    );
    check(
        "Rust for WebAssembly",
        WasmToolchain::ready().map(|found| found.describe()),
    );
    check(
        "wasm-bindgen",
        wasm_bindgen::ready().map(|path| path.display().to_string()),
    );
    if !args.build_only {
        check(
            "Browser for tests",
            browser::ready().map(|path| path.display().to_string()),
        );
        check(
            "Vulkan for tests",
            browser::vulkan().map(|()| "found".to_owned()),
        );
    }
    if missing.is_empty() {
        process::say("Everything is in place.");
        return Ok(());
    }
    for line in &missing {
        eprintln!("missing: {line}");
    }
    bail!(
        "{} missing; see above",
        if missing.len() == 1 {
            "one thing is".to_owned()
        } else {
            format!("{} things are", missing.len())
        }
    )
}
