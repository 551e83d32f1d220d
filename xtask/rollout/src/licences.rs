//! The licences of what others wrote and the package contains: the crates that are compiled into it, and the Voice SDK
//! with what is bundled into that.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    fs,
    path::Path,
};

use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, PackageId, TargetKind};
use serde_json::Value;

/// What runs in the browser.
const ROOMS: [&str; 5] = ["worker-wasm", "offscreen-wasm", "content-wasm", "popup-wasm", "plugin"];
const VOICE_SDK: &str = "@twilio/voice-sdk";

/// One piece of somebody else's work.
struct Work {
    name: String,
    version: String,
    licence: String,
    texts: Vec<String>,
}

/// All of them as one text, each licence's wording once.
pub fn collect(root: &Path) -> Result<String> {
    let mut works = crates(root)?;
    works.extend(npm_packages(root)?);
    works.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));

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

fn crates(root: &Path) -> Result<Vec<Work>> {
    let metadata = MetadataCommand::new()
        .current_dir(root)
        .other_options(["--locked", "--filter-platform", "wasm32-unknown-unknown"].map(str::to_owned))
        .exec()
        .context("cargo metadata")?;
    let packages: BTreeMap<&PackageId, &Package> =
        metadata.packages.iter().map(|package| (&package.id, package)).collect();
    let shipped = shipped(&metadata, &packages)?;
    let theirs = shipped.into_iter().filter(|package| package.source.is_some());
    theirs
        .map(|package| {
            let directory = package.manifest_path.parent().context("a manifest lies in a directory")?;
            Ok(Work {
                name: package.name.to_string(),
                version: package.version.to_string(),
                licence: package.license.clone().unwrap_or_else(|| "see below".into()),
                texts: texts_in(directory.as_std_path())?,
            })
        })
        .collect()
}

/// The rooms and what they are linked with: neither build scripts nor macros, which run on the builder's machine only.
fn shipped<'a>(
    metadata: &'a Metadata,
    packages: &BTreeMap<&PackageId, &'a Package>,
) -> Result<Vec<&'a Package>> {
    let resolve = metadata.resolve.as_ref().context("cargo metadata resolved nothing")?;
    let mut seen: BTreeSet<&PackageId> = BTreeSet::new();
    let mut open: Vec<&PackageId> = metadata
        .workspace_packages()
        .into_iter()
        .filter(|package| ROOMS.contains(&package.name.as_str()))
        .map(|package| &package.id)
        .collect();
    while let Some(id) = open.pop() {
        let package = packages.get(id).context("cargo metadata names an unknown package")?;
        let is_macro = package.targets.iter().any(|target| target.kind.contains(&TargetKind::ProcMacro));
        if is_macro || !seen.insert(id) {
            continue;
        }
        let node = resolve.nodes.iter().find(|node| node.id == *id).context("an unresolved package")?;
        let linked = node.deps.iter().filter(|dep| {
            dep.dep_kinds.is_empty() || dep.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal)
        });
        open.extend(linked.map(|dep| &dep.pkg));
    }
    Ok(seen.into_iter().filter_map(|id| packages.get(id).copied()).collect())
}

/// The Voice SDK is shipped as its makers bundle it, with its dependencies inside.
fn npm_packages(root: &Path) -> Result<Vec<Work>> {
    let modules = root.join("node_modules");
    let sdk = package_json(&modules.join(VOICE_SDK))?;
    let inside = sdk["dependencies"].as_object().map(|all| all.keys().cloned().collect::<Vec<_>>());
    std::iter::once(VOICE_SDK.to_owned())
        .chain(inside.unwrap_or_default())
        .filter(|name| !name.starts_with("@types/"))
        .map(|name| {
            let directory = modules.join(&name);
            let package = package_json(&directory)?;
            let text = |key: &str| package[key].as_str().unwrap_or("see below").to_owned();
            Ok(Work {
                version: text("version"),
                licence: text("license"),
                texts: texts_in(&directory)?,
                name,
            })
        })
        .collect()
}

fn package_json(directory: &Path) -> Result<Value> {
    let file = directory.join("package.json");
    let text =
        fs::read_to_string(&file).with_context(|| format!("{}: run cargo xtask setup", file.display()))?;
    serde_json::from_str(&text).with_context(|| file.display().to_string())
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
        for shipped in
            ["@twilio/voice-sdk 2.", "js-sys ", "serde ", "serde_json ", "wasm-bindgen ", "loglevel "]
        {
            assert!(list.lines().any(|line| line.starts_with(shipped)), "{shipped} is missing:\n{list}");
        }
        for not_shipped in ["clap ", "aws-lc-rs ", "tokio ", "syn ", "proptest ", "worker-wasm "] {
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
