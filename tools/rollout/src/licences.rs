//! The licences of what others wrote and the package contains: the crates that are compiled into it, and the SDKs for voice and
//! video with what is bundled into them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    fs,
    path::Path,
};

use anyhow::{Context, Result};

use crate::{
    parts::{self, Part, VIDEO_SDK, VOICE_SDK},
    sbom::{EXTENSION, PLUGIN},
};

const BROWSER: &str = "wasm32-unknown-unknown";

/// One piece of somebody else's work.
struct Work {
    name: String,
    version: String,
    licence: String,
    texts: Vec<String>,
}

/// All of them as one text, each licence's wording once.
pub fn collect(root: &Path) -> Result<String> {
    // The plugin's too: it is handed out beside the extension, and has no place for a text of its own.
    let mut parts: BTreeMap<(String, String), Part> = BTreeMap::new();
    let rooms = EXTENSION.into_iter().chain([PLUGIN]).collect::<Vec<_>>();
    let theirs = parts::crates(root, &rooms, BROWSER)?.into_iter().filter(|part| part.package_url.is_some());
    parts.extend(theirs.map(|part| ((part.name.clone(), part.version.clone()), part)));
    for sdk in [VOICE_SDK, VIDEO_SDK] {
        let inside = parts::npm(root, sdk)?;
        parts.extend(inside.into_iter().map(|part| ((part.name.clone(), part.version.clone()), part)));
    }
    let works: Vec<Work> = parts.into_values().map(work).collect::<Result<_>>()?;

    let mut out = String::from(
        "Holdfast contains work of others, and of the Rust standard library (MIT OR Apache-2.0). Their licences:\n\n",
    );
    let mut wordings: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for work in &works {
        writeln!(out, "{} {}: {}", work.name, work.version, work.licence)?;
        for text in &work.texts {
            wordings.entry(text).or_default().insert(format!("{} {}", work.name, work.version));
        }
    }
    for (text, works) in wordings {
        let works: Vec<String> = works.into_iter().collect();
        write!(out, "\n{}\n{}\n\n{text}\n", "-".repeat(80), works.join(", "))?;
    }
    Ok(out)
}

fn work(part: Part) -> Result<Work> {
    let texts = texts_in(&part.directory).context("run cargo xtask setup")?;
    let licence = part.licence.unwrap_or_else(|| "see below".into());
    Ok(Work { name: part.name, version: part.version, licence, texts })
}

/// The licence files of a package, in the order of their names.
fn texts_in(directory: &Path) -> Result<Vec<String>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).with_context(|| directory.display().to_string())? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_uppercase();
        let is_licence =
            ["LICENSE", "LICENCE", "COPYING", "NOTICE"].iter().any(|start| name.starts_with(start));
        if is_licence && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    files
        .iter()
        .map(|file| {
            let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
            Ok(text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n").trim().to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_licences_are_those_of_what_is_linked_in_and_of_nothing_else() {
        let text = collect(&crate::checkout::root().unwrap()).unwrap();
        let (list, wordings) = text.split_at(text.find("----------").unwrap());
        for shipped in [
            "@twilio/voice-sdk 2.",
            "twilio-video 2.",
            "leptos ",
            "js-sys ",
            "serde ",
            "serde_json ",
            "wasm-bindgen ",
            "loglevel ",
        ] {
            assert!(list.lines().any(|line| line.starts_with(shipped)), "{shipped} is missing:\n{list}");
        }
        // What the SDK brings along, not what lies beside it for a tool of the tests.
        assert!(list.contains("loglevel 1.9.2: MIT") && !list.contains("loglevel 1.6.7"), "{list}");
        for not_shipped in ["clap ", "aws-lc-rs ", "tokio ", "serde_derive ", "proptest ", "worker-wasm "] {
            assert!(
                !list.lines().any(|line| line.starts_with(not_shipped)),
                "{not_shipped} is not in the package"
            );
        }
        assert!(wordings.contains("Apache License") && wordings.contains("Permission is hereby granted"));
        assert!(
            !text.contains(crate::checkout::root().unwrap().to_str().unwrap()),
            "no path of this machine"
        );
    }
}
