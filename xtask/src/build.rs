//! `cargo xtask build`: the WebAssembly modules, the npm package, the page.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use indicatif::HumanBytes;

use crate::wasm_toolchain::{self, WasmToolchain};
use crate::{node, process, wasm_bindgen, wasm_opt, workspace};

#[derive(clap::Args, Default)]
pub struct Args {
    /// Build only one part
    #[arg(long, value_enum)]
    only: Option<Part>,
    /// Also optimise the modules with wasm-opt (many minutes the first time)
    #[arg(long)]
    release: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The two WebAssembly modules for the CPU
    Cpu,
    /// The WebAssembly module for WebGPU
    Gpu,
    /// The WebAssembly module that reads JSON schemas and grammars
    Grammar,
    /// The npm package and the page
    Web,
}

/// One of the modules. The engine's have the same surface, and none carries another's weight.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Module {
    Cpu,
    /// For pages whose workers may share memory.
    CpuThreads,
    Gpu,
    /// No engine: what reads JSON schemas and grammars.
    Grammar,
}

/// All that the page calls. llguidance exports a C interface besides, which keeps a third of the module
/// alive.
const GRAMMAR_EXPORTS: [&str; 10] = [
    "memory",
    "write_text",
    "text_start",
    "text_length",
    "compile",
    "allowed",
    "advance",
    "failed",
    "fork",
    "release",
];
/// A grammar is a user's, so that there is an end to the memory that it may take: half a gibibyte. The
/// stack is for recursion over rules inside rules.
const GRAMMAR_LINK: [&str; 4] = [
    "-C",
    "link-arg=--max-memory=536870912",
    "-C",
    "link-arg=-zstack-size=8388608",
];

impl Module {
    pub const ALL: [Self; 4] = [Self::Cpu, Self::CpuThreads, Self::Gpu, Self::Grammar];

    /// The folder under `pkg/wasm`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::CpuThreads => "cpu-threads",
            Self::Gpu => "gpu",
            Self::Grammar => "grammar",
        }
    }

    /// The engine's cargo feature.
    fn feature(self) -> Option<&'static str> {
        match self {
            Self::Cpu | Self::CpuThreads => Some("cpu"),
            Self::Gpu => Some("gpu"),
            Self::Grammar => None,
        }
    }

    /// The module itself, in its folder.
    pub fn file(self) -> &'static str {
        match self {
            Self::Grammar => "lexigraft_grammar.wasm",
            _ => "lexigraft_bg.wasm",
        }
    }

    /// The profile of Cargo.toml, which is also the name of its folder.
    fn profile(self) -> &'static str {
        match self {
            Self::Grammar => "wasm-small",
            _ => "wasm",
        }
    }

    fn part(self) -> Part {
        match self {
            Self::Cpu | Self::CpuThreads => Part::Cpu,
            Self::Gpu => Part::Gpu,
            Self::Grammar => Part::Grammar,
        }
    }

    /// Where the package has it.
    pub fn folder(self) -> PathBuf {
        workspace::root().join("pkg").join("wasm").join(self.name())
    }
}

pub fn run(args: &Args) -> Result<()> {
    let parts = |part: Part| args.only.is_none_or(|only| only == part);
    for each in Module::ALL {
        if parts(each.part()) {
            module(each, args.release)?;
        }
    }
    if parts(Part::Web) {
        web()?;
    }
    Ok(())
}

/// All of it, for the subcommands that need a complete build.
pub fn everything(release: bool) -> Result<()> {
    run(&Args {
        only: None,
        release,
    })
}

/// Compiles one module and makes its JavaScript side.
pub fn module(module: Module, release: bool) -> Result<()> {
    let toolchain = WasmToolchain::ready()?;
    let threads = module == Module::CpuThreads;
    process::say(&format!(
        "WebAssembly module {}, by {}",
        module.name(),
        toolchain.describe()
    ));
    let target = wasm_toolchain::target_folder(threads)?
        .join(wasm_toolchain::TARGET)
        .join(module.profile());
    // Two modules are compiled to the same name, so times cannot tell whether the one below is
    // this module's; the work is a second or two.
    let plain = workspace::wasm_target()?
        .join("bindgen")
        .join(module.name());
    let wasm = plain.join(module.file());
    let compiled = match module.feature() {
        Some(feature) => {
            let mut cargo = toolchain.cargo("build", threads)?;
            cargo.args(["--profile", module.profile(), "-p", "lexigraft-wasm"]);
            cargo.args(["--no-default-features", "--features", feature]);
            process::run(&mut cargo)?;
            target.join("lexigraft_wasm.wasm")
        }
        None => {
            let mut cargo = toolchain.cargo("rustc", threads)?;
            cargo.args(["--profile", module.profile(), "-p", "lexigraft-grammar"]);
            cargo.args(["--lib", "--crate-type", "cdylib", "--"]);
            process::run(cargo.args(GRAMMAR_LINK))?;
            target.join(module.file())
        }
    };
    no_wrapped_exports(&compiled)?;
    if module == Module::Grammar {
        // Nothing is imported, so that there is nothing for wasm-bindgen to do.
        fs::create_dir_all(&plain)?;
        fs::copy(&compiled, &wasm)?;
    } else {
        let mut command = process::command(wasm_bindgen::ready()?);
        command
            // Names of functions are half of the GPU module and nothing reads them.
            .args(["--remove-name-section", "--target", "web"])
            .args(["--out-name", "lexigraft", "--out-dir"])
            .arg(&plain)
            .arg(&compiled);
        process::run(&mut command)?;
    }
    if release {
        if module == Module::Grammar {
            wasm_opt::keep_exports(&wasm, &GRAMMAR_EXPORTS)?;
        }
        wasm_opt::optimise(&wasm, &target, module.name())?;
    }
    let folder = module.folder();
    publish(&plain, &folder)?;
    let size = fs::metadata(folder.join(module.file()))?.len();
    println!(
        "  {} ({})",
        folder
            .strip_prefix(workspace::root())
            .unwrap_or(&folder)
            .display(),
        HumanBytes(size)
    );
    Ok(())
}

/// Where a module has static constructors and does not call them itself, the linker has each export
/// run all of them at every call, and says nothing: a launch of a kernel took 9 ms that way.
fn no_wrapped_exports(compiled: &Path) -> Result<()> {
    const MARK: &[u8] = b".command_export";
    if fs::read(compiled)?
        .windows(MARK.len())
        .any(|part| part == MARK)
    {
        bail!(
            "{} runs its static constructors at every call; call __wasm_call_ctors at its start",
            compiled.display()
        );
    }
    Ok(())
}

/// The npm package, then the page that uses it.
pub fn web() -> Result<()> {
    for module in Module::ALL {
        if !module.folder().join(module.file()).exists() {
            bail!(
                "the {} module is not built yet; run: cargo xtask build",
                module.name()
            );
        }
    }
    node::packages()?;
    process::say("npm package and page");
    // What TypeScript expects of the modules is what was just generated from them.
    process::run(node::npm().args(["run", "check:wasm", "-w", "pkg"]))?;
    process::run(node::npm().args(["run", "build", "-w", "pkg"]))?;
    process::run(node::npm().args(["run", "build", "-w", "www"]))
}

/// Copies the files that changed, so that bundlers which watch times see nothing new in the rest.
fn publish(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    for entry in fs::read_dir(from)?.flatten() {
        let (path, place) = (entry.path(), to.join(entry.file_name()));
        if !path.is_file() {
            continue;
        }
        let bytes = fs::read(&path)?;
        if fs::read(&place).is_ok_and(|old| old == bytes) {
            continue;
        }
        fs::write(&place, bytes).with_context(|| format!("cannot write {}", place.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn publish_leaves_unchanged_files_alone() {
        let from = tempfile::tempdir().unwrap();
        let to = tempfile::tempdir().unwrap();
        fs::write(from.path().join("a.js"), "1").unwrap();
        publish(from.path(), to.path()).unwrap();
        let first = fs::metadata(to.path().join("a.js"))
            .unwrap()
            .modified()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
        fs::write(from.path().join("a.js"), "1").unwrap();
        publish(from.path(), to.path()).unwrap();
        assert_eq!(
            fs::metadata(to.path().join("a.js"))
                .unwrap()
                .modified()
                .unwrap(),
            first
        );
        fs::write(from.path().join("a.js"), "2").unwrap();
        publish(from.path(), to.path()).unwrap();
        assert_eq!(fs::read(to.path().join("a.js")).unwrap(), b"2");
    }
}
