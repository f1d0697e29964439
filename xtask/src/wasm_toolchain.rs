//! The Rust compiler for `wasm32-unknown-unknown`.
//!
//! The rustup toolchain with its target is the ordinary way. Where rustup cannot fetch the target,
//! Debian's `rustc-web` compiles with the standard library built from source.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{debian, process, workspace};

pub const TARGET: &str = "wasm32-unknown-unknown";
const DEBIAN_PACKAGES: [&str; 5] = [
    "rustc-web",
    "cargo-web",
    "rust-web-src",
    "rust-web-llvm",
    "lld-22",
];
/// A memory that is shared, imported and may grow to all that 32 bits address; the exports are what
/// wasm-bindgen gives each thread its stack and thread-local variables with.
const THREAD_FLAGS: [&str; 8] = [
    "-C target-feature=+atomics,+bulk-memory,+mutable-globals",
    "-C link-arg=--shared-memory",
    "-C link-arg=--import-memory",
    "-C link-arg=--max-memory=4294967296",
    "-C link-arg=--export=__wasm_init_tls",
    "-C link-arg=--export=__tls_size",
    "-C link-arg=--export=__tls_align",
    "-C link-arg=--export=__tls_base",
];
/// The oldest compiler that this workspace accepts, as in `rust-version`.
const OLDEST: (u32, u32) = (1, 95);

/// A way to compile for the browser.
pub enum WasmToolchain {
    /// The active rustup toolchain has the target.
    Rustup,
    /// Debian's compiler in /usr/bin, and a linker.
    Debian { linker: &'static str },
}

impl WasmToolchain {
    /// Finds a way, installing what it may. `LEXIGRAFT_WASM=rustup|debian` forces one.
    ///
    /// What is on the machine comes before what must be fetched: a machine that cannot reach
    /// rustup's server would otherwise wait for it on every build.
    pub fn ready() -> Result<Self> {
        match env::var("LEXIGRAFT_WASM").as_deref() {
            Ok("rustup") => return Self::rustup_or_add().map_err(anyhow::Error::msg),
            Ok("debian") => return Self::debian_or_install(),
            Ok("") | Err(_) => {}
            Ok(other) => bail!("LEXIGRAFT_WASM is {other:?}; it may be rustup or debian"),
        }
        if let Some(found) = Self::rustup() {
            return Ok(found);
        }
        if let Some(found) = Self::debian() {
            return Ok(found);
        }
        match Self::rustup_or_add() {
            Ok(found) => Ok(found),
            Err(why) => {
                println!("  rustup target add {TARGET} did not work: {why}");
                Self::debian_or_install()
            }
        }
    }

    /// One line for people.
    pub fn describe(&self) -> String {
        match self {
            Self::Rustup => format!("the rustup toolchain, for {TARGET}"),
            Self::Debian { .. } => format!("Debian's rustc-web, for {TARGET}"),
        }
    }

    /// `cargo` for building a crate to WebAssembly with 128-bit SIMD; with `threads`, for a memory
    /// that workers share.
    pub fn cargo(&self, subcommand: &str, threads: bool) -> Result<Command> {
        let mut cargo = match self {
            Self::Rustup => process::cargo()?,
            Self::Debian { .. } => process::command("/usr/bin/cargo"),
        };
        process::forget_this_crate(&mut cargo);
        cargo.arg(subcommand).args(["--target", TARGET]);
        cargo.env("CARGO_TARGET_DIR", target_folder(threads)?);
        let flags = ["-C target-feature=+simd128 --cfg getrandom_backend=\"wasm_js\""];
        let more = if threads { &THREAD_FLAGS[..] } else { &[] };
        cargo.env("RUSTFLAGS", [&flags[..], more].concat().join(" "));
        // The target's own standard library knows no atomics, and is compiled for speed: one that is
        // compiled with the module, and as it is, takes 5 % off its size.
        cargo.args([
            "-Zbuild-std=std,panic_abort",
            "-Zbuild-std-features=optimize_for_size",
        ]);
        cargo.env("RUSTC_BOOTSTRAP", "1");
        if let Self::Rustup = self {
            rust_sources()?;
        }
        if let Self::Debian { linker } = self {
            // cargo run puts rustup's libraries first; Debian's compiler must find its own.
            for name in [
                "CARGO",
                "RUSTUP_TOOLCHAIN",
                "RUSTUP_HOME",
                "LD_LIBRARY_PATH",
                "RUSTC_WRAPPER",
            ] {
                cargo.env_remove(name);
            }
            cargo.env("RUSTC", "/usr/bin/rustc");
            cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
            let path = env::var_os("PATH").unwrap_or_default();
            let folders = std::iter::once(PathBuf::from("/usr/bin")).chain(env::split_paths(&path));
            cargo.env(
                "PATH",
                env::join_paths(folders).context("PATH holds a folder that cannot be listed")?,
            );
        }
        Ok(cargo)
    }

    fn rustup() -> Option<Self> {
        let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let folder = process::ask(process::command(rustc).args([
            "--print",
            "target-libdir",
            "--target",
            TARGET,
        ]))?;
        let entries = Path::new(&folder).read_dir().ok()?;
        entries
            .flatten()
            .any(|entry| entry.file_name().to_string_lossy().starts_with("libcore-"))
            .then_some(Self::Rustup)
    }

    fn rustup_or_add() -> std::result::Result<Self, String> {
        if let Some(found) = Self::rustup() {
            return Ok(found);
        }
        if process::find(&["rustup"]).is_none() {
            return Err("rustup is not installed".to_owned());
        }
        process::say(&format!("Adding rustup's {TARGET} target"));
        process::run_quiet(process::command("rustup").args(["target", "add", TARGET]))
            .map_err(|error| format!("{error:#}"))?;
        Self::rustup().ok_or_else(|| "the active toolchain still lacks it".to_owned())
    }

    fn debian() -> Option<Self> {
        let version = process::ask(debian_rustc().arg("--version"))?;
        if parse_version(&version)? < OLDEST {
            return None;
        }
        let sysroot = process::ask(debian_rustc().args(["--print", "sysroot"]))?;
        let sources = Path::new(&sysroot).join("lib/rustlib/src/rust/library/Cargo.toml");
        // By name: cargo notes how it was told of the linker, and another spelling builds all again.
        let linker = ["wasm-ld-22", "wasm-ld"]
            .into_iter()
            .find(|name| process::find(&[*name]).is_some())?;
        (sources.is_file() && Path::new("/usr/bin/cargo").is_file())
            .then_some(Self::Debian { linker })
    }

    fn debian_or_install() -> Result<Self> {
        if let Some(found) = Self::debian() {
            return Ok(found);
        }
        let what = format!(
            "A Rust compiler for {TARGET} (rustup target add {TARGET}, or Debian's packages)"
        );
        debian::install(&what, &DEBIAN_PACKAGES)?;
        Self::debian().with_context(|| {
            format!(
                "Debian's rustc is older than {}.{}; run: rustup target add {TARGET}",
                OLDEST.0, OLDEST.1
            )
        })
    }
}

/// Where cargo builds. The two kinds of memory have folders of their own: cargo would build all anew
/// at each change of the flags.
pub fn target_folder(threads: bool) -> Result<PathBuf> {
    let folder = workspace::wasm_target()?;
    Ok(if threads {
        folder.join("threads")
    } else {
        folder
    })
}

/// The standard library's source for the rustup toolchain.
fn rust_sources() -> Result<()> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let sysroot = process::ask(process::command(rustc).args(["--print", "sysroot"]));
    let there = sysroot.is_some_and(|sysroot| {
        Path::new(&sysroot)
            .join("lib/rustlib/src/rust/library/Cargo.toml")
            .is_file()
    });
    if there {
        return Ok(());
    }
    process::say("Adding rustup's rust-src component");
    process::run_quiet(process::command("rustup").args(["component", "add", "rust-src"])).context(
        "the threaded module needs the standard library's source; run: rustup component add rust-src",
    )
}

fn debian_rustc() -> Command {
    let mut rustc = process::command("/usr/bin/rustc");
    rustc.env_remove("LD_LIBRARY_PATH");
    rustc
}

/// Major and minor of `rustc 1.96.0 (…)`.
fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split(' ').nth(1)?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_compiler_version() {
        assert_eq!(
            parse_version("rustc 1.96.0 (built from a source tarball)"),
            Some((1, 96))
        );
        assert_eq!(parse_version("rustc"), None);
        assert!((1, 100) > OLDEST);
    }
}
