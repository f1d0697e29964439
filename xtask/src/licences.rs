//! `THIRD_PARTY_LICENSES`: the notices that the licences of the linked crates ask for, made of the
//! crates' own files and shipped in the npm package.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{process, workspace};

const FILE: &str = "THIRD_PARTY_LICENSES";
const TARGET: &str = "wasm32-unknown-unknown";

/// A crate of a registry that is linked into a module.
#[derive(Debug)]
struct Linked {
    name: String,
    version: String,
    /// As the crate gives it; empty where it names a file instead.
    expression: String,
    authors: String,
    folder: PathBuf,
}

/// Writes the notices into the package's folder.
pub fn write() -> Result<PathBuf> {
    let path = workspace::root().join("pkg").join(FILE);
    fs::write(&path, notices(&linked()?)?)
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// What the modules are linked from, in the order of names. Crates that only run in the compiler
/// leave nothing in a module.
fn linked() -> Result<Vec<Linked>> {
    let mut names = BTreeSet::new();
    let modules = [
        ("lexigraft-wasm", "cpu"),
        ("lexigraft-wasm", "gpu"),
        ("lexigraft-grammar", ""),
    ];
    for (package, feature) in modules {
        let mut cargo = process::cargo()?;
        cargo.args(["tree", "--locked", "-p", package]);
        cargo.args(["--no-default-features", "--features", feature]);
        cargo.args(["--target", TARGET, "-e", "normal,no-proc-macro"]);
        cargo.args(["--prefix", "none", "--format", "{p}"]);
        let said = process::ask(&mut cargo).context("cargo tree does not answer")?;
        names.extend(said.lines().filter_map(name_and_version));
    }
    let mut cargo = process::cargo()?;
    cargo.args(["metadata", "--locked", "--format-version", "1"]);
    cargo.args(["--filter-platform", TARGET]);
    let said = process::ask(&mut cargo).context("cargo metadata does not answer")?;
    let said: Value = serde_json::from_str(&said).context("cargo metadata's answer is no JSON")?;
    let packages = said["packages"].as_array().context("no packages")?;
    let mut found: Vec<Linked> = packages
        .iter()
        // Crates of this workspace have no source.
        .filter(|package| !package["source"].is_null())
        .filter_map(|package| {
            let text = |field: &str| package[field].as_str().unwrap_or_default().to_owned();
            let (name, version) = (text("name"), text("version"));
            names.contains(&(name.clone(), version.clone())).then(|| {
                let authors = package["authors"].as_array().into_iter().flatten();
                let authors: Vec<&str> = authors.filter_map(Value::as_str).collect();
                Linked {
                    expression: text("license"),
                    authors: authors.join(", "),
                    folder: Path::new(&text("manifest_path"))
                        .parent()
                        .map(Path::to_path_buf)
                        .unwrap_or_default(),
                    name,
                    version,
                }
            })
        })
        .collect();
    found.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    if found.is_empty() {
        bail!("no crate is linked into the modules");
    }
    Ok(found)
}

/// `burn v0.22.1 (/somewhere) (*)` in parts.
fn name_and_version(line: &str) -> Option<(String, String)> {
    let mut words = line.split(' ');
    let name = words.next()?;
    let version = words.next()?.strip_prefix('v')?;
    Some((name.to_owned(), version.to_owned()))
}

/// The whole file: a line for each crate, then each text once with those that it is for.
fn notices(linked: &[Linked]) -> Result<String> {
    let root = workspace::root();
    let read = |name: &str| {
        fs::read_to_string(root.join(name)).with_context(|| format!("cannot read {name}"))
    };
    let (mit, apache) = (read("LICENSE-MIT")?, read("LICENSE-APACHE")?);
    let own: Vec<Vec<String>> = linked
        .iter()
        .map(|each| each.texts(&mit, &apache))
        .collect::<Result<_>>()?;
    let mut texts: BTreeMap<String, (String, Vec<String>)> = BTreeMap::new();
    for (each, own_texts) in linked.iter().zip(&own) {
        // One that forgot the text of its licence has that of another under the same one.
        let alike = || {
            let same = |(other, texts): &(&Linked, &Vec<String>)| {
                other.expression == each.expression && !texts.is_empty()
            };
            linked.iter().zip(&own).find(same).map(|(_, texts)| texts)
        };
        let given = match own_texts.is_empty() {
            false => own_texts,
            true => alike().with_context(|| {
                format!(
                    "{} {} ({}) comes without a text",
                    each.name, each.version, each.expression
                )
            })?,
        };
        for text in given.iter().cloned() {
            // The same text, however its lines are broken, is one text.
            let key: Vec<&str> = text.split_whitespace().collect();
            let (_, whose) = texts.entry(key.join(" ")).or_insert((text, Vec::new()));
            whose.push(format!("{} {}", each.name, each.version));
        }
    }
    let mut out = String::from(
        "Third-party licences of the WebAssembly modules of Lexigraft\n\n\
         The modules are linked from the crates below and from Rust's standard library (MIT OR\n\
         Apache-2.0, the Rust project's contributors). Where a crate offers a choice, it is used\n\
         under the MIT licence, else under Apache-2.0. The source of each, unmodified, is at\n\
         https://crates.io/crates/NAME/VERSION, which is also where the source of those under\n\
         MPL-2.0 can be had.\n\n",
    );
    for each in linked {
        let licence = match each.expression.as_str() {
            "" => "see its text",
            expression => expression,
        };
        out += &format!("{} {}: {licence}\n", each.name, each.version);
    }
    for (text, whose) in texts.values() {
        out += &format!(
            "\n{}\n{}\n\n{}\n",
            "=".repeat(80),
            wrapped(whose),
            text.trim()
        );
    }
    Ok(out)
}

fn wrapped(names: &[String]) -> String {
    let mut lines = vec![String::new()];
    for name in names {
        let last = lines.last_mut().map_or(0, |line| line.len());
        if last > 0 && last + name.len() + 2 > 80 {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push_str(", ");
            }
            line.push_str(name);
        }
    }
    lines.join(",\n")
}

impl Linked {
    /// The texts that go with it, as far as it has them.
    fn texts(&self, mit: &str, apache: &str) -> Result<Vec<String>> {
        let files = self.licence_files()?;
        let named = |part: &str| -> Vec<String> {
            files
                .iter()
                .filter(|(name, _)| name.contains(part))
                .map(|(_, text)| text.clone())
                .collect()
        };
        let notice = named("NOTICE");
        let mut texts = match self.choice() {
            Some("MIT") => {
                let own = named("MIT");
                let grants = |text: &&String| {
                    text.contains("Permission is hereby granted")
                        && !text.contains("Apache License")
                };
                let plain: Vec<String> = files
                    .iter()
                    .map(|(_, text)| text)
                    .filter(grants)
                    .cloned()
                    .collect();
                match (own.is_empty(), plain.is_empty()) {
                    (false, _) => own,
                    (true, false) => plain,
                    // Many crates say MIT and come without its text.
                    (true, true) => vec![self.standard(mit)],
                }
            }
            Some("Apache-2.0") => vec![apache.to_owned()],
            _ => files.iter().map(|(_, text)| text.clone()).collect(),
        };
        texts.extend(
            notice
                .into_iter()
                .filter(|text| !texts.contains(text))
                .collect::<Vec<_>>(),
        );
        Ok(texts)
    }

    /// The licence that is taken where there is a choice between whole licences.
    fn choice(&self) -> Option<&'static str> {
        let expression = self.expression.replace('/', " OR ");
        if expression.contains("AND") || expression.contains("WITH") {
            return None;
        }
        let offered: Vec<&str> = expression.split(" OR ").map(str::trim).collect();
        ["MIT", "Apache-2.0"]
            .into_iter()
            .find(|licence| offered.contains(licence))
    }

    /// The MIT licence in the name of the crate's authors.
    fn standard(&self, mit: &str) -> String {
        let whose = match self.authors.as_str() {
            "" => format!("the authors of {}", self.name),
            authors => authors.to_owned(),
        };
        mit.lines()
            .map(|line| match line.starts_with("Copyright") {
                true => format!("Copyright (c) {whose}"),
                false => line.to_owned(),
            })
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// The names, in capitals, and texts of the crate's licence files.
    fn licence_files(&self) -> Result<Vec<(String, String)>> {
        const BEGINNINGS: [&str; 6] = [
            "LICENSE",
            "LICENCE",
            "COPYING",
            "NOTICE",
            "UNLICENSE",
            "COPYRIGHT",
        ];
        let entries = fs::read_dir(&self.folder)
            .with_context(|| format!("the source of {} is not there", self.name))?;
        let mut files = Vec::new();
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().to_uppercase();
            let wanted = BEGINNINGS
                .iter()
                .any(|beginning| name.starts_with(beginning));
            if wanted && entry.path().is_file() {
                let text = String::from_utf8_lossy(&fs::read(entry.path())?).into_owned();
                // Packed without its target, a link to a text has become the name of a file.
                if text.len() >= 200 || name.contains("NOTICE") {
                    files.push((name, text));
                }
            }
        }
        files.sort();
        Ok(files)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_linked_crate_has_a_text() {
        let linked = linked().unwrap();
        let names: Vec<&str> = linked.iter().map(|each| each.name.as_str()).collect();
        for name in ["burn", "wgpu", "tokenizers", "wasm-bindgen"] {
            assert!(names.contains(&name), "{name} is not linked: {names:?}");
        }
        assert!(!names.iter().any(|name| name.starts_with("lexigraft")));
        let text = notices(&linked).unwrap();
        for each in &linked {
            let line = format!("\n{} {}: ", each.name, each.version);
            assert!(text.contains(&line), "{line}");
        }
        assert!(text.contains("Permission is hereby granted"));
        assert!(!text.contains("\n../"), "a text is the name of a file");
        assert!(text.contains("TERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION"));
        assert!(text.contains("Mozilla Public License"));
        assert_eq!(text, notices(&linked).unwrap());
    }

    #[test]
    fn a_choice_is_made_between_whole_licences_only() {
        let choice = |expression: &str| {
            let linked = Linked {
                name: String::new(),
                version: String::new(),
                expression: expression.to_owned(),
                authors: String::new(),
                folder: PathBuf::new(),
            };
            linked.choice()
        };
        assert_eq!(choice("MIT/Apache-2.0"), Some("MIT"));
        assert_eq!(choice("Apache-2.0 OR BSL-1.0"), Some("Apache-2.0"));
        assert_eq!(choice("(MIT OR Apache-2.0) AND Unicode-3.0"), None);
        assert_eq!(choice("Apache-2.0 WITH LLVM-exception"), None);
        assert_eq!(choice("MPL-2.0"), None);
    }

    #[test]
    fn lines_of_cargo_tree_are_read() {
        let read = |line: &str| name_and_version(line);
        let pair = |name: &str, version: &str| Some((name.to_owned(), version.to_owned()));
        assert_eq!(read("burn v0.22.1 (*)"), pair("burn", "0.22.1"));
        assert_eq!(read("half v2.7.0"), pair("half", "2.7.0"));
        assert_eq!(read(""), None);
    }
}
