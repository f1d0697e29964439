//! `cargo xtask demo`: from a fresh clone to the page, in one command.

use std::process::Command;

use anyhow::Result;

use crate::http::{self, Site};
use crate::{build, models, node, process, workspace};

#[derive(clap::Args)]
pub struct Args {
    /// The port to serve at; the next free one when it is taken
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Open the page in the default browser
    #[arg(long)]
    open: bool,
    /// Leave out the headers that make the page cross-origin isolated (COOP and COEP), as a plain
    /// static host does: with ?coi=0 in the address the CPU engine then has one thread
    #[arg(long)]
    no_isolation: bool,
    /// Serve what was built before
    #[arg(long)]
    no_build: bool,
}

/// What the page offers by name.
const MODELS: [&str; 6] = [
    "smollm2",
    "tokenizer-llama3",
    "tokenizer-qwen3",
    "tokenizer-gpt4o",
    "tokenizer-gemma3",
    "vit",
];

pub fn run(args: &Args) -> Result<()> {
    if !args.no_build {
        node::packages()?;
    }
    let models = models::get(&MODELS, false)?;
    if !args.no_build {
        build::everything(false)?;
    }
    let page = workspace::root().join("www").join("dist");
    if !page.join("index.html").is_file() {
        anyhow::bail!("the page is not built yet; run: cargo xtask demo");
    }
    let (server, port) = http::listen(args.port)?;
    let address = format!("http://localhost:{port}/");
    process::say(&format!("\nLexigraft is at {address}"));
    println!("Press Ctrl+C to stop.");
    if args.open && !open(&address) {
        println!("No browser could be opened; open the address yourself.");
    }
    http::serve(
        server,
        Site {
            mounts: vec![("/models/", models), ("/", page)],
            isolated: !args.no_isolation,
        },
    );
    Ok(())
}

/// Opens an address in the default browser; returns whether one was started.
pub fn open(address: &str) -> bool {
    let mut command = if cfg!(target_os = "macos") {
        Command::new("open")
    } else if cfg!(windows) {
        let mut command = Command::new("cmd");
        command.args(["/C", "start", ""]);
        command
    } else {
        Command::new("xdg-open")
    };
    command.arg(address).spawn().is_ok()
}
