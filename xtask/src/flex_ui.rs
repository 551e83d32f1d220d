//! The real Flex UI as one script, in the newest and in the oldest version that Holdfast supports.
//!
//! It comes from npm's package when it is needed, and its licence forbids handing it on.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context, Result, bail};
use base64::{Engine, prelude::BASE64_STANDARD};
use clap::ValueEnum;
use sha2::{Digest, Sha512};

use crate::{
    process::{command, run_quietly, seconds},
    project::Project,
    say,
    setup::Tools,
    stack::npm_version,
    stamp::Stamp,
};

/// The oldest supported version, and what npm's registry says of its archive. The archive holds a ready-made script
/// for browsers; its sixty dependencies are not needed.
const OLDEST: &str = "2.7.2";
const OLDEST_INTEGRITY: &str =
    "sha512-g2GJlUNy7t0wwCG7z3eFynkz01VRJrccNFP+ibDPfySZzK7I2I/c+jxnkAOzbo0VLvE9I0uQU1bzg2arkc65+w==";
const OLDEST_SCRIPT: &str = "package/bundle/twilio-flex.prod.browser.js";

/// A version of Flex UI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FlexUi {
    /// What package.json names.
    Newest,
    /// The oldest that is supported.
    #[value(name = "oldest", alias = OLDEST)]
    Oldest,
}

impl FlexUi {
    /// Its number.
    pub fn version(self, project: &Project) -> String {
        match self {
            Self::Newest => npm_version(project, "@twilio/flex-ui"),
            Self::Oldest => OLDEST.into(),
        }
    }
}

/// The script, made once.
pub fn bundle(project: &Project, tools: &Tools, flex: FlexUi) -> Result<PathBuf> {
    let directory = project.root.join("target/flex");
    fs::create_dir_all(&directory)?;
    let bundle = directory.join(format!("flex-ui-{}.js", flex.version(project)));
    match flex {
        FlexUi::Newest => bundle_newest(project, tools, &bundle)?,
        FlexUi::Oldest => unpack_oldest(project, &directory, &bundle)?,
    }
    Ok(bundle)
}

fn bundle_newest(project: &Project, tools: &Tools, bundle: &Path) -> Result<()> {
    let script = project.root.join("sandbox/flex/bundle-flex.mjs");
    let inputs = [script.clone(), project.root.join("package-lock.json")];
    let stamp = Stamp::new(bundle.with_extension("stamp"), &inputs, "")?;
    if stamp.is_fresh(&[bundle]) {
        return Ok(());
    }
    let start = Instant::now();
    say!("stack: bundling Flex UI ...");
    run_quietly(tools.node(project).arg(script).arg(bundle), &project.log("flex-bundle"))?;
    stamp.leave()?;
    say!("stack: Flex UI bundled: {}", seconds(start));
    Ok(())
}

fn unpack_oldest(project: &Project, directory: &Path, bundle: &Path) -> Result<()> {
    if bundle.exists() {
        return Ok(());
    }
    let start = Instant::now();
    say!("stack: fetching Flex UI {OLDEST} ...");
    let log = project.log("flex-oldest");
    let mut npm = command("npm", &project.root);
    npm.args(["pack", &format!("@twilio/flex-ui@{OLDEST}"), "--pack-destination"]).arg(directory);
    run_quietly(&mut npm, &log)?;
    let archive = directory.join(format!("twilio-flex-ui-{OLDEST}.tgz"));
    let bytes = fs::read(&archive).with_context(|| archive.display().to_string())?;
    if integrity(&bytes) != OLDEST_INTEGRITY {
        fs::remove_file(&archive)?;
        bail!("npm gave another Flex UI {OLDEST} than the one that is known here");
    }
    let mut tar = command("tar", directory);
    run_quietly(tar.arg("-xzf").arg(&archive).arg(OLDEST_SCRIPT), &log)?;
    fs::rename(directory.join(OLDEST_SCRIPT), bundle)?;
    fs::remove_dir_all(directory.join("package"))?;
    fs::remove_file(archive)?;
    say!("stack: Flex UI {OLDEST} is here: {}", seconds(start));
    Ok(())
}

/// As npm's lock files write it.
fn integrity(bytes: &[u8]) -> String {
    format!("sha512-{}", BASE64_STANDARD.encode(Sha512::digest(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_integrity_of_an_archive_is_written_as_npm_writes_it() {
        assert_eq!(
            integrity(b""),
            "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg=="
        );
    }

    #[test]
    fn the_oldest_flex_ui_is_asked_for_by_name_or_number() {
        assert_eq!(FlexUi::from_str(OLDEST, true), Ok(FlexUi::Oldest));
        assert_eq!(FlexUi::from_str("oldest", true), Ok(FlexUi::Oldest));
        assert_eq!(FlexUi::from_str("newest", true), Ok(FlexUi::Newest));
    }
}
