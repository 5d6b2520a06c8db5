//! Looks at the sources of both versions: where their names are, and which words mean something to them.

use std::fs;
use std::path::{Path, PathBuf};

const BEFORE: &str = "../../../.cache/compare-cores/before/crates/distwall-wire/src";
const NOW: &str = "../../../.cache/compare-cores/now/crates/distwall-wire/src";

fn main() {
    let mut words = Vec::new();
    let mut requests = Vec::new();
    for (side, folder) in [("before", BEFORE), ("now", NOW)] {
        println!("cargo:rerun-if-changed={folder}");
        println!("cargo:rustc-check-cfg=cfg({side}_names, values(\"flat\", \"layers\", \"channel_rules\"))");
        println!("cargo:rustc-cfg={side}_names=\"{}\"", version(Path::new(folder)));
        println!("cargo:rustc-check-cfg=cfg({side}_of)");
        let rules = ["rules/table.rs", "rules/peer_rules.rs"].map(|file| Path::new(folder).join(file));
        if rules.iter().any(|file| fs::read_to_string(file).is_ok_and(|text| text.contains("pub of:"))) {
            println!("cargo:rustc-cfg={side}_of");
        }
        for file in sources(Path::new(folder)) {
            let text = fs::read_to_string(&file).unwrap_or_default();
            words.extend(literals(&text).iter().flat_map(|literal| names(literal)));
            requests.extend(text.lines().filter_map(request));
        }
    }
    let folder = PathBuf::from(std::env::var("OUT_DIR").unwrap_or_default());
    for (name, mut lines) in [("words.txt", words), ("requests.txt", requests)] {
        lines.sort();
        lines.dedup();
        fs::write(folder.join(name), lines.join("\n")).expect("the build folder can be written to");
    }
}

/// The file in `src/names` for the names of a version.
fn version(folder: &Path) -> &'static str {
    if folder.join("policy.rs").exists() {
        "flat"
    } else if folder.join("session/policies.rs").exists() {
        "layers"
    } else {
        "channel_rules"
    }
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries
        .flat_map(|path| {
            if path.is_dir() {
                sources(&path)
            } else {
                Vec::from_iter(path.extension().is_some_and(|end| end == "rs").then_some(path))
            }
        })
        .collect()
}

/// The string literals of a source, byte strings included, without what is escaped in them.
fn literals(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['"', '/', '\'']) {
        let (front, behind) = rest.split_at(at);
        rest = &behind[1..];
        if behind.starts_with("//") {
            rest = behind.split_once('\n').map_or("", |(_, lines)| lines);
        } else if let Some(char) = behind.strip_prefix("'\"'") {
            rest = char;
        } else if behind.starts_with('"') && !front.ends_with('\\') {
            let mut literal = String::new();
            let mut chars = rest.char_indices();
            while let Some((index, char)) = chars.next() {
                match char {
                    '"' => {
                        rest = &rest[index + 1..];
                        break;
                    }
                    '\\' => _ = chars.next(),
                    char => literal.push(char),
                }
            }
            found.push(literal);
        }
    }
    found
}

/// The words of a literal; sentences have none.
fn names(literal: &str) -> Vec<String> {
    if literal.contains(' ') && !literal.contains('\n') {
        return Vec::new();
    }
    let word = |word: &&str| word.len() <= 60 && word.bytes().all(|byte| byte.is_ascii_graphic());
    literal.split_ascii_whitespace().filter(word).map(str::to_owned).collect()
}

/// A line of the table of requests that OTP's processes obey, as `Form label Kind...`.
fn request(line: &str) -> Option<String> {
    let inner = ["any(", "pid(", "bare("].iter().find_map(|front| line.trim().strip_prefix(front))?;
    let (form, rest) = inner.split_once(", \"")?;
    let (label, rest) = rest.split_once('"')?;
    let kinds = rest.strip_prefix(", &[").and_then(|kinds| kinds.strip_suffix("]),"));
    let mut parts = vec![form.to_owned(), label.to_owned()];
    let mut depth = 0;
    let mut kind = String::new();
    for char in kinds.unwrap_or_default().chars().chain([',']) {
        match char {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(std::mem::take(&mut kind));
                continue;
            }
            _ => {}
        }
        if !matches!(char, ' ' | '(' | ')' | '&' | '[' | ']') {
            kind.push(if char == '"' { ':' } else { char });
        }
    }
    if kinds.is_none() {
        parts.truncate(2);
        parts.push("bare".to_owned());
    }
    parts.retain(|part| !part.is_empty());
    Some(parts.join(" "))
}
