//! `cargo xtask build`: the three WebAssembly modules, the npm package, the page.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use indicatif::HumanBytes;

use crate::wasm_toolchain::{self, WasmToolchain};
use crate::{node, process, wasm_bindgen, workspace};

/// `wasm-opt` comes from this npm package; it is large and used by --release alone, so it is kept
/// in the cache and not among the repository's packages.
const BINARYEN: &str = "132.0.0";
/// The features that Rust and wasm-bindgen use; wasm-opt rejects a module that uses one it was not told of.
const WASM_OPT_FLAGS: [&str; 9] = [
    "--enable-simd",
    "--enable-threads",
    "--enable-bulk-memory",
    "--enable-nontrapping-float-to-int",
    "--enable-sign-ext",
    "--enable-mutable-globals",
    "--enable-reference-types",
    "--enable-multivalue",
    "--strip-debug",
];

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
    /// The npm package and the page
    Web,
}

/// One of the modules. They have the same surface, and none carries another's weight.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Module {
    Cpu,
    /// For pages whose workers may share memory.
    CpuThreads,
    Gpu,
}

impl Module {
    pub const ALL: [Self; 3] = [Self::Cpu, Self::CpuThreads, Self::Gpu];

    /// The folder under `pkg/wasm`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::CpuThreads => "cpu-threads",
            Self::Gpu => "gpu",
        }
    }

    /// The cargo feature.
    fn feature(self) -> &'static str {
        match self {
            Self::Cpu | Self::CpuThreads => "cpu",
            Self::Gpu => "gpu",
        }
    }

    fn part(self) -> Part {
        match self {
            Self::Cpu | Self::CpuThreads => Part::Cpu,
            Self::Gpu => Part::Gpu,
        }
    }

    /// Where wasm-bindgen puts it.
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
    let bindgen = wasm_bindgen::ready()?;
    process::say(&format!(
        "WebAssembly module {}, by {}",
        module.name(),
        toolchain.describe()
    ));
    let mut cargo = toolchain.cargo("build", threads)?;
    cargo.args([
        "--profile",
        "wasm",
        "-p",
        "lexigraft-wasm",
        "--no-default-features",
    ]);
    process::run(cargo.args(["--features", module.feature()]))?;

    let target = wasm_toolchain::target_folder(threads)?
        .join(wasm_toolchain::TARGET)
        .join("wasm");
    let compiled = target.join("lexigraft_wasm.wasm");
    no_wrapped_exports(&compiled)?;
    // Two modules are compiled to the same name, so times cannot tell whether the one below is
    // this module's; the work is a second or two.
    let folder = module.folder();
    let plain = workspace::wasm_target()?
        .join("bindgen")
        .join(module.name());
    let mut command = process::command(&bindgen);
    command
        // Names of functions are half of the GPU module and nothing reads them.
        .args(["--remove-name-section", "--target", "web"])
        .args(["--out-name", "lexigraft", "--out-dir"])
        .arg(&plain)
        .arg(&compiled);
    process::run(&mut command)?;
    if release {
        optimise(&plain.join("lexigraft_bg.wasm"), &target, module)?;
    }
    publish(&plain, &folder)?;
    let size = fs::metadata(folder.join("lexigraft_bg.wasm"))?.len();
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
        if !module.folder().join("lexigraft_bg.wasm").exists() {
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

/// Runs wasm-opt in place. Its result is kept beside the input's hash: an unchanged module costs nothing.
fn optimise(wasm: &Path, target: &Path, module: Module) -> Result<()> {
    let bytes = fs::read(wasm)?;
    let kept = target.join(format!(
        "optimised-{}-{}.wasm",
        module.name(),
        fingerprint(&bytes)
    ));
    if !kept.exists() {
        process::say(&format!(
            "wasm-opt on {} (several minutes)",
            HumanBytes(bytes.len() as u64)
        ));
        let program = wasm_opt()?;
        let unfinished = kept.with_extension("unfinished");
        let mut command = node::node();
        command
            .arg("--max-old-space-size=8192")
            .arg(program)
            .arg("-Oz")
            .args(WASM_OPT_FLAGS);
        process::run(command.arg(wasm).arg("-o").arg(&unfinished))?;
        fs::rename(&unfinished, &kept)?;
    }
    fs::copy(&kept, wasm)?;
    Ok(())
}

fn wasm_opt() -> Result<PathBuf> {
    let folder = workspace::tools()?.join(format!("binaryen-{BINARYEN}"));
    let program = folder
        .join("node_modules")
        .join("binaryen")
        .join("bin")
        .join("wasm-opt");
    if !program.exists() {
        fs::create_dir_all(&folder)?;
        let package = format!("binaryen@{BINARYEN}");
        let mut npm = node::npm();
        npm.args([
            "install",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--prefix",
        ])
        .arg(&folder)
        .arg(&package);
        process::run(&mut npm).context("wasm-opt is missing and npm could not install binaryen")?;
    }
    Ok(program)
}

fn fingerprint(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes)
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
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
