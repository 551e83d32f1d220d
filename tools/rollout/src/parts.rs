//! What others wrote and a product contains: the crates that are compiled into it, and the npm packages that it carries.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use base64::{Engine, prelude::BASE64_STANDARD};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};
use serde_json::Value;

use crate::key::hex;

/// What the extension carries of npm's.
pub const VOICE_SDK: &str = "@twilio/voice-sdk";
/// What both the extension and the customer's page of a video call carry of npm's.
pub const VIDEO_SDK: &str = "twilio-video";

/// A crate or an npm package inside a product.
#[derive(Clone)]
pub struct Part {
    pub name: String,
    pub version: String,
    /// As its makers say it; most do as an SPDX expression.
    pub licence: Option<String>,
    /// Where its files are on this machine.
    pub directory: PathBuf,
    /// None for a crate of this workspace.
    pub package_url: Option<String>,
    /// CycloneDX's name of the algorithm, and the digest in hexadecimal.
    pub digest: Option<(&'static str, String)>,
    /// The [`Part::reference`]s of what it is linked with.
    pub uses: BTreeSet<String>,
}

impl Part {
    /// By which one part names another.
    pub fn reference(&self) -> String {
        self.package_url.clone().unwrap_or_else(|| format!("holdfast/{}@{}", self.name, self.version))
    }
}

/// These rooms and the crates that they, compiled for that target, are linked with: neither build scripts nor macros, which
/// run on the builder's machine only.
pub fn crates(root: &Path, rooms: &[&str], target: &str) -> Result<Vec<Part>> {
    let metadata = MetadataCommand::new()
        .current_dir(root)
        .other_options(["--locked", "--filter-platform", target].map(str::to_owned))
        .exec()
        .context("cargo metadata")?;
    let linked = linked(root, rooms, target)?;
    let digests = digests(root)?;
    let packages: Vec<&Package> = metadata
        .packages
        .iter()
        .filter(|package| linked.contains(&(package.name.to_string(), package.version.to_string())))
        .collect();
    if packages.len() != linked.len() {
        bail!("cargo metadata and cargo tree do not agree about {}", rooms.join(", "));
    }
    let mut parts: BTreeMap<String, Part> = BTreeMap::new();
    for package in &packages {
        let part = part(package, &digests)?;
        parts.insert(package.id.repr.clone(), part);
    }
    let uses = uses(&metadata, &parts)?;
    Ok(parts
        .into_iter()
        .map(|(id, part)| Part { uses: uses.get(&id).cloned().unwrap_or_default(), ..part })
        .collect())
}

/// Names and versions. Only `cargo tree` knows which features a crate has when these rooms are compiled, and so what they are
/// linked with: `cargo metadata` takes the whole workspace's together.
fn linked(root: &Path, rooms: &[&str], target: &str) -> Result<BTreeSet<(String, String)>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let tree = Command::new(cargo)
        .args(["tree", "--locked", "--target", target])
        .args(rooms.iter().flat_map(|room| ["--package", room]))
        .args(["--edges", "normal,no-proc-macro", "--prefix", "none", "--format", "{p}"])
        .current_dir(root)
        .output()
        .context("cargo tree")?;
    if !tree.status.success() {
        bail!("cargo tree: {}", String::from_utf8_lossy(&tree.stderr));
    }
    let text = String::from_utf8(tree.stdout).context("cargo tree")?;
    text.lines()
        .filter(|line| !line.is_empty())
        .map(|line| {
            let mut words = line.split(' ');
            let name = words.next().context("a crate has a name")?;
            let version = words.next().and_then(|word| word.strip_prefix('v'));
            Ok((name.to_owned(), version.with_context(|| format!("cargo tree says {line}"))?.to_owned()))
        })
        .collect()
}

fn part(package: &Package, digests: &BTreeMap<(String, String), String>) -> Result<Part> {
    let (name, version) = (package.name.to_string(), package.version.to_string());
    let directory = package.manifest_path.parent().context("a manifest lies in a directory")?;
    let digest = digests.get(&(name.clone(), version.clone())).cloned();
    Ok(Part {
        package_url: package.source.is_some().then(|| format!("pkg:cargo/{name}@{version}")),
        licence: package.license.clone(),
        directory: directory.as_std_path().to_path_buf(),
        digest: digest.map(|digest| ("SHA-256", digest)),
        uses: BTreeSet::new(),
        name,
        version,
    })
}

/// Which of these parts is linked with which, by cargo's ids of them.
fn uses(metadata: &Metadata, parts: &BTreeMap<String, Part>) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let resolve = metadata.resolve.as_ref().context("cargo metadata resolved nothing")?;
    let mut uses = BTreeMap::new();
    for node in resolve.nodes.iter().filter(|node| parts.contains_key(&node.id.repr)) {
        let linked = node.deps.iter().filter(|dep| {
            dep.dep_kinds.is_empty() || dep.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal)
        });
        let linked = linked.filter_map(|dep| parts.get(&dep.pkg.repr)).map(Part::reference);
        uses.insert(node.id.repr.clone(), linked.collect());
    }
    Ok(uses)
}

/// The digests of the crates' archives, by name and version.
fn digests(root: &Path) -> Result<BTreeMap<(String, String), String>> {
    let lock = fs::read_to_string(root.join("Cargo.lock")).context("Cargo.lock")?;
    let lock: toml::Table = lock.parse().context("Cargo.lock")?;
    let packages = lock["package"].as_array().context("Cargo.lock has no packages")?;
    let text = |package: &toml::Value, key: &str| Some(package.get(key)?.as_str()?.to_owned());
    Ok(packages
        .iter()
        .filter_map(|one| Some(((text(one, "name")?, text(one, "version")?), text(one, "checksum")?)))
        .collect())
}

/// An npm package and what is bundled into it, in the versions that the lock file has: the makers of the Voice SDK pin each
/// dependency to one. Types are no code.
pub fn npm(root: &Path, name: &str) -> Result<Vec<Part>> {
    let lock = fs::read_to_string(root.join("package-lock.json")).context("package-lock.json")?;
    let lock: Value = serde_json::from_str(&lock).context("package-lock.json")?;
    let (mut parts, mut open) = (BTreeMap::new(), vec![format!("node_modules/{name}")]);
    while let Some(path) = open.pop() {
        if parts.contains_key(&path) {
            continue;
        }
        let entry = &lock["packages"][&path];
        let name = path.rsplit("node_modules/").next().unwrap_or_default().to_owned();
        let version = entry["version"].as_str().with_context(|| format!("package-lock.json: {path}"))?;
        let mut uses = BTreeSet::new();
        for dependency in entry["dependencies"].as_object().into_iter().flat_map(|all| all.keys()) {
            if dependency.starts_with("@types/") {
                continue;
            }
            let at = resolved(&lock, &path, dependency)?;
            let version = lock["packages"][&at]["version"].as_str().unwrap_or_default();
            uses.insert(npm_url(dependency, version));
            open.push(at);
        }
        let part = Part {
            package_url: Some(npm_url(&name, version)),
            licence: entry["license"].as_str().map(str::to_owned),
            directory: root.join(&path),
            digest: entry["integrity"].as_str().map(integrity).transpose()?,
            version: version.to_owned(),
            name,
            uses,
        };
        parts.insert(path, part);
    }
    Ok(parts.into_values().collect())
}

/// Where Node finds `name` from inside of the package at `path`: the nearest `node_modules` that has it.
fn resolved(lock: &Value, path: &str, name: &str) -> Result<String> {
    let mut from = Some(path);
    while let Some(at) = from {
        let there = format!("{at}/node_modules/{name}");
        if lock["packages"].get(&there).is_some() {
            return Ok(there);
        }
        from = at.rsplit_once("/node_modules/").map(|(above, _)| above);
    }
    let top = format!("node_modules/{name}");
    lock["packages"]
        .get(&top)
        .map(|_| top)
        .with_context(|| format!("package-lock.json has no {name} for {path}"))
}

fn npm_url(name: &str, version: &str) -> String {
    format!("pkg:npm/{}@{version}", name.replace('@', "%40"))
}

/// What npm writes as `sha512-<base64>`.
fn integrity(text: &str) -> Result<(&'static str, String)> {
    let digest =
        text.strip_prefix("sha512-").with_context(|| format!("another digest than SHA-512: {text}"))?;
    Ok(("SHA-512", hex(&BASE64_STANDARD.decode(digest).context("package-lock.json's integrity")?)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_npm_package_is_found_where_node_finds_it() {
        let lock = json!({"packages": {
            "node_modules/a": {}, "node_modules/a/node_modules/b": {}, "node_modules/b": {}, "node_modules/c": {},
        }});
        assert_eq!(resolved(&lock, "node_modules/a", "b").unwrap(), "node_modules/a/node_modules/b");
        assert_eq!(resolved(&lock, "node_modules/a/node_modules/b", "c").unwrap(), "node_modules/c");
        assert_eq!(resolved(&lock, "node_modules/c", "b").unwrap(), "node_modules/b");
        assert!(resolved(&lock, "node_modules/a", "d").is_err());
    }
}
